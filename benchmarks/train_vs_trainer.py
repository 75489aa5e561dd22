"""bertspec's training beside transformers' Trainer, in one run, and beside what the machine can do.

Same rows, token ids, model, epochs, batch, learning rate, schedule, clipping and threads; each in
a process of its own, which validates after each epoch. The Trainer runs as run_glue.py has it (pad
to `max_length`, fp32), with each batch padded to its longest row (DataCollatorWithPadding), and as
fast as it can be made: rows grouped by length, in fp32 and bf16.
Prints real tokens (without padding) per second of the loop and of the whole process, its ratio to
the fastest, test accuracy, and how much of the speed of this machine's matrix products the model's
arithmetic on real tokens reaches (as PaLM's authors count it: Chowdhery et al., 2022, appendix B).
With several seeds: mean and standard deviation. `--device cuda` is the same on a GPU; `--shape
bert-base` takes a model of that size with random weights, and `--words` texts of so many words,
which fill its 512 tokens.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from project import SHARED, Run, Setting, build, mean_and_spread, measure_child, read_tokens

BERTSPEC = {"bertspec, bf16": "bf16", "bertspec, fp32": "fp32"}
"""Systems and their precision."""

RUN_GLUE, DYNAMIC, GROUPED, BEST = TRAINER = (
    "Trainer, padded to the maximum, fp32",
    "Trainer, dynamic padding, fp32",
    "Trainer, grouped by length, fp32",
    "Trainer, grouped by length, bf16",
)


SHAPES = {
    "minilm": None,
    "bert-base": "{type: scratch, config: {model_type: bert, hidden_size: 768, "
    "num_hidden_layers: 12, num_attention_heads: 12, intermediate_size: 3072}, "
    "tokenizer: {type: wordpiece, vocab_size: 30522}}",
}
"""Bases by name; None is the spec's own."""


def place_data(
    name: str, data: Path, folder: Path, rows: int | None, words: int | None = None
) -> bool:
    """Put a data set where its spec looks for it; False when it is not here.

    With `words`, texts of MR that have one label are put together until they have as many.
    """
    (folder / "data").mkdir()
    if name == "mr":
        files = {"positive": "rt-polarity.pos", "negative": "rt-polarity.neg"}
        paths = {label: data / "movie-reviews" / file for label, file in files.items()}
        if not all(p.is_file() for p in paths.values()):
            return False
        with (folder / "data" / "mr.jsonl").open("w", encoding="utf-8") as out:
            for label, path in paths.items():
                lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:rows]
                for text in together((line for line in lines if line.strip()), words or 1):
                    out.write(json.dumps({"text": text, "label": label}) + "\n")
        return True
    if not (data / "sst2" / "train.tsv").is_file():
        return False
    (folder / "data" / "sst2").mkdir()
    for split in ("train", "dev", "test"):
        text = (data / "sst2" / f"{split}.tsv").read_text(encoding="utf-8")
        kept = "\n".join(text.split("\n")[:rows]).rstrip("\n") + "\n"
        (folder / "data" / "sst2" / f"{split}.tsv").write_text(kept, encoding="utf-8")
    return True


def together(lines: Iterable[str], words: int) -> Iterator[str]:
    """Lines joined until they have so many words."""
    text: list[str] = []
    for line in lines:
        text.append(line.strip())
        if sum(len(part.split()) for part in text) >= words:
            yield " ".join(text)
            text = []


def run_bertspec(folder: Path, name: str) -> None:
    """In the child process: the train stage, with the time of its loop alone."""
    from bertspec.runtime.stage import run_stage
    from bertspec.runtime.torch_setup import let_waiting_threads_sleep

    let_waiting_threads_sleep()  # as run_stage does before it imports a runner
    runner: Any = import_module("bertspec.runtime.train")
    train, seconds = runner.train, 0.0

    def timed(*arguments: Any, **options: Any) -> Any:
        nonlocal seconds
        start = time.perf_counter()
        result = train(*arguments, **options)
        seconds = time.perf_counter() - start
        return result

    runner.train = timed
    run_stage(f"{name}-train", folder)
    print(json.dumps({"loop": seconds, "evaluate": 0.0}))


