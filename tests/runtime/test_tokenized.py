"""about.json beside the token ids: as tokenize wrote it, or a clear error."""

import json
from pathlib import Path

import pytest

from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.core.errors import InputError
from bertspec.pipeline.params.tokenize import Tokenization
from bertspec.runtime.tokenized import FILE, Tokenized, read_tokenized

TASK = TextClassification(type="text-classification", labels=("bad", "good"))
OPTIONS = Tokenization(max_length=8).model_dump(mode="json")
WRITTEN = json.dumps(OPTIONS)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    about = Tokenized(TASK.as_read_by("tokenize"), OPTIONS, ["text"])
    about.write(tmp_path)
    assert read_tokenized(tmp_path, TASK) == about


def test_what_is_of_another_task_is_refused(tmp_path: Path) -> None:
    other = TASK.model_copy(update={"labels": ("good", "bad")})
    Tokenized(other.as_read_by("tokenize"), OPTIONS, ["text"]).write(tmp_path)
    with pytest.raises(InputError) as caught:
        read_tokenized(tmp_path, TASK)
    assert caught.value.diagnostics[0].code == "E205"


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
        '{"task": {}, "tokenization": 8, "fields": []}',
        '{"task": {}, "tokenization": {}, "fields": []}',
        f'{{"task": {{}}, "tokenization": {WRITTEN}}}',
        f'{{"task": {{}}, "tokenization": {WRITTEN}, "fields": [], "more": 1}}',
        f'{{"task": 1, "tokenization": {WRITTEN}, "fields": []}}',
        f'{{"task": {{}}, "tokenization": {WRITTEN}, "fields": "text"}}',
        f'{{"task": {{}}, "tokenization": {WRITTEN.replace("8", "null")}, "fields": []}}',
        '{"task": {}, "tokenization": {"max_length": 8}, "fields": []}',
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
