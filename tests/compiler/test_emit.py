"""What compile keeps of the user's dvc.yaml and params.yaml: every byte, or it writes nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bertspec.compiler.emit import DVC_HEADER, emit_dvc, emit_params
from bertspec.compiler.lower import lower, packages_used
from bertspec.core.errors import InputError
from bertspec.core.yaml import compose, load_plain
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import Pipeline, StageRecord
from bertspec.spec.load import load
from tests.projects import Project

Emit = Callable[[Pipeline, str | None], str]

NOTHING = Pipeline((), {})


def _pipeline(root: Path) -> Pipeline:
    Project.create(root)
    loaded = load([root / "specs"], root)
    lock = Lock(threads=2, packages=dict.fromkeys(packages_used(loaded.specs), "1.0"))
    return lower(loaded.specs, lock)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return _pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def small(pipeline: Pipeline) -> Pipeline:
    """A part of it, for tests that compile thousands of times."""
    stages = tuple(s for s in pipeline.stages if s.kind in {"train", "report"})
    return Pipeline(stages, {"tiny": {"labels": ["a", "b"], "on": {"salt": ""}}, "bases": {}})


@pytest.fixture(scope="module")
def renamed(small: Pipeline) -> Pipeline:
    """The same with its spec renamed, so that keys of `small` are gone."""
    stages = tuple(replace(stage, name=f"other-{stage.kind}") for stage in small.stages)
    return Pipeline(stages, {"other": small.params["tiny"]})


def _theirs(emit: Emit, pipeline: Pipeline, text: str) -> Any:
    """What a file says beside what is compiled."""
    values = load_plain(text) or {}
    if emit is emit_params:
        return {k: v for k, v in values.items() if k not in {"bertspec", *pipeline.params}}
    ours = {stage.name for stage in pipeline.stages}
    stages = {k: v for k, v in (values.get("stages") or {}).items() if k not in ours}
    return {k: v for k, v in values.items() if k != "stages"}, stages


def _check_merge(emit: Emit, pipeline: Pipeline, text: str) -> str:
    """Compile over `text`, and show that it is lossless for values and that it settles."""
    compiled = emit(pipeline, text)
    assert emit(pipeline, compiled) == compiled, "a second run changes nothing"
    assert _theirs(emit, pipeline, compiled) == _theirs(emit, pipeline, text)
    fresh = load_plain(emit(pipeline, None))
    ours, merged = (d["stages"] if emit is emit_dvc else d for d in (fresh, load_plain(compiled)))
    assert merged == merged | ours, "and all that is compiled is there"
    line_ends = {line[-2:] == "\r\n" for line in compiled.splitlines(keepends=True)[:-1]}
    assert len(line_ends) <= 1, "line ends are of one kind"
    return compiled


def _check_kept(emit: Emit, pipeline: Pipeline, text: str) -> None:
    """The same to the byte: without specs the file is again what it was."""
    compiled = _check_merge(emit, pipeline, text)
    assert emit(NOTHING, compiled) == text
    assert emit(NOTHING, text) == text


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


MINE = """\
# my pipeline
vars: []
stages:
    # counts words
    count:
        cmd: wc -w data/reviews.csv   # quick
        deps: [data/reviews.csv]

    # and this
    other:
        cmd: ls
artifacts:
  a: {path: x}
