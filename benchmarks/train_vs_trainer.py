"""bertspec's train and evaluate beside transformers' Trainer, in one run.

Same rows, token ids, model, epochs, batch, learning rate, schedule, clipping and threads; each in
a process of its own. The Trainer pads each batch to its longest row (DataCollatorWithPadding), its
usual fast configuration; `--pad-to-max` has it pad to `max_length`, as run_glue.py does.
Prints real tokens (without padding) per second of training, seconds of evaluation, accuracy and
the ratios. With several seeds: mean and standard deviation.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from project import (
    SHARED,
    Run,
    build,
    mean_and_spread,
    measure_bertspec,
    measure_child,
    read_tokens,
)


def place_data(name: str, data: Path, folder: Path, rows: int | None) -> bool:
    """Put a data set where its spec looks for it; False when it is not here."""
    (folder / "data").mkdir()
    if name == "mr":
        files = {"positive": "rt-polarity.pos", "negative": "rt-polarity.neg"}
        paths = {label: data / "movie-reviews" / file for label, file in files.items()}
        if not all(p.is_file() for p in paths.values()):
            return False
        with (folder / "data" / "mr.jsonl").open("w", encoding="utf-8") as out:
            for label, path in paths.items():
                for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:rows]:
                    if line.strip():
                        out.write(json.dumps({"text": line.strip(), "label": label}) + "\n")
        return True
    if not (data / "sst2" / "train.tsv").is_file():
        return False
    (folder / "data" / "sst2").mkdir()
    for split in ("train", "dev", "test"):
        text = (data / "sst2" / f"{split}.tsv").read_text(encoding="utf-8")
        kept = "\n".join(text.split("\n")[:rows]).rstrip("\n") + "\n"
        (folder / "data" / "sst2" / f"{split}.tsv").write_text(kept, encoding="utf-8")
    return True


def run_trainer(folder: Path, name: str, seed: int, *, pad_to_max: bool) -> None:
    """In the child process: train and evaluate on the token ids that bertspec's stages wrote."""
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
    options, tokenized = params[name]["training"], folder / record["inputs"]["tokenized"]
    about = json.loads((tokenized / "about.json").read_text())
    longest = about["tokenization"]["max_length"]
    torch.set_num_threads(record["threads"])

    class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __init__(self, split: str) -> None:
            table = read_tokens(tokenized, split)
            self.ids, self.labels = table["input_ids"].to_pylist(), table["label"].to_pylist()

        def __len__(self) -> int:
            return len(self.ids)

        def __getitem__(self, index: int) -> dict[str, Any]:
            ids = self.ids[index]
            padding = [0] * (longest - len(ids)) if pad_to_max else []
            mask = [1] * len(ids) + padding
            return {
                "input_ids": ids + padding, "attention_mask": mask, "labels": self.labels[index]
            }  # fmt: skip

    base = folder / record["inputs"]["base"]
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"), seed=seed, report_to=[], disable_tqdm=True,
        num_train_epochs=options["epochs"], learning_rate=options["learning_rate"],
        per_device_train_batch_size=options["batch"]["examples"], per_device_eval_batch_size=64,
        weight_decay=options["optimizer"]["weight_decay"], lr_scheduler_type="linear",
        warmup_steps=options["schedule"]["warmup_ratio"], max_grad_norm=options["max_grad_norm"],
        save_strategy="no", eval_strategy="epoch", logging_strategy="no", use_cpu=True,
        dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = Trainer(
        model=model, args=arguments, train_dataset=Rows("train"), eval_dataset=Rows("validation"),
        data_collator=default_data_collator if pad_to_max else DataCollatorWithPadding(tokenizer),
    )  # fmt: skip
    trainer.train()
    start = time.perf_counter()
    accuracy = 0.0
    for split in ("train", "validation", "test"):  # as bertspec's evaluate does
        result = trainer.predict(Rows(split))
        accuracy = float((np.argmax(result.predictions, axis=1) == result.label_ids).mean())
    print(json.dumps({"evaluate": time.perf_counter() - start, "accuracy": accuracy}))


def compare(name: str, data: Path, seeds: int, rows: int | None, *, pad_to_max: bool) -> None:
    results: dict[str, list[Run]] = {"bertspec": [], "Trainer": []}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if not place_data(name, data, folder, rows):
            print(f"{name}: skipped, {data} has it not")
            return
        padding = ["--pad-to-max"] if pad_to_max else []
        for seed in range(1, seeds + 1):
            params = build(folder, name, seed)
            results["bertspec"].append(measure_bertspec(folder, name, ["accuracy"]))
            child = measure_child(Path(__file__), "--trainer", folder, name, seed, *padding)
            results["Trainer"].append(child)
            shutil.rmtree(folder / "trainer", ignore_errors=True)
        tokenized = params["bertspec"]["stages"][f"{name}-train"]["inputs"]["tokenized"]
        table = read_tokens(folder / tokenized, "train")
        tokens = sum(map(len, table["input_ids"].to_pylist())) * params[name]["training"]["epochs"]
        report(name, len(table), tokens, results)


def report(name: str, rows: int, tokens: int, results: dict[str, list[Run]]) -> None:
    print(f"\n{name}: {rows} training rows, {tokens} real tokens")
    print(f"{'':10} {'train s':>16} {'real tokens/s':>14} {'evaluate s':>14} {'accuracy':>16}")
    means = {}
    for who, runs in results.items():
        names = ("train", "evaluate", "accuracy")
        cells = {k: mean_and_spread([run[k] for run in runs]) for k in names}
        mean = means[who] = {k: cell[0] for k, cell in cells.items()}
        spread = {k: cell[1] for k, cell in cells.items()}
        rate = tokens / mean["train"]
        print(f"{who:10} {mean['train']:9.1f} ± {spread['train']:4.1f} {rate:14,.0f}", end="")
        print(f" {mean['evaluate']:7.1f} ± {spread['evaluate']:4.1f}", end="")
        print(f" {mean['accuracy']:9.4f} ± {spread['accuracy']:.4f}")
    ratio = {k: means["Trainer"][k] / means["bertspec"][k] for k in ("train", "evaluate")}
    print(f"{'ratio':10} {ratio['train']:9.2f}x faster {'':12} {ratio['evaluate']:7.2f}x faster")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["mr", "sst2"])
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, help="take only the first rows of each file")
    parser.add_argument("--pad-to-max", action="store_true")
    parser.add_argument("--trainer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trainer:
        folder, name, seed = options.names
        run_trainer(Path(folder), name, int(seed), pad_to_max=options.pad_to_max)
        return
    for name in options.names:
        compare(name, options.data, options.seeds, options.rows, pad_to_max=options.pad_to_max)


if __name__ == "__main__":
    main()
