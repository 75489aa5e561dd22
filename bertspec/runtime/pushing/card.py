"""The model card that is sent: with what was added to the metadata of the one on the hub."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from bertspec.core.errors import InputError, reason
from bertspec.core.yaml import load_plain
from bertspec.runtime.pushing.target import Target
from bertspec.runtime.seal import CARD

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def card_to_send(api: "HfApi", target: Target, card: Path, folder: Path) -> tuple[Path, list[str]]:
    """The card with what the hub's front matter has and its own has not; and the keys of that.

    It is the card itself where there is nothing to keep, else a file in `folder`.
    Raises InputError (E475) for front matter that cannot be read.
    """
    from huggingface_hub import metadata_save
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        there = api.hf_hub_download(
            target.repo, CARD, revision=target.revision, local_dir=folder / "hub"
        )
    except RemoteEntryNotFoundError:
        return card, []
    theirs = _metadata(Path(there), f"{CARD} of {target.repo} at {target.revision}")
    ours = _metadata(card, str(card))
    kept = [key for key in theirs if key not in ours]
    if not kept:
        return card, []
    merged = Path(shutil.copyfile(card, folder / CARD))
    metadata_save(merged, theirs | ours)  # in the order of the hub's: a second push has nothing new
    return merged, kept


def _metadata(card: Path, name: str) -> dict[str, Any]:
    """The front matter, as the hub reads it: to the library `language: no` would be `false`."""
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    try:
        block = REGEX_YAML_BLOCK.search(card.read_text(encoding="utf-8-sig"))
        found = load_plain(block[2]) if block else None
        return dict(found or {})
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise InputError.of(
            "E475",
            f"the metadata of {name} cannot be read: {reason(error)}",
            "mend what is between its first two lines of `---`, and run it again",
        ) from None
