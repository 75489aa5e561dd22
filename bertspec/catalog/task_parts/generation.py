"""What transformers' generation needs of a folder, so that it goes on where our predictions do."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertspec.catalog.base import CONFIG, TOKENIZER
from bertspec.core.files import write_json

FILE = "generation_config.json"


def write_generation(
    folder: Path, before: Sequence[int], after: Sequence[int], max_new_tokens: int
) -> None:
    """Generate behind the text, greedily, up to `after`.

    `before` and `after` are the special tokens around a text. Those behind it are to be said by the
    model, so the folder's tokenizer puts none there.
    """
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    path = folder / TOKENIZER
    tokenizer = Tokenizer.from_file(str(path))
    tokens = [str(tokenizer.id_to_token(i)) for i in before]
    tokenizer.post_processor = TemplateProcessing(
        single=[*tokens, "$A"], special_tokens=list(zip(tokens, before, strict=True))
    )
    tokenizer.save(str(path))
    about: dict[str, Any] = {"do_sample": False, "max_new_tokens": max_new_tokens}
    if after:
        about["eos_token_id"] = after[0]
    pad_id = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("pad_token_id")
    if pad_id is not None:
        about["pad_token_id"] = pad_id
    write_json(folder / FILE, about)
