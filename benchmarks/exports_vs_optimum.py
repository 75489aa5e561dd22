"""Each export of a built model beside Optimum's exported and optimised one, in one run.

`bertspec bench` measures, in the same rounds, what the spec exports, and

- the forms of ONNX that bertspec has, each made here of the trained model;
- with `--optimum PYTHON` what Optimum makes of it: the model as exported, with the optimizations
  O2, and in 8 bits for this processor: for AVX-512 with VNNI, or else for AVX2 (its quantizer
  does not take what O2 makes). PYTHON is one that has optimum-onnx and onnxruntime, in a virtual
  environment of its own, as optimum-onnx does not go with transformers 5;
- what Optimum's optimizer calls, onnxruntime's own, over bertspec's plain ONNX.

About three minutes for MiniLM.
"""

import argparse
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console

from bertspec.catalog.export import Shared
from bertspec.catalog.exports.onnx import Onnx
from bertspec.catalog.task import Task
from bertspec.catalog.tasks import TASKS
from bertspec.cli.predict import export_folder
from bertspec.runtime.benching.bench import bench
from bertspec.runtime.benching.formats import Format
from bertspec.runtime.benching.plot import plot
from bertspec.runtime.benching.results import Results, cell
from bertspec.runtime.benching.show import show
from bertspec.runtime.bundle import read_bundle
from bertspec.runtime.export import exported_module
from bertspec.runtime.torch_setup import quiet
from bertspec.runtime.trained import load_trained

NAMES = {
    "text-classification": "text-classification",
    "multi-label-classification": "text-classification",
    "text-regression": "text-classification",
    "token-classification": "token-classification",
}
"""What Optimum calls our tasks; of others, its models have other outputs."""

NEEDED = ("config.json", "model.safetensors", "vocab.txt")
"""Of a trained model; transformers 4 does not read the other files that transformers 5 writes."""

PLAIN, OPTIMIZED, INT8 = "optimum", "optimum O2", "optimum int8"
ONNXRUNTIME = "onnxruntime's optimizer"

FORMS: Mapping[str, Mapping[str, Any]] = {
    "bertspec": {},
    "bertspec fused": {"optimize": True},
    "bertspec int8": {"quantize": "int8"},
    "bertspec fused int8": {"optimize": True, "quantize": "int8"},
}


def by_bertspec(trained: Path, task: Task, folder: Path) -> Iterator[Format]:
    """The forms of ONNX of the trained model."""
    quiet()
    module, shared = exported_module(load_trained(trained), task).eval(), Shared()
    for name, options in FORMS.items():
        path = folder / f"{name}.onnx"
        Onnx.model_validate({"type": "onnx", **options}).write(module, path, shared)
        yield Format(name, "onnx", path)


def by_optimum(python: Path, trained: Path, task: str, folder: Path) -> Iterator[Format]:
    """What Optimum makes of the trained model."""
    source = folder / "trained"
    source.mkdir()
    for name in NEEDED:
        if (trained / name).is_file():
            shutil.copyfile(trained / name, source / name)
    optimum: list[str | Path] = [python, "-m", "optimum.commands.optimum_cli"]
    export = [*optimum, "export", "onnx", "--model", source, "--task", NAMES[task]]
    subprocess.run([*export, folder / "plain"], check=True)
    subprocess.run([*export, "--optimize", "O2", folder / "optimized"], check=True)
    units = "avx512_vnni" if torch.cpu.get_capabilities().get("avx512_vnni") else "avx2"
    subprocess.run(
        [*optimum, "onnxruntime", "quantize", "--onnx_model", folder / "plain", f"--{units}",
         "--output", folder / "int8"],
        check=True,
    )  # fmt: skip
    yield Format(PLAIN, "onnx", folder / "plain/model.onnx")
    yield Format(OPTIMIZED, "onnx", folder / "optimized/model.onnx")
    yield Format(INT8, "onnx", folder / "int8/model_quantized.onnx")


def by_onnxruntime(model: Path, trained: Path, folder: Path) -> Format:
    """Our plain ONNX after the call that Optimum makes for O2."""
    from onnxruntime.transformers.optimizer import optimize_model

    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    optimized = optimize_model(
        str(model), model_type="bert", num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"], opt_level=2,
    )  # fmt: skip
    path = folder / "onnxruntime.onnx"
    optimized.save_model_to_file(str(path))
    fused = optimized.get_fused_operator_statistics()
    print(f"{ONNXRUNTIME} fuses { ({name: count for name, count in fused.items() if count}) }")
    return Format(ONNXRUNTIME, "onnx", path)


def beside(results: Results, peer: str) -> Iterator[str]:
    """How many times faster than a peer each format is."""
    named = {one.format.name: one for one in results.measured}
    if peer not in named:
        return
    for size in results.plan.sizes:
        yield f"x {peer}, {size}"
        for name, one in named.items():
            found = cell(one, named[peer], size)
            spread = f"{min(found.ratios):.2f} to {max(found.ratios):.2f}"
            yield f"  {name:24} {found.ratio:5.2f} ({spread})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="sentiment", help="a BERT of a built spec")
    parser.add_argument("--optimum", type=Path, metavar="PYTHON")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--tokens", type=int, nargs="+", default=[128])
    parser.add_argument("--threads", type=int, help="by default one a core")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--plot", type=Path, help="a file .svg")
    given = parser.parse_args()
    folder = export_folder(given.model)
    trained, bundle = folder.parent / "trained", read_bundle(folder)
    with TemporaryDirectory() as name:
        made = Path(name)
        task = TASKS[bundle.task["type"]].model_validate(bundle.task)
        peers = list(by_bertspec(trained, task, made))
        peers.append(by_onnxruntime(peers[0].path, trained, made))
        if given.optimum:
            peers += by_optimum(given.optimum, trained, bundle.task["type"], made)
        results = bench(
            given.model, folder, given.batch, given.tokens, threads=given.threads,
            rounds=given.rounds, seconds=given.seconds, peers=peers,
        )  # fmt: skip
        show(results, Console(highlight=False, markup=False, emoji=False))
    for peer in (OPTIMIZED, INT8, ONNXRUNTIME):
        for line in beside(results, peer):
            print(line)
    if given.plot:
        given.plot.write_text(plot(results), encoding="utf-8")


if __name__ == "__main__":
    main()
