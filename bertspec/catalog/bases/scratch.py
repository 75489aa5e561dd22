"""A new model: an architecture with random weights, and a tokenizer trained on the data."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.base import CONFIG, TOKENIZER, WEIGHTS, Base
from bertspec.catalog.bases.wordpiece import SPECIAL_TOKENS, train_wordpiece
from bertspec.core.errors import InputError
from bertspec.core.model import Model

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class WordPiece(Model):
    """A WordPiece tokenizer, trained on the training split's text."""

    type: Literal["wordpiece"] = Field(description="WordPiece, as BERT has it.")
    vocab_size: int = Field(ge=16, description="Entries in the vocabulary, at most.")
    lowercase: bool = Field(default=True, description="Whether text is lower-cased first.")


class ScratchBase(Base):
    """No pretraining: for tests, for languages without a model, and as a baseline."""

    reads_data: ClassVar[bool] = True

    type: Literal["scratch"] = Field(description="A new model with random weights.")
    config: dict[str, int | float | str | bool] = Field(
        description="The architecture: `model_type` and the fields of its transformers config, "
        "such as `{model_type: bert, hidden_size: 128, num_hidden_layers: 2}`."
    )
    tokenizer: WordPiece = Field(description="How the tokenizer is trained.")
    seed: int = Field(default=0, ge=0, description="Seed of the random weights.")

    def packages(self) -> tuple[str, ...]:
        return (*super().packages(), "torch")

    def slug(self) -> str:
        return "scratch"

    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        return self.config

    def build(self, target: Path, root: Path, prepared: Path | None) -> None:
        if prepared is None:
            raise ValueError("a scratch base reads the prepared data")
        tokenizer = train_wordpiece(
            _texts(prepared), self.tokenizer.vocab_size, lowercase=self.tokenizer.lowercase
        )
        tokenizer.save(str(target / TOKENIZER))
        self._save_model(target, tokenizer)

    def _save_model(self, target: Path, tokenizer: "Tokenizer") -> None:
        import torch
        from safetensors.torch import save_file
        from transformers import AutoConfig, AutoModel

        options = dict(self.config)
        model_type = str(options.pop("model_type"))
        options |= {
            "vocab_size": tokenizer.get_vocab_size(),
            "pad_token_id": tokenizer.token_to_id("[PAD]") or 0,
        }
        try:
            config = AutoConfig.for_model(model_type, **options)
            torch.manual_seed(self.seed)
            model = AutoModel.from_config(config)
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            raise InputError.of(
                "E403",
                f"transformers cannot make this model: {str(error).splitlines()[0]}",
                "check `model.base.config`",
            ) from None
        config.architectures = [type(model).__name__]
        text = json.dumps(config.to_diff_dict(), indent=2, sort_keys=True)
        (target / CONFIG).write_text(text + "\n", encoding="utf-8")
        weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, target / WEIGHTS, metadata={"format": "pt"})
        about = {"model_max_length": self.config.get("max_position_embeddings", 512)}
        about |= {"tokenizer_class": "PreTrainedTokenizerFast", **SPECIAL_TOKENS}
        text = json.dumps(about, indent=2, sort_keys=True)
        (target / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")


def _texts(prepared: Path) -> list[str]:
    from pyarrow import parquet

    table = parquet.read_table(prepared / "train.parquet")
    columns = [c for c in ("text", "text_pair") if c in table.column_names]
    return [text for column in columns for text in table[column].to_pylist()]
