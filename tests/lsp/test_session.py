"""`bertspec lsp` in a real session: each feature on specs as people write them, saved or not."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types

from tests.lsp.editor import HERE, Editor
from tests.projects import Project

REPOSITORY = Path(__file__).parent.parent.parent

BASE = """\
# yaml-language-server: $schema=../schema/bertspec-1.schema.json
bertspec: 1
name: base-model
description: Reads reviews.
task: {type: text-classification, labels: [negative, positive]}
data: movie-reviews
model: {base: {type: local, path: bases}}
training: {epochs: 4, metric_for_best_model: accuracy}
evaluation: {metrics: [accuracy, f1]}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a data set of its own and some specs."""
    root = tmp_path_factory.mktemp("lsp") / "a project"
    for name in ("specs/datasets", "data/movie-reviews"):
        shutil.copytree(REPOSITORY / name, root / name)
    (root / "bertspec.lock").write_text("")
    (root / "bases").mkdir()
    (root / "specs" / "base.yaml").write_text(BASE)
    return root


@pytest.fixture(scope="module")
def editor(root: Path) -> Iterator[Editor]:
    editor = Editor(root)
    yield editor
    assert editor.end() == 0


def test_it_tells_what_it_can_do(editor: Editor) -> None:
    can = editor.result.capabilities
    assert can.hover_provider
    assert can.definition_provider
    assert can.document_formatting_provider
    assert can.completion_provider is not None
    assert can.code_action_provider is not None
    assert can.text_document_sync is not None


BROKEN = {
    "an unknown key": BASE.replace("epochs", "epoch"),
    "an emoji before it": BASE.replace("{epochs: 4", '{lora: null, "🎉😀": 1, epoch: 4'),
    "a rule": BASE.replace("[accuracy, f1]", "[acuracy, f1]"),
    "a warning": BASE.replace("training: {", "training: {learning_rate: 3, "),
    "no YAML": BASE.replace("[accuracy, f1]", "[accuracy, f1"),
    "another file": BASE.replace("data: movie", "data: films"),
    "nothing": "",
    "a character that may not be": BASE.replace("Reads", "Re\x07ads"),
    "half a pair of surrogates": BASE.replace("Reads", "Re\ufffdads").replace("epochs", "epoch"),
    "a line that only YAML ends": BASE.replace("Reads", '"a\u2028 b" # ').replace(
        "epochs", "epoch"
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_diagnostics_are_those_of_validate_of_what_is_not_saved(
    editor: Editor, root: Path, what: str
) -> None:
    text = BROKEN[what]
    shown = editor.show("specs/base.yaml", text)
    (root / "specs" / "base.yaml").write_bytes(text.encode())
    try:
        said = Project(root).call("validate", "specs/base.yaml", "--format", "json", code=None)
    finally:
        (root / "specs" / "base.yaml").write_text(BASE)
    expected = json.loads(said.stdout)
    assert expected, what
    assert [d.code for d in shown] == [d["code"] for d in expected]
    lines = text.split("\n")
    for diagnostic, of_validate in zip(shown, expected, strict=True):
        assert diagnostic.message.startswith(of_validate["message"])
        assert of_validate["help"] in diagnostic.message
        meant = diagnostic.data["replacement"] if diagnostic.data else None
        assert meant == of_validate["replacement"]
        is_error = of_validate["severity"] == "error"
        assert (diagnostic.severity == types.DiagnosticSeverity.Error) is is_error
        assert diagnostic.code_description is not None
        page = Path(diagnostic.code_description.href.removeprefix("file://"))
        assert page.name == f"{diagnostic.code}.md"
        start, end = diagnostic.range.start, diagnostic.range.end
        assert start.line == end.line
        marked = lines[start.line].encode("utf-16-le")[2 * start.character : 2 * end.character]
        place = of_validate["position"]
        if "\u2028" not in text:
            line = place["text"][place["column"] - 1 :][: place["width"]]
            assert marked.decode("utf-16-le").replace("\x07", "\ufffd") == line
    assert editor.close("specs/base.yaml") == []


def test_a_word_behind_an_emoji_is_marked_where_it_stands(editor: Editor) -> None:
    editor.show("specs/base.yaml", BROKEN["an emoji before it"])
    (unknown,) = [d for d in editor.shown("specs/base.yaml") if "`epoch`" in d.message]
    assert unknown.range.start == types.Position(7, 34)  # a character beyond U+FFFF counts as two
    assert unknown.range.end == types.Position(7, 39)


def test_what_extends_a_file_is_checked_with_it(editor: Editor) -> None:
    child = "bertspec: 1\nname: child\nextends: base.yaml\ntraining: {epochs: 2}\n"
    editor.show("specs/base.yaml", BASE)
    assert editor.show("specs/child.yaml", child) == []
    editor.show("specs/base.yaml", BASE.replace("epochs: 4", "epoch: 4"))
    (found,) = editor.shown("specs/base.yaml")
    assert found.code == "E010"
    editor.show("specs/base.yaml", BASE.replace("positive]", "good]"))
    assert editor.shown("specs/child.yaml") == []
    changed = BASE.replace("[accuracy, f1]", "[accuracy, f1], require: {f2: '> 0.1'}")
    editor.show("specs/base.yaml", changed)
    assert [d.code for d in editor.shown("specs/base.yaml")] == ["E120"]
    editor.close("specs/child.yaml")
    editor.show("specs/base.yaml", BASE)


def test_what_another_program_writes_is_seen(editor: Editor, root: Path) -> None:
    (watched,) = editor.watched
    assert watched.method == types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    editor.show("specs/child.yaml", "bertspec: 1\nname: child\nextends: base.yaml\n")
    editor.close("specs/base.yaml")
    assert editor.shown("specs/child.yaml") == []
    (root / "specs/base.yaml").write_text(BASE.replace("[accuracy, f1]", "[acuracy]"))
    editor.tell_of_change("specs/base.yaml")
    editor.wait_until_shown("specs/base.yaml", "E118")
    (root / "specs/base.yaml").write_text(BASE)
    editor.close("specs/child.yaml")


def test_a_data_set_that_is_not_saved_breaks_the_specs_that_use_it(
    editor: Editor, root: Path
) -> None:
    name = "specs/datasets/movie-reviews.yaml"
    text = (root / name).read_text()
    assert editor.show("specs/base.yaml", BASE) == []
    editor.show(name, text.replace("label: sentiment", "slice: film"))
    assert [d.code for d in editor.shown(name)] == ["E103"]
    editor.show(name, text)
    assert editor.shown(name) == []
    editor.close(name)


HOVERS = [
    (
        "training: {ep▮ochs: 4}",
        "training.epochs|whole number|default `3`|rebuilds: train|Passes over",
    ),
    ("training: {epochs: ▮4}", "training.epochs|Passes over"),
    ("description: ▮words", "description|rebuilds nothing"),
    ("data: {source: {type: ▮csv}}", "csv|Comma-separated|header line|Keys: `files` (required)"),
    ("evaluation: {require: {f▮1: x}}", "evaluation.require|Bounds on|rebuilds: evaluate"),
    ("task: {type: token-classification, la▮bels: [a]}", "task.labels"),
    ("training:\n  batch: [1, 2\n  execution:\n    tensor▮board: runs", "execution.tensorboard"),
]


@pytest.mark.parametrize(("text", "words"), HOVERS)
def test_hover_tells_what_the_language_says(editor: Editor, text: str, words: str) -> None:
    editor.type("specs/new.yaml", f"bertspec: 1\n{text}\n")
    found = editor.hover("specs/new.yaml")
    assert found is not None
    assert isinstance(found.contents, types.MarkupContent)
    for word in words.split("|"):
        assert word in found.contents.value


def test_hover_over_what_the_language_has_not_tells_nothing(editor: Editor) -> None:
    editor.type("specs/new.yaml", f"bertspec: 1\nunk{HERE}nown: 4\n")
    assert editor.hover("specs/new.yaml") is None


HEAD = "bertspec: 1\nname: new\ntask: {type: text-classification, labels: [negative, positive]}\n"
INLINE = """\
data:
  source: {type: csv, files: {train: data/movie-reviews/reviews.csv}}
  columns: {text: review, label: sentiment}
  split: {type: hash}