"""

DVC_FILES = {
    "plain": MINE,
    "crlf": _crlf(MINE),
    "no stages": "vars: []\n",
    "no stages, no last newline": "vars:\n- a: |\n    text",
    "only a comment": "# nothing yet\n",
    "quoted stages": '"stages":\n  a:\n    cmd: ls\n',
    "space before the colon": "stages :\n  a:\n    cmd: ls\n",
    "explicit key": "stages:\n  ? a\n  : cmd: ls\n",
    "empty stages": "vars: []\nstages: {} # none\n# end\n",
    "document marks": "%YAML 1.2\n---\n# mine\nstages:\n  a:\n    cmd: ls\n...\n",
    "no stages between document marks": "--- # mine\nvars: []\n...\n",
    "no last newline": "stages:\n  a:\n    cmd: |\n      ls",
    "indented root": "  vars: []\n  stages:\n   a:\n    cmd: ls\n",
    "block scalar": "stages:\n  a:\n    cmd: |+\n      ls\n\n      # no comment\n\n\n# end\n",
    "keys of other types": "stages:\n  1: {cmd: a}\n  true: {cmd: b}\n  'a:b': {cmd: c}\n",
    "anchors": "stages:\n  a: &a\n    cmd: ls\n  b: *a\n",
    "long unicode": "# ünï 𝄞\nstages:\n  é𝄞: {cmd: ls}\n",
}

PARAMS_FILES = {
    "plain": "# mine\nlimit: 3 # rows\n\n# more\nlist:\n- 1\n",
    "crlf": "# mine\r\nlimit: 3\r\n\r\n# end\r\n",
    "flow over lines": "mine: [\n 1, 2\n]\nother: [1,\n2]\n",
    "quotes over lines": "mine: \"one\n\n  two # no comment\"\nother: 'a\n  b'\n",
    "dash on its own line": "mine:\n-\n  a: 1\n",
    "keys of other types": '"a:b": 1\n1: 2\ntrue: 3\n1.0: 4\n~: 5\n',
    "trailing comment": "mine: 1\n# the end\n\n",
    "document marks": "---\nmine: 1\n...\n",
    "no last newline": "mine: |\n  text",
    "indented root": "  mine: 1\n  other: 2\n",
    "only a comment": "# nothing yet\n",
    "anchors": "a: &a [1]\nb: *a\n",
}


@pytest.mark.parametrize("text", DVC_FILES.values(), ids=DVC_FILES.keys())
def test_stages_of_the_user_stay_to_the_byte(pipeline: Pipeline, text: str) -> None:
    _check_kept(emit_dvc, pipeline, text)


@pytest.mark.parametrize("text", PARAMS_FILES.values(), ids=PARAMS_FILES.keys())
def test_params_of_the_user_stay_to_the_byte(pipeline: Pipeline, text: str) -> None:
    _check_kept(emit_params, pipeline, text)


EMPTY = ["", "\n", "{}", "{}\n", "--- {}\n", "{ # none\n}\n"]
EMPTY += ["null\n", "~", "Null # none\n", "# mine\n--- ~\n"]


@pytest.mark.parametrize(
    "text", [*EMPTY, "stages: {\n}\n", "stages:\n  {}\n", "stages:", "stages: ~"]
)
def test_empty_stages_are_filled(pipeline: Pipeline, text: str) -> None:
    _check_merge(emit_dvc, pipeline, text)
    values = load_plain(emit_dvc(NOTHING, text))
    assert values in ({"stages": {}}, None), "DVC does not accept a null for `stages`"


@pytest.mark.parametrize("text", EMPTY)
def test_empty_params_are_filled(pipeline: Pipeline, text: str) -> None:
    _check_merge(emit_params, pipeline, text)


def test_no_spec_and_no_file_make_files_that_can_be_read() -> None:
    assert emit_dvc(NOTHING, None) == DVC_HEADER + "stages: {}\n"
    assert emit_dvc(NOTHING, emit_dvc(NOTHING, None)) == emit_dvc(NOTHING, None)
    assert load_plain(emit_params(NOTHING, None)) == {
        "bertspec": {"compiled": ["bertspec"], "stages": {}}
    }


def test_stages_in_braces_go_when_all_are_compiled(pipeline: Pipeline) -> None:
    text = "stages: {tiny-train: {cmd: bertspec stage tiny-train}}\n"
    assert _check_merge(emit_dvc, pipeline, text) == _check_merge(
        emit_dvc, pipeline, "stages: {}\n"
    )


def test_a_compiled_stage_ends_with_its_block_scalar(pipeline: Pipeline) -> None:
    mine = "  a:\n    cmd: ls\n"
    text = "stages:\n  tiny-train:\n    cmd: bertspec stage tiny-train\n    desc: |\n      x\n"
    assert _check_merge(emit_dvc, pipeline, text + mine) == emit_dvc(pipeline, "stages:\n" + mine)


@pytest.mark.parametrize("line", ["\n", "# a note\n", "      # a note\n", "   \n"])
@pytest.mark.parametrize("emit", [emit_dvc, emit_params])
def test_lines_added_among_compiled_ones_do_no_harm(small: Pipeline, emit: Emit, line: str) -> None:
    mine = MINE if emit is emit_dvc else PARAMS_FILES["plain"]
    lines = emit(small, mine).splitlines(keepends=True)
    for number in range(len(lines) - mine.count("\n")):
        text = "".join([*lines[: number + 1], line, *lines[number + 1 :]])
        _check_merge(emit, small, text)


@pytest.mark.parametrize("emit", [emit_dvc, emit_params])
def test_what_is_above_and_below_stays_there(pipeline: Pipeline, emit: Emit) -> None:
    text = "# licence\n" + emit(pipeline, None) + "# end\n"
    assert emit(pipeline, text) == text


def test_keys_of_a_spec_that_is_gone_go(small: Pipeline, renamed: Pipeline) -> None:
    for emit, mine in ((emit_dvc, MINE), (emit_params, PARAMS_FILES["plain"])):
        assert emit(renamed, emit(small, mine)) == emit(renamed, mine)


DEEP = "[" * 5_000 + "]" * 5_000
LAUGHS = "a: &a [1, 1]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
)

UNREADABLE = {
    "not yaml": "mine: [",
    "a list": "- 1",
    "a word": "word",
    "two documents": "a: 1\n---\nb: 1\n",
    "a key twice": "a: 1\n'a': 2\n",
    "a key twice, deeper": "a:\n- b: 1\n  b: 1\n",
    "a list as key": "? [a]\n: 1\n",
    "an alias of itself": "mine: &a [*a]\n",
    "aliases that multiply": LAUGHS,
    "too deep": f"mine: {DEEP}\n",
    "a huge number": f"mine: {'1' * 5_000}\n",
    "a huge number as key": f"{'1' * 500}{'1' * 600}: a\n",
    "a flow root": '{"mine": 1}\n',
    "a tagged root": "!!map\nmine: 1\n",
    "a tagged null": "!mine null\n",
    "conflict marks": "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> topic\n",
}

BAD_DVC = {
    "stages in braces": "stages: {a: {cmd: ls}}\n",
    "stages in a list": "stages: [a]\n",
    "stages a number": "stages: 3\n",
    "stages tagged": "stages: !mine\n  a: {cmd: ls}\n",
    "stages an alias": "vars: &v\n  a: {cmd: ls}\nstages: *v\n",
    "an anchor below the key": "stages:\n  &s\n  a: {cmd: ls}\n",
    "an alias to a compiled stage": (
        "stages:\n  tiny-train: &a\n    cmd: bertspec stage tiny-train\n  b: *a\n"
    ),
    "an alias in a compiled stage": (
        "vars: &v [a]\nstages:\n  tiny-train:\n    cmd: bertspec stage tiny-train\n    deps:\n"
        "    - *v\n"
    ),
}

BAD_PARAMS = {
    "records a number": "bertspec: 1\n",
    "records a list": "bertspec: []\n",
    "records without a list": "bertspec: {}\n",
    "compiled a number": "bertspec: {compiled: 3}\n",
    "compiled a list of numbers": "bertspec: {compiled: [3]}\n",
    "compiled among others in braces": "{bertspec: {compiled: [bertspec]}, mine: 1}\n",
    "compiled key split in two": "? bertspec\n\n: {compiled: [bertspec]}\nmine: *x\n",
}


@pytest.mark.parametrize(
    ("emit", "text"),
    [
        *(pytest.param(emit_dvc, t, id=f"dvc: {n}") for n, t in (UNREADABLE | BAD_DVC).items()),
        *(
            pytest.param(emit_params, t, id=f"params: {n}")
            for n, t in (UNREADABLE | BAD_PARAMS).items()
        ),
    ],
)
def test_a_file_that_cannot_be_kept_is_not_overwritten(
    pipeline: Pipeline, emit: Emit, text: str
) -> None:
    with pytest.raises(InputError) as caught:
        emit(pipeline, text)
    assert caught.value.diagnostics[0].code == "E209"


def test_names_of_the_users_are_not_taken(pipeline: Pipeline) -> None:
    for emit, text in (
        (emit_dvc, "stages:\n  tiny-train:\n    cmd: ls\n"),
        (emit_params, "tiny: 1\n"),
    ):
        with pytest.raises(InputError) as caught:
            emit(pipeline, text)
        assert caught.value.diagnostics[0].code == "E210"


KEYS = (
    "a", "b-c", '"a:b"', "'it''s'", "1", "true", "~", '"1"', "1.5", "é𝄞", "<<", "? e", "a b", '"#"'
)  # fmt: skip
WORDS = (
    "1", "word", "'a: b'", '"# no"', "[1, {a: b}]", "{}", "[]", "", "~", "a#b", "http://x:1", "- 1",
    "*base", "!!str 1", "!mine x", "&anchor x", '"é\\n"', "- - 1", "yes",
)  # fmt: skip
GAPS = st.lists(
    st.sampled_from(["", "  ", "# a: b", "   # - é", "#", "      # deep"]), max_size=2
).map(lambda lines: "".join(line + "\n" for line in lines))


@st.composite
def _values(draw: st.DrawFn, indent: int, depth: int) -> str:
    """What may stand behind `key:` in column `indent`, to the end of its last line."""
    pad = " " * (indent + draw(st.integers(1, 3)))
    chomp = draw(st.sampled_from(["", "-", "+"]))
    note = draw(st.sampled_from(["", " # note: it"]))
    word = draw(st.sampled_from([word for word in WORDS if not word.startswith("- ")]))
    shapes = [
        f" {word}{note}\n",
        f" |{chomp}{note}\n{pad}# not a comment\n\n{pad}  deeper: 1\n",
        f" >{chomp}\n{pad}folded\n{pad}- more\n\n\n",
        f' "two\n\n{pad}lines # no comment"{note}\n',
        f" plain\n{pad}goes on{note}\n",
        f" [\n{pad}1, # one\n\n{pad}{{a: 2}}\n{' ' * indent}]{note}\n",
        f" {{a: 1,\n{pad}b: [\n{pad}]}}\n",
        f"{note}\n{pad}word\n",
    ]
    if depth:
        shapes += [
            f"{note}\n" + draw(_entries(len(pad), depth - 1)),
            f" &anchor{depth}\n" + draw(_entries(len(pad), depth - 1)),
            f"{note}\n" + draw(_items(draw(st.sampled_from([indent, len(pad)])), depth - 1)),
        ]
    return draw(st.sampled_from(shapes))


@st.composite
def _entries(draw: st.DrawFn, indent: int, depth: int) -> str:
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    text = ""
    for key in keys:
        colon = f"\n{' ' * indent}:" if key.startswith("? ") else ":"
        if key.startswith("? ") or draw(st.booleans()):
            text += draw(GAPS)
        text += " " * indent + key + colon + draw(_values(indent, depth))
    return text


@st.composite
def _items(draw: st.DrawFn, indent: int, depth: int) -> str:
    items = draw(st.lists(_values(indent, depth), min_size=1, max_size=2))
    return "".join(draw(GAPS) + " " * indent + "-" + item for item in items)


@st.composite
def _files(draw: st.DrawFn, *, stages: bool) -> str:
    """A user's file: for `stages` a dvc.yaml, which mostly has some."""
    indent = draw(st.sampled_from([0, 0, 0, 2]))
    body = draw(_entries(indent, 2))
    if stages and draw(st.integers(0, 4)):
        head = draw(st.sampled_from(["stages:", '"stages":', "'stages' :", "stages: # mine"]))
        block = draw(_entries(indent + draw(st.integers(1, 4)), 1))
        section = draw(GAPS) + " " * indent + f"{head}\n" + block
        body = draw(st.sampled_from([section, section + body, body + section]))
    body += draw(GAPS)
    if "*base" in body:
        body = " " * indent + "base: &base {a: 1}\n" + body
    text = draw(st.sampled_from(["", "---\n", "# top\n\n--- # start\n", "%YAML 1.2\n---\n"])) + body
    text += draw(st.sampled_from(["", "...\n", "...\n# after\n"]))
    text = text.removesuffix("\n") if draw(st.booleans()) else text
    return _crlf(text) if draw(st.booleans()) else text


