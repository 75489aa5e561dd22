"""The word that was meant: told where a word stands that it can take the place of."""

import json
from pathlib import Path

import pytest

from tests.projects import Project
from tests.spec.test_language import BASE


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("{epochs: 2", "{epoch: 2", "epochs"),
        ("{epochs: 2", "{precision: fp23", "fp32"),
        ("{epochs: 2", "{zzz: 2", None),
        ("[accuracy]", "[acuracy]", "accuracy"),
        ("[accuracy]", "['acuracy']", "accuracy"),
        ("{epochs: 2", "{schedule: {type: linaer}, epochs: 2", "linear"),
        ("bertspec: 1", "bertspec: 1\nextends: ./_pt.yaml", "./_p.yaml"),
        # The text at the place is no word that stands there by itself.
        ("bertspec: 1", "bertspec: 1\ndescription: &x fp23", None),
        ("{epochs: 2, learning_rate: 1e-5}", "\n  precision: >-\n    fp23", None),
        ("{epochs: 2", "{precision: 'fp\n  23', epochs: 2", None),
        ("{epochs: 2", "{precision: [fp23], epochs: 2", None),
    ],
)
def test_what_was_meant_is_told_where_it_can_be_written(
    tmp_path: Path, old: str, new: str, meant: str | None
) -> None:
    (tmp_path / "_p.yaml").write_text("bertspec: 1\n")
    text = BASE.replace(old, new)
    assert text != BASE
    if "&x" in new:
        text = text.replace("{epochs: 2", "{precision: *x")
    (tmp_path / "a.yaml").write_text(text)
    said = Project(tmp_path).call("validate", "a.yaml", "--format", "json", code=2).stdout
    errors = [d for d in json.loads(said) if d["severity"] == "error"]
    assert len(errors) == 1, errors
    assert errors[0]["code"] != "E001", "the text is YAML"
    assert errors[0]["replacement"] == meant