"""
REVIEWS = "data/movie-reviews/reviews.csv"


CHOICES = [
    ("tr▮", "training tokenization extends", "name task"),
    ("training:\n  epochs: 3\n  ▮\nmodel: {}", "batch seed", "epochs name"),
    ("training: {epochs: 3, ▮}", "batch seed", "epochs"),
    ("training: {epochs: 3, ▮\nexport: []", "batch seed", "epochs"),
    ("training:\n  epochs: [3\n  schedule: {type: ▮", "linear cosine", "csv"),
    ("data: {source: {type: ▮}}", "csv hub joined", "linear"),
    ("data: {source: {▮, type: csv}}", "files column_names", "type id"),
    ("data: {source: {▮}}", "type", "id query"),
    ("data: ▮", "movie-reviews", ""),
    ("data: movie▮", "movie-reviews", ""),
    ("extends: ▮", "base.yaml datasets/", "new.yaml"),
    ("extends: datasets/▮", "datasets/movie-reviews.yaml", "base.yaml"),
    ("training: {precision: ▮}", "fp32 bf16 auto", ""),
    ("training: {execution: {gradient_checkpointing: ▮}}", "true false", ""),
    ("evaluation: {metrics: [accuracy, ▮]}", "f1 roc_auc", "rmse loss"),
    ("evaluation:\n  metrics:\n    - ▮", "accuracy f1", "rmse"),
    ("evaluation: {metrics: [f1], require: {▮}}", "f1 loss classes.positive.f1", "accuracy"),
    ("training: {metric_for_best_model: ▮}", "loss accuracy", "rmse"),
    ("training: {class_weights: {negative: 1, ▮}}", "positive", "negative"),
    ("training: {class_weights: ▮}", "balanced", ""),
    (INLINE.replace("text: review", "text: ▮"), "review sentiment film", ""),
    (INLINE.replace("hash}", "hash, group: ▮}"), "review film", ""),
    (INLINE.replace("hash}", "hash, stratify: ▮}"), "text label", "film"),
    (INLINE.replace(": sentiment", ": {column: sentiment, map: {a: ▮}}"), "negative positive", ""),
    ("model: {base: {type: spec, name: ▮}}", "base-model", "new"),
    ("training: {distillation: {teacher: {type: spec, name: ▮}}}", "base-model", "new"),
    ("model: {base: {type: scratch, config: {model_type: bert, ▮}}}", "hidden_size", "name"),
    ("model: {base: {type: scratch, config: {model_type: be▮}}}", "bert modernbert", ""),
    ("data: {source: {type: csv, files: {train: data/movie-reviews/▮}}}", REVIEWS, ""),
    ("data: {source: {type: csv, files: {▮}}}", "train validation test", ""),
    ("export:\n  - type: onnx\n    ▮", "quantize", "type"),
    ('tokenization:\n  long_documents:\n    type: "▮"', "truncate windows", "csv"),
    ("extends: base.yaml\ntraining: {metric_for_best_model: ▮", "accuracy", "rmse"),
]


@pytest.mark.parametrize(("text", "some", "none"), CHOICES)
def test_completion_offers_what_may_stand_there_and_nothing_else(
    editor: Editor, text: str, some: str, none: str
) -> None:
    head = HEAD.replace("task:", "#") if "extends: base" in text else HEAD
    for _ in range(20):  # the columns of a file may be there the next time only
        items = editor.complete("specs/new.yaml", f"{head}{text}\n")
        if set(some.split()) <= items.keys():
            break
    assert set(some.split()) <= items.keys(), list(items)
    assert not set(none.split()) & items.keys()


def test_an_empty_document_is_offered_the_keys_of_a_spec(editor: Editor) -> None:
    items = editor.complete("specs/new.yaml", HERE)
    assert list(items)[:3] == ["bertspec", "name", "task"]


def test_columns_are_completed_in_a_data_set_file(editor: Editor, root: Path) -> None:
    text = (root / "specs/datasets/movie-reviews.yaml").read_text()
    assert {"film", "review"} <= editor.complete(
        "specs/datasets/movie-reviews.yaml", text.replace("group: film", f"group: {HERE}")
    ).keys()
    editor.close("specs/datasets/movie-reviews.yaml")


WRITTEN = [
    ("ev▮", "evaluation", "evaluation:\n  metrics: [$1]"),
    ("mod▮", "model", "model:\n  base:\n    type: $1"),
    ("training: {ba▮}", "batch", "training: {batch: {$1}}"),
    ("training: {ep▮: 3}", "epochs", "training: {epochs: 3}"),
    ("data:▮", "movie-reviews", "data: movie-reviews"),
    ("data: mo▮vie", "movie-reviews", "data: movie-reviews"),
    ("data: '▮'", "movie-reviews", "data: 'movie-reviews'"),
    ("export: ▮", "type: onnx", "export: [{type: onnx}]"),
    ("export: [▮]", "type: onnx", "export: [{type: onnx}]"),
    ("export:\n  ▮", "type: onnx", "export:\n  - {type: onnx}"),
    ("data: {split: ▮}", "type: time", "data: {split: {type: time, column: $1, test_from: $2}}"),
    ("training: {class_weights: {▮}}", "positive", "training: {class_weights: {positive: }}"),
]


@pytest.mark.parametrize(("text", "chosen", "result"), WRITTEN)
def test_what_is_chosen_is_written(editor: Editor, text: str, chosen: str, result: str) -> None:
    items = editor.complete("specs/new.yaml", HEAD + text)
    assert editor.accept("specs/new.yaml", items[chosen]) == HEAD + result


def test_a_choice_comes_with_what_it_means(editor: Editor) -> None:
    item = editor.complete("specs/new.yaml", f"{HEAD}training: {{{HERE}}}")["epochs"]
    assert isinstance(item.documentation, types.MarkupContent)
    assert "Passes over the training split" in item.documentation.value
    kind = editor.complete("specs/new.yaml", f"{HEAD}data: {{source: {{type: {HERE}}}}}")["csv"]
    assert isinstance(kind.documentation, types.MarkupContent)
    assert "header line" in kind.documentation.value


def test_json_is_completed_with_its_quotes(editor: Editor) -> None:
    text = '{"bertspec": 1, "name": "new", "training": {"epochs": 3, ' + HERE + "}}"
    items = editor.complete("specs/new.json", text)
    written = editor.accept("specs/new.json", items["batch"])
    assert json.loads(written.replace("$1", ""))["training"] == {"epochs": 3, "batch": {}}
    text = '{"bertspec": 1, "training": {"precision": "b' + HERE + '"}}'
    items = editor.complete("specs/new.json", text)
    assert json.loads(editor.accept("specs/new.json", items["bf16"]))["training"] == {
        "precision": "bf16"
    }
    editor.close("specs/new.json")


NAMED = [
    ("extends: ba▮se.yaml", "specs/base.yaml", 2),
    ("data: mov▮ie-reviews", "specs/datasets/movie-reviews.yaml", 0),
    ("model: {base: {type: spec, name: ▮base-model}}", "specs/base.yaml", 2),
    ("training: {distillation: {teacher: {name: base▮-model}}}", "specs/base.yaml", 2),
    ("training: [\ndata: mov▮ie-reviews", "specs/datasets/movie-reviews.yaml", 0),
]


@pytest.mark.parametrize(("text", "target", "line"), NAMED)
def test_definition_leads_to_the_file_that_is_named(
    editor: Editor, root: Path, text: str, target: str, line: int
) -> None:
    editor.type("specs/new.yaml", f"bertspec: 1\nname: new\n{text}\n")
    found = editor.definition("specs/new.yaml")
    assert found is not None
    assert (found.uri, found.range.start.line) == (editor.uri(target), line)


@pytest.mark.parametrize(
    "text", [f"extends: no{HERE}ne.yaml", f"data: no{HERE}ne", f"na{HERE}me: x"]
)
def test_what_names_no_file_leads_nowhere(editor: Editor, text: str) -> None:
    editor.type("specs/new.yaml", f"bertspec: 1\n{text}\n")
    assert editor.definition("specs/new.yaml") is None


FIXES = [
    ("epochs: 4", "epo▮ch: 4", "epochs: 4"),
    ("text-classification", "text-clas▮ification", "text-classification"),
    ("[accuracy, f1]", "[accuracy, 'f▮1_marco']", "[accuracy, 'f1_macro']"),
    ("data: movie-reviews", "data: movie-▮review", "data: movie-reviews"),
    ("epochs: 4", "precision: fp▮23", "precision: fp32"),
    ("path: bases", 'path: "ba▮zes"', 'path: "bases"'),
    ("epochs: 4", "class_weights: {posit▮ve: 2, negative: 1}",
     "class_weights: {positive: 2, negative: 1}"),
    ("name: base-model", "name: a\nextends: ba▮s.yaml", "name: a\nextends: base.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "right"), FIXES)
def test_a_quick_fix_writes_what_was_meant(editor: Editor, old: str, new: str, right: str) -> None:
    assert old in BASE
    editor.type("specs/other.yaml", BASE.replace(old, new))
    fixes = editor.fixes("specs/other.yaml")
    assert len(fixes) == 1, fixes
    (fix,) = fixes
    assert fix.edit is not None
    assert fix.edit.changes is not None
    edits = list(fix.edit.changes[editor.uri("specs/other.yaml")])
    assert editor.edited("specs/other.yaml", edits) == BASE.replace(old, right)


def test_where_nothing_is_near_there_is_no_fix(editor: Editor) -> None:
    editor.type("specs/other.yaml", BASE.replace("epochs: 4", f"zz{HERE}zz: 4"))
    assert not editor.fixes("specs/other.yaml")


def test_formatting_is_that_of_fmt(editor: Editor) -> None:
    editor.type("specs/other.yaml", BASE.replace("{epochs: 4,", "{epochs:   4 ,"))
    assert editor.format("specs/other.yaml") == BASE
    editor.type("specs/other.yaml", BASE.replace("{epochs: 4,", "{epochs: [4,"))
    assert editor.format("specs/other.yaml") is None
    editor.close("specs/other.yaml")


def test_a_spec_typed_letter_by_letter_is_right_at_last(editor: Editor) -> None:
    """Every state on the way is asked about; none of them is a fault of the server."""
    before = len(editor.said)
    for end in range(0, len(BASE), 7):
        text = BASE[:end] + HERE
        editor.complete("specs/typed.yaml", text)
        editor.hover("specs/typed.yaml")
        editor.definition("specs/typed.yaml")
    assert editor.show("specs/typed.yaml", BASE.replace("base-model", "typed")) == []
    editor.close("specs/typed.yaml")
    assert editor.said[before:] == []


def test_a_new_file_that_was_never_saved_is_checked(editor: Editor, root: Path) -> None:
    found = editor.show("specs/more/never-saved.yaml", BASE.replace("epochs", "epoch"))
    assert [d.code for d in found] == ["E010"]
    assert editor.close("specs/more/never-saved.yaml") == []
    assert not (root / "specs/more").exists()


def test_files_of_others_are_left_alone(editor: Editor) -> None:
    workflow = "jobs:\n  bertspec:\n    steps: []\n"
    for name, text in (("compose.yaml", workflow), ("dvc.yaml", "bertspec: 1\n")):
        assert editor.complete(name, f"{text}{HERE}") == {}
        assert editor.hover(name) is None
        editor.close(name)


@pytest.mark.parametrize("sign", ["[", "{a: ", "- ", "a, "])
def test_a_document_that_is_endless_does_not_stop_it(editor: Editor, sign: str) -> None:
    text = f"bertspec: 1\nname: [{sign * 25_000}"
    assert editor.show("specs/endless.yaml", text) != []
    assert editor.complete("specs/endless.yaml", f"{text}\nta{HERE}") is not None
    editor.close("specs/endless.yaml")


def test_bad_messages_do_not_end_it(editor: Editor) -> None:
    hover = {"id": 99, "method": "textDocument/hover", "params": {}}
    document = {"uri": "file:///none", "version": 1}
    change = {"textDocument": document, "contentChanges": [{"text": "x"}]}
    changed = {"method": "textDocument/didChange", "params": change}
    for message in ("not JSON!", *({"jsonrpc": "2.0"} | m for m in (hover, changed))):
        body = message if isinstance(message, str) else json.dumps(message)
        editor.send_raw(f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    assert editor.show("specs/after.yaml", BASE.replace("base-model", "after")) == []
    assert editor.said
    assert not any("Traceback" in said for said in editor.said)
    editor.close("specs/after.yaml")