def _is_yaml(text: str) -> bool:
    try:
        compose(text)
    except yaml.YAMLError:
        return False
    return True


@settings(max_examples=30, deadline=None)
@given(text=_files(stages=True))
def test_any_dvc_yaml_is_kept(small: Pipeline, renamed: Pipeline, text: str) -> None:
    assume(_is_yaml(text))
    _check_kept(emit_dvc, small, text)
    assert emit_dvc(renamed, emit_dvc(small, text)) == emit_dvc(renamed, text)


@settings(max_examples=30, deadline=None)
@given(text=_files(stages=False))
def test_any_params_yaml_is_kept(small: Pipeline, renamed: Pipeline, text: str) -> None:
    assume(_is_yaml(text))
    _check_kept(emit_params, small, text)
    assert emit_params(renamed, emit_params(small, text)) == emit_params(renamed, text)


@settings(max_examples=30, deadline=None)
@given(text=_files(stages=True), line=st.sampled_from(["", "# note", "   # note"]), data=st.data())
def test_a_line_added_anywhere_does_no_harm(
    small: Pipeline, text: str, line: str, data: st.DataObject
) -> None:
    assume(_is_yaml(text))
    lines = emit_dvc(small, text).splitlines()
    lines.insert(data.draw(st.integers(0, len(lines))), line)
    text = "\n".join(lines) + "\n"
    assume(_is_yaml(text))
    _check_merge(emit_dvc, small, text)