def run_trainer(folder: Path, name: str, seed: int, system: str) -> None:
    """In the child process: train and test on the token ids that bertspec's stages wrote."""
    import numpy as np
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
        default_data_collator,
    )
    from transformers.data.data_collator import DataCollatorWithPadding

    from bertspec.core.yaml import load_plain

    params = load_plain((folder / "params.yaml").read_text())
    record = params["bertspec"]["stages"][f"{name}-train"]
    on_processor = "device" not in record
    options, tokenized = params[name]["training"], folder / record["inputs"]["tokenized"]
    about = json.loads((tokenized / "about.json").read_text())
    padded = about["tokenization"]["max_length"] if system == RUN_GLUE else 0
    torch.set_num_threads(record["threads"])

    class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __init__(self, split: str) -> None:
            table = read_tokens(tokenized, split)
            self.ids, self.labels = table["input_ids"].to_pylist(), table["label"].to_pylist()

        def __len__(self) -> int:
            return len(self.ids)

        def __getitem__(self, index: int) -> dict[str, Any]:
            ids = self.ids[index]
            padding = [0] * (padded - len(ids))
            mask = [1] * len(ids) + padding
            return {
                "input_ids": ids + padding, "attention_mask": mask, "labels": self.labels[index]
            }  # fmt: skip

    base = folder / record["inputs"]["base"]
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=2, dtype=torch.float32
    )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"), seed=seed, report_to=[], disable_tqdm=True,
        num_train_epochs=options["epochs"], learning_rate=options["learning_rate"],
        per_device_train_batch_size=options["batch"]["examples"], per_device_eval_batch_size=64,
        weight_decay=options["optimizer"]["weight_decay"], lr_scheduler_type="linear",
        warmup_steps=options["schedule"]["warmup_ratio"], max_grad_norm=options["max_grad_norm"],
        save_strategy="no", eval_strategy="epoch", logging_strategy="no", use_cpu=on_processor,
        dataloader_pin_memory=not on_processor, bf16=system == BEST,
        train_sampling_strategy="group_by_length" if system in (GROUPED, BEST) else "random",
    )  # fmt: skip
    trainer = Trainer(
        model=model, args=arguments, train_dataset=Rows("train"), eval_dataset=Rows("validation"),
        data_collator=default_data_collator if padded else DataCollatorWithPadding(tokenizer),
    )  # fmt: skip
    start = time.perf_counter()
    trainer.train()
    trained = time.perf_counter()
    result = trainer.predict(Rows("test"))
    accuracy = float((np.argmax(result.predictions, axis=1) == result.label_ids).mean())
    found = {"loop": trained - start, "evaluate": time.perf_counter() - trained}
    print(json.dumps({**found, "accuracy": accuracy}))


def precision_of(system: str) -> str:
    return BERTSPEC.get(system, "bf16" if system == BEST else "fp32")


def measure(folder: Path, name: str, seed: int, system: str, setting: Setting) -> Run:
    """One system with one seed; what bertspec built up to train is there."""
    script = Path(__file__)
    if system not in BERTSPEC:
        found = measure_child(script, "--trainer", system, folder, name, seed)
        shutil.rmtree(folder / "trainer", ignore_errors=True)
        return found
    build(folder, name, seed, BERTSPEC[system], setting)
    found = measure_child(script, "--bertspec", folder, name)
    subprocess.run(["bertspec", "stage", f"{name}-evaluate"], cwd=folder, check=True)
    metrics = json.loads((folder / "models" / name / "metrics.json").read_text(encoding="utf-8"))
    return {**found, "accuracy": metrics["test"]["accuracy"]}


def compare(
    name: str,
    data: Path,
    seeds: int,
    rows: int | None,
    words: int | None,
    setting: Setting,
    precisions: Sequence[str],
) -> None:
    from bertspec.runtime.doctor.gemm import measure as measure_gemm

    systems = (*BERTSPEC, *TRAINER)
    results: dict[str, list[Run]] = {s: [] for s in systems if precision_of(s) in precisions}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if not place_data(name, data, folder, rows, words):
            print(f"{name}: skipped, {data} has it not")
            return
        params = build(folder, name, 1, setting=setting)
        for seed in range(1, seeds + 1):
            for system, runs in results.items():
                runs.append(measure(folder, name, seed, system, setting))
                print(f"{name}, seed {seed}: {system} {json.dumps(runs[-1])}", flush=True)
        record = params["bertspec"]["stages"][f"{name}-train"]
        table = read_tokens(folder / record["inputs"]["tokenized"], "train")
        lengths = [len(ids) for ids in table["input_ids"].to_pylist()]
        base = folder / record["inputs"]["base"]
        leaves_out = setting.device == "cpu"
        work = {s: arithmetic(base, lengths, firsts=leaves_out and s in BERTSPEC) for s in results}
        epochs = params[name]["training"]["epochs"]
        peaks = {
            p: measure_gemm(p, record["threads"], 5.0, setting.device).gflops for p in precisions
        }
        report(name, lengths * epochs, {s: w * epochs for s, w in work.items()}, peaks, results)


