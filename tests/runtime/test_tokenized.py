"""about.json beside the token ids: as tokenize wrote it, or a clear error."""

from pathlib import Path

import pytest

from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.core.errors import InputError
from bertspec.runtime.tokenized import FILE, Tokenized, read_tokenized

TASK = TextClassification(type="text-classification", labels=("bad", "good"))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    about = Tokenized(TASK.model_dump(mode="json"), pairs=False, max_length=8)
    about.write(tmp_path)
    assert read_tokenized(tmp_path, TASK) == about


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[]",
        "3",
        "{}",
        "\xff",
        '{"task": {}, "pairs": false}',
        '{"task": {}, "pairs": false, "max_length": 8, "more": 1}',
        '{"task": 1, "pairs": false, "max_length": 8}',
        '{"task": {}, "pairs": 0, "max_length": 8}',
        '{"task": {}, "pairs": false, "max_length": "8"}',
    ],
)
def test_what_is_damaged_is_told(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_tokenized(tmp_path, TASK)
    (found,) = caught.value.diagnostics
    assert found.code == "E206"
    assert FILE in found.message
    assert "`dvc repro` builds it again" in found.help