NASTY = """\
vars:
  - limits: {low: 1, high: 2}
stages:
  "each":
    foreach: [a, 'b:c']
    do:
      cmd: echo ${item}
      outs:
        - out-${item}:
            cache: false

  'quoted name':  # mine
    cmd: |
      echo one

      # not a comment
      echo ${limits.low}
  matrix:
    matrix: {n: [1,
      2]}
    cmd: echo ${item.n}
# the models
artifacts:
  model: {path: models/mine, type: model}
"""


@pytest.mark.e2e
def test_dvc_reads_the_merged_files(project: Project) -> None:
    project.init_dvc()
    (project.root / "dvc.yaml").write_text(NASTY)
    (project.root / "params.yaml").write_text('mine: [\n 1, 2\n]\n"a:b": {c: 1}\n')
    mine = project.run("dvc", "stage", "list", "--name-only").stdout.split("\n")
    project.compile()
    stages = project.run("dvc", "stage", "list", "--name-only").stdout.split("\n")
    assert set(mine) < set(stages)
    assert {"tiny-train", "each@a", "quoted name"} <= set(stages)
    assert "tiny-train" in project.run("dvc", "status").stdout


@pytest.mark.e2e
def test_a_frozen_stage_stays_frozen(project: Project) -> None:
    project.init_dvc()
    project.compile()
    path = project.root / "dvc.yaml"
    loose = path.read_bytes()
    project.run("dvc", "freeze", "tiny-train", "tiny-report")
    frozen = path.read_bytes()
    assert "up to date" in project.bertspec("compile"), "it stands where DVC writes it"
    path.write_bytes(frozen.replace(b"desc: compiled", b"desc: Compiled"))
    project.bertspec("compile")
    assert path.read_bytes() == frozen
    project.run("dvc", "unfreeze", "tiny-train", "tiny-report")
    project.bertspec("compile")
    assert path.read_bytes() == loose


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml"])
def test_a_file_that_is_not_utf_8_is_told_and_left(project: Project, name: str) -> None:
    project.compile()
    (project.root / name).write_bytes(b"mine: \xff\n")
    other = project.root / ("params.yaml" if name == "dvc.yaml" else "dvc.yaml")
    other.write_text("mine: 1\n")
    assert "E209" in project.bertspec("compile", code=2)
    assert (project.root / name).read_bytes() == b"mine: \xff\n"
    assert other.read_text() == "mine: 1\n", "and nothing else is written"