def arithmetic(base: Path, lengths: Sequence[int], *, firsts: bool) -> float:
    """Floating-point operations of one epoch, forward and backward, on real tokens alone.

    Six for each weight of a matrix and token, and twelve for each layer, token, token that it looks
    at, and hidden value. Embeddings and head count nothing; nor, with `firsts`, what of the last
    layer is not done but for first tokens: all but keys and values.
    """
    from transformers import AutoModel

    model = AutoModel.from_pretrained(base)
    tokens, hidden = sum(lengths), model.config.hidden_size
    weights = sum(p.numel() for p in model.encoder.parameters() if p.ndim > 1)
    pairs = model.config.num_hidden_layers * hidden * sum(n * n for n in lengths)
    whole = 6 * weights * tokens + 12 * pairs
    last = sum(p.numel() for p in model.encoder.layer[-1].parameters() if p.ndim > 1)
    left_out = 6 * (last - 2 * hidden**2) * (tokens - len(lengths))
    left_out += 12 * hidden * sum(n * n - n for n in lengths)
    return float(whole - left_out if firsts else whole)


def report(
    name: str,
    lengths: Sequence[int],
    work: dict[str, float],
    peaks: dict[str, float],
    results: dict[str, list[Run]],
) -> None:
    tokens = sum(lengths)
    said = ", ".join(f"{precision} {peak:,.0f}" for precision, peak in peaks.items())
    print(f"\n{name}: {len(lengths)} examples, {tokens} real tokens; GEMM peak in GFLOP/s: {said}")
    print(f"{'':40} {'loop s':>14} {'tokens/s':>9} {'of peak':>8} {'process s':>14}", end="")
    print(f" {'tokens/s':>9} {'slower':>8} {'accuracy':>16}")
    fastest = mean_and_spread([run["loop"] for run in next(iter(results.values()))])[0]
    for system, runs in results.items():
        loop, process, accuracy = (
            mean_and_spread([run[key] for run in runs]) for key in ("loop", "train", "accuracy")
        )
        precision = precision_of(system)
        share = work[system] / loop[0] / 1e9 / peaks[precision]
        print(f"{system:40} {loop[0]:7.1f} ± {loop[1]:4.1f} {tokens / loop[0]:9,.0f}", end="")
        print(f" {share:8.0%} {process[0]:7.1f} ± {process[1]:4.1f}", end="")
        print(f" {tokens / process[0]:9,.0f} {loop[0] / fastest:7.2f}x", end="")
        print(f" {accuracy[0]:9.4f} ± {accuracy[1]:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["mr", "sst2"])
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, help="take only the first rows of each file")
    parser.add_argument("--words", type=int, help="join texts of MR to so many words at least")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shape", choices=SHAPES, default="minilm")
    parser.add_argument("--max-length", type=int, help="in place of the spec's")
    parser.add_argument(
        "--fp32", action="store_true", help="without bf16, for a processor that has none"
    )
    parser.add_argument("--epochs", type=int, help="in place of the spec's")
    parser.add_argument("--bertspec", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--trainer", choices=TRAINER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bertspec:
        run_bertspec(Path(options.names[0]), options.names[1])
    elif options.trainer:
        folder, name, seed = options.names
        run_trainer(Path(folder), name, int(seed), options.trainer)
    else:
        base = SHAPES[options.shape]
        setting = Setting(options.device, base, options.max_length, options.epochs)
        for name in options.names:
            precisions = ["fp32"] if options.fp32 else ["fp32", "bf16"]
            compare(
                name, options.data, options.seeds, options.rows, options.words, setting, precisions
            )


if __name__ == "__main__":
    main()
