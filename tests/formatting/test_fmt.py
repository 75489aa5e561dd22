"""`bertspec fmt`: another layout, the same meaning, every comment."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bertspec.core.yaml import load_plain
from bertspec.formatting.layout import laid_out
from bertspec.formatting.order import in_order
from bertspec.formatting.tokens import Tokens
from bertspec.spec.sections import DataSetFile, Spec
from tests.projects import SPEC, Project

REPOSITORY = Path(__file__).parent.parent.parent

UGLY = """\
# yaml-language-server: $schema=../schema/bertspec-1.schema.json
# Reviews of films.


name:   a   # ours
bertspec: 1

evaluation:
    # what counts
      metrics: [accuracy,f1]
task: { type:  text-classification , labels: ['bad','good',] }  # two
training:
    # how often
    epochs: 3
    seed: 1   # any
    # batch: {examples: 8}
data: reviews

export:
- type: onnx
  quantize: int8
# the other
-   type: torchscript
model:
  base: {type: local,
    path: "m"}   # ours
description: >
     Two lines
       of text.~~

# the end
""".replace("~", " ")

NEAT = """\
# yaml-language-server: $schema=../schema/bertspec-1.schema.json
# Reviews of films.

bertspec: 1
name: a   # ours
description: >
     Two lines
       of text.~~
task: {type: text-classification, labels: ["bad", "good"]}  # two
data: reviews
model:
  base: {type: local,
    path: "m"}   # ours
training:
  seed: 1   # any
  # batch: {examples: 8}
  # how often
  epochs: 3

evaluation:
  # what counts
  metrics: [accuracy, f1]

export:
  - type: onnx
    quantize: int8
  # the other
  - type: torchscript

