"""A new model: an architecture with random weights, and a tokenizer trained on the data."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.base import CONFIG, TOKENIZER, WEIGHTS, Base
from bertspec.catalog.bases.bpe import Bpe
from bertspec.catalog.bases.families import family
from bertspec.catalog.bases.unigram import Unigram
from bertspec.catalog.bases.wordpiece import WordPiece
from bertspec.catalog.task import TEXT_FIELDS
from bertspec.core.errors import BertspecError, InputError, reason
from bertspec.core.names import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa
    from tokenizers import Tokenizer
    from transformers import PretrainedConfig, PreTrainedModel


IDS = {f"{name}_id": name for name in ("bos_token", "cls_token", "eos_token", "sep_token")}
"""Keys of a config for ids of special tokens -> the tokens. Not every architecture has them."""

FROM_TOKENIZER = ("vocab_size", "pad_token_id", *IDS)
"""Keys of a config that the trained tokenizer determines."""

UNDECLARED = {
    "deberta-v2": ("position_buckets", "share_att_key", "norm_rel_ebd", "attention_head_size"),
}
"""Keys that an architecture reads and whose config does not name them."""

SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
"""Keys of a config that must be whole numbers of at least 1: transformers builds some without."""


if TYPE_CHECKING:
    AnyTokenizer = WordPiece | Bpe | Unigram
else:
    AnyTokenizer = Annotated[WordPiece | Bpe | Unigram, Field(discriminator="type")]


class ScratchBase(Base):
    """No pretraining: for tests, for languages without a model, and as a baseline."""

    reads_data: ClassVar[bool] = True

    type: Literal["scratch"] = Field(description="A new model with random weights.")
    config: dict[str, int | float | str | bool] = Field(
        description="The architecture: `model_type` and the fields of its transformers config, "
        "such as `{model_type: bert, hidden_size: 128, num_hidden_layers: 2}`."
    )
    tokenizer: AnyTokenizer = Field(description="How the tokenizer is trained.")
    seed: int = Field(default=0, ge=0, description="Seed of the random weights.")

    def packages(self) -> tuple[str, ...]:
        return (*super().packages(), "torch", *self.tokenizer.packages())

    def slug(self) -> str:
        return "scratch"

    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        special = list(dict.fromkeys(self.tokenizer.special_tokens.values()))
        padding = special.index(self.tokenizer.special_tokens["pad_token"])
        return {**self.config, "pad_token_id": padding}

    def unknown_keys(self) -> Iterator[tuple[str, str, str]]:
        """Each key that the family's config does not take, what is wrong with it, and advice.

        None for a family that `families` does not know.
        """
        known = family(model_type := self.config.get("model_type"))
        for key in self.config if known else ():
            if known and key not in known.keys:
                yield key, *_refused(key, str(model_type), known.keys)

    def wrong_sizes(self) -> Iterator[tuple[str, str]]:
        """Each of SIZES that is no size, and what is wrong with it."""
        for key in SIZES:
            value = self.config.get(key, 1)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                yield key, f"`{key}` is {json.dumps(value)}, and must be a whole number from 1"

    def build(self, target: Path, root: Path, training: "pa.Table | None") -> None:
        if training is None:
            raise ValueError("a scratch base reads the prepared data")
        tokenizer = self.tokenizer.train(_texts(training))
        tokenizer.save(str(target / TOKENIZER))
        self._save_model(target, tokenizer)

    def _config(self, tokenizer: "Tokenizer") -> "PretrainedConfig":
        """Raises InputError (E403) for a size that is none or a key that the architecture has not.

        transformers would keep such a key, and build the model as if it were not there.
        """
        from transformers import AutoConfig

        for _, wrong in self.wrong_sizes():
            raise InputError.of("E403", wrong, "check `model.base.config`")
        options: dict[str, Any] = dict(self.config)
        model_type = str(options.pop("model_type", ""))
        defaults = AutoConfig.for_model(model_type)
        known = keys_of(defaults)
        for key in options:
            if key not in known:
                raise InputError.of("E403", *_refused(key, model_type, known))
        options["vocab_size"] = tokenizer.get_vocab_size()
        special = self._special_tokens()
        options["pad_token_id"] = tokenizer.token_to_id(special["pad_token"])
        for key, name in IDS.items():
            if getattr(defaults, key, None) is not None:
                options[key] = tokenizer.token_to_id(special[name])
        return AutoConfig.for_model(model_type, **options)

    def _special_tokens(self) -> dict[str, str]:
        """Those of the tokenizer; one without a begin or end has what stands around a text."""
        tokens = self.tokenizer.special_tokens
        return {"bos_token": tokens["cls_token"], "eos_token": tokens["sep_token"], **tokens}

    def _save_model(self, target: Path, tokenizer: "Tokenizer") -> None:
        import torch
        from safetensors.torch import save_file
        from transformers import AutoModel

        try:
            config = self._config(tokenizer)
            torch.manual_seed(self.seed)
            model = AutoModel.from_config(config)
        except BertspecError:
            raise
        except Exception as error:  # noqa: BLE001 - each architecture raises its own kinds
            raise InputError.of(
                "E403",
                f"transformers cannot make this model: {reason(error)}",
                "check `model.base.config`",
            ) from None
        config.architectures = [type(model).__name__]
        text = json.dumps(config.to_diff_dict(), indent=2, sort_keys=True)
        (target / CONFIG).write_text(text + "\n", encoding="utf-8")
        weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, target / WEIGHTS, metadata={"format": "pt"})
        about: dict[str, Any] = {"model_max_length": longest(model)}
        about |= {"tokenizer_class": "PreTrainedTokenizerFast", **self.tokenizer.special_tokens}
        text = json.dumps(about, indent=2, sort_keys=True)
        (target / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")


def keys_of(defaults: "PretrainedConfig") -> frozenset[str]:
    """The keys that the config of a family takes from a spec; `defaults` is one without any."""
    known = {*defaults.to_dict(), *defaults.attribute_map} - set(FROM_TOKENIZER)
    return frozenset(known | set(UNDECLARED.get(defaults.model_type, ())))


def _refused(key: str, model_type: str, known: Iterable[str]) -> tuple[str, str]:
    """What is wrong with a key that is not known, and what to do."""
    own = key in FROM_TOKENIZER
    advice = "leave it out, the tokenizer gives it" if own else did_you_mean(key, known)
    return f"the config of `{model_type}` takes no `{key}`", advice


def longest(model: "PreTrainedModel") -> int:
    """How many tokens of a text have a position."""
    for name, module in model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and padding is not None:
            # RoBERTa and its kin count positions from the one after the padding's.
            return int(module.weight.shape[0]) - padding - 1
    return int(getattr(model.config, "max_position_embeddings", 512))


def _texts(table: "pa.Table") -> list[str]:
    """All that a model of these rows reads."""
    columns = [column for column in TEXT_FIELDS if column in table.column_names]
    values = [value for column in columns for value in table[column].to_pylist()]
    return [value if isinstance(value, str) else " ".join(value) for value in values]