def test_line_ends_of_a_file_stay(project: Project) -> None:
    path = project.root / "dvc.yaml"
    path.write_bytes(_crlf(MINE).encode())
    project.compile()
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n") > 20
    assert "up to date" in project.bertspec("compile")


@pytest.mark.parametrize("emit", [emit_dvc, emit_params])
def test_conflict_marks_are_called_so_at_their_line(small: Pipeline, emit: Emit) -> None:
    lines = emit(small, None).splitlines(keepends=True)
    text = "".join([*lines[:6], "<<<<<<< HEAD\n", lines[6], "=======\n", ">>>>>>> topic\n"])
    with pytest.raises(InputError, match="conflict") as caught:
        emit(small, text)
    position = caught.value.diagnostics[0].position
    assert position is not None
    assert position.line == 7


KEPT = """\
    always_changed: true
    frozen: true
    meta:
      owner: me
      1: [a, {b: 1.50}]
      note: "two\\n\\nlines"
"""


def _with_meta(pipeline: Pipeline, meta: str) -> tuple[str, str]:
    """The name of the first compiled stage, and dvc.yaml with `meta` at its end."""
    text = emit_dvc(pipeline, None)
    first, second = list(load_plain(text)["stages"])[:2]
    return first, text.replace(f"  {second}:\n", f"{meta}  {second}:\n", 1)


def test_what_a_user_adds_to_a_compiled_stage_and_changes_no_result_stays(small: Pipeline) -> None:
    name, text = _with_meta(small, KEPT)
    assert emit_dvc(small, text) == text
    changed = emit_dvc(small, text.replace("desc: compiled", "desc: Compiled"))
    assert load_plain(changed) == load_plain(text)
    assert list(load_plain(changed)["stages"][name])[-3:] == ["always_changed", "frozen", "meta"]
    assert emit_dvc(small, changed) == changed