# the end
""".replace("~", " ")


def _formatted(project: Project, text: str, name: str = "a.yaml") -> str:
    path = project.root / "specs" / name
    path.write_bytes(text.encode())
    project.bertspec("fmt", f"specs/{name}")
    return path.read_bytes().decode()


def test_a_spec_is_laid_out_and_keeps_its_comments(project: Project) -> None:
    assert _formatted(project, UGLY) == NEAT
    assert load_plain(UGLY) == load_plain(NEAT)


def test_a_second_time_it_changes_nothing(project: Project) -> None:
    assert _formatted(project, NEAT) == NEAT
    assert "all formatted" in project.bertspec("fmt", "specs/a.yaml")
    assert project.bertspec("fmt", "--check", "specs/a.yaml")


def test_check_and_diff_write_nothing(project: Project) -> None:
    path = project.root / "specs" / "a.yaml"
    path.write_text(UGLY)
    assert "E234" in project.bertspec("fmt", "--check", "specs/a.yaml", code=1)
    shown = project.bertspec("fmt", "--diff", "specs/a.yaml")
    assert "-name:   a   # ours" in shown
    assert "+name: a   # ours" in shown
    assert path.read_text() == UGLY


def test_a_folder_stands_for_its_specs_and_data_sets(project: Project) -> None:
    for name in ("a.yaml", "_parent.yaml", "datasets/d.yml", "more/not-this.yaml"):
        path = project.root / "specs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("name:   a\nbertspec: 1\n")
    said = project.bertspec("fmt")
    assert "4 files, 4 changed" in said  # tiny.json is the fourth
    assert (project.root / "specs/datasets/d.yml").read_text() == "bertspec: 1\nname: a\n"
    assert "not-this" not in said


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [1\n", "E001"),
        ("a: 1\na: 2\n", "E002"),
        ("a: !!str 1\n", "E005"),
        ("? a\n: 1\n", "E233"),
        ("name: 'a\u2028b'\n", "E233"),
    ],
)
def test_what_cannot_be_formatted_is_told_and_nothing_is_written(
    project: Project, text: str, code: str
) -> None:
    (project.root / "specs" / "bad.yaml").write_text(text)
    (project.root / "specs" / "good.yaml").write_text("name:   a\n")
    said = project.bertspec("fmt", code=2)
    assert f"[{code}]" in said
    assert "specs/bad.yaml" in said
    assert (project.root / "specs" / "bad.yaml").read_text() == text
    assert (project.root / "specs" / "good.yaml").read_text() == "name:   a\n"


def test_all_that_is_wrong_is_told_at_once(project: Project) -> None:
    (project.root / "specs" / "bad.yaml").write_text("a: [1\n")
    (project.root / "specs" / "worse.yaml").write_text("a: }\n")
    said = project.bertspec("fmt", "specs", "nowhere", code=2)
    assert "specs/bad.yaml" in said
    assert "specs/worse.yaml" in said
    assert "[E007]" in said


def test_json_keeps_its_numbers_and_gets_the_order_of_the_language(project: Project) -> None:
    training = '"training": {"learning_rate": 1E-5, "epochs": 10}'
    text = f'{{"name": "a", {training}, "bertspec": 1, "export": []}}'
    assert _formatted(project, text, "a.json") == (
        '{\n  "bertspec": 1,\n  "name": "a",\n  "training": {\n    "epochs": 10,\n'
        '    "learning_rate": 1E-5\n  },\n  "export": []\n}\n'
    )


def test_line_ends_of_windows_stay(project: Project) -> None:
    text = "bertspec: 1\r\nname:  a\r\ndescription: |\r\n  one\r\n  two\r\n"
    assert _formatted(project, text) == text.replace("name:  a", "name: a")


@pytest.mark.parametrize(
    "text",
    [
        "bertspec: 1\nname: a # x\ndescription: |-\n    # no comment\n\n\n    text  \n\n# y\n",
        "a: |+\n  text\n\n\n",
        "a: |2\n    text\nb: 1\n",
        "a: \"one\n\n  two\"   # x\nb: 'it''s'\n",
        "a: one\n  two\n\n  three # x\nb:\n    plain\n",
        "a: &x\n    b: 1\nc: *x\n",
        "a:\n- - 1\n  -   2\n-\n    b: 1\n    c: 2\n-   # x\n    - 3\n",
        "a: {\n  b: 1, # x\n  # y\n  c: [1,\n2]\n}\n# z\n",
        "# only above\n---\na: 1\n# below\n...\n",
        "   a: 1\n   b:\n         c: 1\n         # x\n      # y\n # z\n",
        "a: # x\n  # y\n  b: 1\n",
        '"a":   1\n\'b\' : {"c":[ ],d: , e: "f" }\n',
        "a: http://x.y/#z\nb: x#y\nc: ' # no'\n",
        "{a: 1,\n   b: 2}\n",
    ],
)
def test_forms_of_yaml_keep_their_meaning_and_every_comment(text: str) -> None:
    once = laid_out(text)
    assert load_plain(once) == load_plain(text)
    assert list(Tokens(once).comments()) == list(Tokens(text).comments())
    assert laid_out(once) == once


@pytest.mark.parametrize("path", [*sorted((REPOSITORY / "specs").rglob("*.yaml")),
                                  *(REPOSITORY / "bertspec/cli/template").rglob("*.yaml")],
                         ids=lambda path: path.name)  # fmt: skip
def test_what_is_committed_is_formatted_and_names_its_schema(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = text.split("\n", 1)[0]
    target = first.removeprefix("# yaml-language-server: $schema=")
    assert target != first
    place = Path("specs") if "template" in path.parts else path.parent
    kind = "-dataset" if path.parent.name == "datasets" else ""
    named = (REPOSITORY / place / target).resolve()
    assert named == REPOSITORY / "schema" / f"bertspec{kind}-1.schema.json"
    model = DataSetFile if kind else Spec
    assert laid_out(in_order(text, model, load_plain(text))) == text


class _Writer:
    """Writes a value as YAML in one of many layouts, with comments that name their key."""

    def __init__(self, layout: Random) -> None:
        self._layout = layout
        self.above: dict[str, str] = {}
        self.behind: dict[str, str] = {}

    def _choose(self, *options: Any) -> Any:
        return self._layout.choice(options)

    def _comment(self, of: dict[str, str], key: str) -> str:
        words = "".join(self._layout.choices("ab'\"{}[]:,#|- é🎉", k=self._choose(0, 3, 6)))
        comment = f"#{self._choose('', ' ')}c{len(self.above) + len(self.behind)} {words}".strip()
        of[comment] = key
        return comment

    def _end(self, key: str) -> str:
        spaces = " " * self._choose(1, 2, 5)
        return (
            f"{spaces}{self._comment(self.behind, key)}"
            if self._choose(0, 0, 1)
            else self._choose("", " ")
        )

    def mapping(self, value: dict[str, Any], indent: int, *, is_root: bool = False) -> list[str]:
        step, lines = self._choose(1, 2, 3, 4), []
        for number, key in enumerate(self._layout.sample(list(value), len(value))):
            pad = " " * indent
            if number or not is_root:
                lines += [""] * self._choose(0, 0, 1, 3)
                if self._choose(0, 0, 1):
                    lines.append(pad + self._comment(self.above, key))
            lines += self._entry(key, value[key], indent, step)
        return lines

    def _entry(self, key: str, value: Any, indent: int, step: int) -> list[str]:
        begin = f"{' ' * indent}{key}:"
        if isinstance(value, dict) and value and self._choose(0, 1):
            return [begin + self._end(key), *self.mapping(value, indent + step)]
        if isinstance(value, list) and value and self._choose(0, 1):
            dash = indent + self._choose(0, step)
            lines = [begin + self._end(key)]
            for item in value:
                gap = " " * self._choose(1, 2, 3)
                lines.append(f"{' ' * dash}-{gap}{self._flow(item)}{self._end(key)}")
            return lines
        return [f"{begin}{' ' * self._choose(1, 3)}{self._flow(value)}{self._end(key)}"]

    def _flow(self, value: Any) -> str:
        comma, space = self._choose(",", ", ", " , "), self._choose("", " ")
        if isinstance(value, dict):
            items = comma.join(f"{k}: {self._flow(v)}" for k, v in value.items())
            return f"{{{space}{items}{space}}}"
        if isinstance(value, list):
            return f"[{space}{comma.join(map(self._flow, value))}{space}]"
        if isinstance(value, str):
            single = "'" + value.replace("'", "''") + "'"
            plain = [value] if value.isalnum() and not value.isdigit() and value.isascii() else []
            return str(self._choose(json.dumps(value, ensure_ascii=False), single, *plain))
        return json.dumps(value)


@st.composite
def _specs(draw: Any) -> tuple[str, _Writer]:
    spec = json.loads(json.dumps(SPEC))
    spec["description"] = draw(st.text("ab 'é\"🎉#:-", max_size=12))
    spec["evaluation"]["require"] = {"f1": ">= 0.5", "accuracy": "> 0.1"}
    spec["task"]["labels"] = ["x " + draw(st.text("ab: '#\"", max_size=5)), "no", "1"]
    for key in draw(st.sets(st.sampled_from(["export", "tokenization", "description"]))):
        del spec[key]
    # Drawing each space by itself would take hypothesis a second.
    writer = _Writer(Random(draw(st.integers(0, 2**32))))  # noqa: S311
    head = ["# yaml-language-server: $schema=x", "# header", ""]
    return "\n".join([*head, *writer.mapping(spec, 0, is_root=True)]) + "\n", writer


@given(_specs())
def test_any_layout_of_a_spec_keeps_meaning_and_comments_at_their_keys(
    found: tuple[str, _Writer],
) -> None:
    text, writer = found
    value = load_plain(text)
    once = laid_out(in_order(text, Spec, value))
    assert load_plain(once) == value == YAML(typ="safe").load(once)
    assert laid_out(in_order(once, Spec, value)) == once
    lines = once.split("\n")
    assert lines[:2] == ["# yaml-language-server: $schema=x", "# header"]
    assert not [line for line in lines if line != line.rstrip()]
    assert [key for key in Spec.model_fields if key in value] == list(load_plain(once))
    for comment, key in writer.above.items():
        (place,) = (n for n, line in enumerate(lines) if line.strip() == comment)
        below = next(line for line in lines[place:] if not line.strip().startswith("#"))
        assert below.strip().startswith(f"{key}:"), comment
    for comment, key in writer.behind.items():
        (line,) = (line for line in lines if line.endswith(f"  {comment}"))
        assert line.strip().startswith((f"{key}:", "- ")), comment
