"""A folder that transformers loads: config, safetensors and tokenizer; run as it loads it."""

import json
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bertspec.catalog.base import TOKENIZER
from bertspec.catalog.export import INPUTS, Export, Runner, Shared, Trained, torch_runner
from bertspec.core.errors import CheckFailed
from bertspec.core.files import write_json

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.task import Task

ABOUT = "tokenizer_config.json"

PLACES = ("name_or_path", "special_tokens_map_file", "tokenizer_file")
"""Where its author had it, in what is said of a tokenizer."""

SPECIAL_TOKENS = {
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
}
"""How tokenizers spell them, for one whose folder does not say."""


class Transformers(Export):
    """A folder for `AutoModelFor...` of the task, `AutoTokenizer` and `pipeline`."""

    type: Literal["transformers"] = Field(
        description="A folder that transformers' `from_pretrained` loads, 32-bit floats."
    )

    @property
    def filename(self) -> str:
        return "transformers"

    def packages(self) -> tuple[str, ...]:
        return ("safetensors", "tokenizers")

    def write(self, module: "torch.nn.Module", path: Path, shared: Shared) -> None:
        model, trained = module.model, shared.trained
        if trained is None:
            raise ValueError("no trained model to take the tokenizer from")
        path.mkdir()
        # Its place would tell the folder of the build, and nothing of the model.
        model.config._name_or_path = ""  # type: ignore[union-attr] # noqa: SLF001
        model.save_pretrained(path)  # type: ignore[operator, union-attr]
        _write_tokenizer(model, trained, path)  # type: ignore[arg-type]
        trained.task.complete_folder(path, trained.max_length)

    def runner(self, path: Path, threads: int, task: "Task | None" = None) -> Runner:
        """Raises CheckFailed (E450) for weights that are not all those of the model."""
        import torch

        if task is None:
            raise ValueError("no task to say what the output is")
        torch.set_num_threads(threads)
        return torch_runner(partial(task.forward, _loaded(path, task.auto_class)))


def _loaded(path: Path, auto: str) -> "PreTrainedModel":
    import transformers

    model, loading = getattr(transformers, auto).from_pretrained(
        path, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    for kind, names in loading.items():
        if names:
            raise CheckFailed.of(
                "E450",
                f"{auto} does not load the transformers export whole: {kind.replace('_', ' ')} "
                f"{', '.join(sorted(map(str, names)))}",
                "leave the export out, or take a base of another family",
            )
    return model.eval()


def _write_tokenizer(model: "PreTrainedModel", trained: Trained, path: Path) -> None:
    """tokenizer.json as it was, and what AutoTokenizer needs to take it so."""
    from tokenizers import Tokenizer

    text = (trained.folder / TOKENIZER).read_bytes()
    (path / TOKENIZER).write_bytes(text)
    tokenizer = Tokenizer.from_buffer(text)
    about: dict[str, Any] = {
        name: spelling
        for name, spellings in SPECIAL_TOKENS.items()
        for spelling in spellings
        if tokenizer.token_to_id(spelling) is not None
    }
    for file in ("special_tokens_map.json", ABOUT):
        if (trained.folder / file).is_file():
            about |= json.loads((trained.folder / file).read_text(encoding="utf-8"))
    about = {name: value for name, value in about.items() if name not in PLACES}
    known = signature(model.forward).parameters
    about |= {
        "model_max_length": trained.max_length,
        "model_input_names": [name for name in INPUTS if name in known],
        # The classes of families may put together a tokenizer of their own from the vocabulary.
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    write_json(path / ABOUT, about)