def test_meta_that_would_not_be_the_same_is_not_overwritten(small: Pipeline) -> None:
    _, text = _with_meta(small, "    meta: {a: !mine 1}\n")
    with pytest.raises(InputError) as caught:
        emit_dvc(small, text)
    assert caught.value.diagnostics[0].code == "E209"


@pytest.mark.parametrize("emit", [emit_dvc, emit_params])
def test_headers_say_that_comments_go(small: Pipeline, emit: Emit) -> None:
    """And they do, once something is changed."""
    text = emit(small, None)
    assert "drops comments in" in text.partition("\n")[0] + text.splitlines()[1]
    key = "kind: train" if emit is emit_params else "cmd: bertspec stage tiny-report"
    lines = [f"{line} # mine" if key in line else line for line in text.splitlines()]
    commented = "\n".join(lines) + "\n"
    assert commented != text
    assert emit(small, commented) == commented, "nothing is changed, so nothing is written"
    other = commented.replace("desc: compiled", "desc: x").replace("version: ", "version: 9")
    assert emit(small, other) == text


def _as_dvc_writes(text: str) -> str:
    """As `dvc exp run --set-param` leaves params.yaml."""
    import io

    from ruamel.yaml import YAML

    writer, out = YAML(), io.StringIO()
    writer.dump(writer.load(text), out)
    return out.getvalue()


def test_another_layout_of_the_same_values_is_up_to_date(small: Pipeline) -> None:
    words = " ".join(["a long description that is folded"] * 6)
    long = Pipeline(small.stages, {"tiny": {"epsilon": 1e-08, "none": None, "words": words}})
    for text in (None, PARAMS_FILES["plain"]):
        compiled = emit_params(long, text)
        rewritten = _as_dvc_writes(compiled)
        assert rewritten != compiled, "it folds lines, and leaves nulls out"
        assert emit_params(long, rewritten) == rewritten
        experiment = rewritten.replace("1e-08", "1e-07").replace("1.0e-08", "1.0e-07")
        assert experiment != rewritten
        assert load_plain(emit_params(long, experiment)) == load_plain(compiled), "and restored"


def test_a_record_has_no_nulls(pipeline: Pipeline) -> None:
    assert any(stage.threads is None for stage in pipeline.stages)
    for stage in pipeline.stages:
        assert ("threads" in stage.record) == (stage.threads is not None)
        assert StageRecord.model_validate(stage.record).threads == stage.threads


def test_a_changed_command_of_a_compiled_stage_is_called_so(small: Pipeline) -> None:
    text = emit_dvc(small, None).replace("stage tiny-train", "stage tiny-train --debug")
    with pytest.raises(InputError, match="command of the compiled stage `tiny-train`") as caught:
        emit_dvc(small, text)
    assert caught.value.diagnostics[0].code == "E210"
    assert "bertspec stage tiny-train" in caught.value.diagnostics[0].help


def test_every_key_of_a_spec_in_params_yaml_is_read_by_a_stage(pipeline: Pipeline) -> None:
    """`dvc exp run --set-param` of one that is not would do nothing, and not say so."""
    read = {key for stage in pipeline.stages for key in stage.params.values()}

    def unread(value: Any, key: str) -> list[str]:
        if key in read:
            return []
        if not isinstance(value, dict):
            return [key]
        return [name for k, v in value.items() for name in unread(v, f"{key}.{k}")]

    assert [name for k, v in pipeline.params.items() for name in unread(v, k)] == []


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml"])
def test_a_folder_in_place_of_a_file_is_told(project: Project, name: str) -> None:
    project.compile()
    (project.root / name).unlink()
    (project.root / name).mkdir()
    said = project.bertspec("compile", code=2)
    assert "E209" in said
    assert f"{name} is not a file" in said


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml"])
def test_a_link_stays_one(project: Project, name: str) -> None:
    (project.root / "elsewhere").mkdir()
    (project.root / name).symlink_to(f"elsewhere/{name}")
    project.compile()
    assert (project.root / name).is_symlink()
    assert load_plain((project.root / "elsewhere" / name).read_text())
    assert [p.name for p in (project.root / "elsewhere").iterdir()] == [name]


def test_a_byte_order_mark_stays(project: Project) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        (project.root / name).write_bytes(b"\xef\xbb\xbfmine: 1\n")
    project.compile()
    for name in ("dvc.yaml", "params.yaml"):
        content = (project.root / name).read_bytes()
        assert content.startswith(b"\xef\xbb\xbf#")
        assert content.count(b"\xef\xbb\xbf") == 1
        assert len(content) > 200
    assert "up to date" in project.bertspec("compile")
