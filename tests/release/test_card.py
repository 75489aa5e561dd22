"""The model card: the hub's library reads it, every task has one, and its text is text alone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, ModelCardData
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bertspec.catalog.tasks import TASKS
from bertspec.core.yaml import load_plain
from tests.projects import SPEC
from tests.release.inputs import METRICS, PARITY, Made, write_made
from tests.test_tables import OPTIONS

GOLDEN = Path(__file__).parent / "golden" / "README.md"
SHA = "0123456789abcdef0123456789abcdef01234567"

HUB_TASKS = {
    "fill-mask", "multiple-choice", "question-answering", "sentence-similarity",
    "text-classification", "text-generation", "token-classification",
}  # fmt: skip
"""Of the hub's own list, `PIPELINE_DATA` in huggingface.js, those of texts that we can have."""

WICKED = (
    "a|b", "`code`", "```", "<script>alert(1)</script>", "[x](http://x)", "**bold** _it_",
    "&lt; $x$ ~~y~~", "\\| \\", "# no heading", "one\ntwo",
)  # fmt: skip


def _spec(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    return spec | changes


def _data(text: str) -> ModelCardData:
    """The front matter, as the hub's library has it."""
    data = ModelCard(text).data
    assert isinstance(data, ModelCardData)
    return data


def _parsed(text: str) -> list[Token]:
    """The Markdown below the front matter, as CommonMark with tables reads it."""
    body = text.split("\n---\n", 1)[1]
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(body)


def _tables(text: str) -> list[list[list[str]]]:
    """Rows of cells, each as people see it."""
    found: list[list[list[str]]] = []
    inside = False
    for token in _parsed(text):
        if token.type in ("table_open", "table_close"):
            inside = token.type == "table_open"
            found += [[]] if inside else []
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and inside:
            found[-1][-1].append("".join(part.content for part in token.children or ()))
    return found


def _cells(text: str) -> dict[str, list[str]]:
    """The cells of every row of every table behind the first, by that."""
    return {row[0]: row[1:] for table in _tables(text) for row in table}


def test_the_card_is_the_golden_one(tmp_path: Path, golden: Callable[[str, Path], None]) -> None:
    golden(write_made(tmp_path).card(), GOLDEN)


def test_the_hubs_library_reads_it(tmp_path: Path) -> None:
    made = write_made(tmp_path)
    text = made.card()
    (made.folder / "README.md").write_text(text, encoding="utf-8")
    card = ModelCard.load(made.folder / "README.md")
    assert str(card) == text, "as the library itself would write it"
    data = _data(text)
    assert card.data.to_dict() == data.to_dict()
    assert (data.library_name, data.pipeline_tag) == ("bertspec", "text-classification")
    assert data.tags == ["bertspec", "text-classification", "onnx", "torchscript"]
    found = {result.metric_type: result for result in data.eval_results or ()}
    assert {name: result.metric_value for name, result in found.items()} == METRICS["test"]
    accuracy = found["accuracy"]
    assert (accuracy.dataset_type, accuracy.dataset_split) == ("reviews", "test")
    for unknown in ("license", "language", "base_model", "datasets"):
        assert data.get(unknown) is None


def test_what_is_on_the_hub_is_named_as_the_hub_names_it(tmp_path: Path) -> None:
    source = {"type": "hub", "id": "stanfordnlp/imdb", "revision": SHA, "config": "plain_text",
              "splits": {"train": "train", "test": "unseen"}}  # fmt: skip
    spec = _spec()
    spec["data"] |= {"source": source, "split": {"type": "given"}}
    spec["model"] = {"base": {"type": "hub", "id": "google-bert/bert-base-uncased",
                              "revision": SHA}}  # fmt: skip
    text = write_made(tmp_path, spec).card()
    data = _data(text)
    assert data.base_model == "google-bert/bert-base-uncased"
    assert data.datasets == ["stanfordnlp/imdb"]
    result = (data.eval_results or [])[0]
    assert (result.dataset_type, result.dataset_name) == ("stanfordnlp/imdb", "reviews")
    assert (result.dataset_config, result.dataset_split) == ("plain_text", "unseen")
    assert result.dataset_revision == SHA
    assert text.count(f"`{SHA}`") == 2


@pytest.mark.parametrize("kind", TASKS)
def test_every_task_has_a_card(tmp_path: Path, kind: str) -> None:
    task = TASKS[kind].model_validate({"type": kind, **OPTIONS["tasks", kind]})
    columns = {name: name for name in (*task.required_columns, *task.optional_columns)}
    if kind == "token-classification":
        columns = {"tokens": "tokens", "tags": "tags"}
    spec = _spec(task=task.model_dump(mode="json"), evaluation={"metrics": list(task.metrics[:1])})
    spec["data"]["columns"] = columns
    text = write_made(tmp_path, spec).card()
    assert _data(text).pipeline_tag == task.hub_task in HUB_TASKS
    cells = _cells(text)
    assert cells["Task"] == [kind]
    assert cells["Answer"] == [", ".join(task.answer_types())]


def test_every_number_stands_in_its_place(tmp_path: Path) -> None:
    cells = _cells(write_made(tmp_path).card())
    assert cells["rows"] == ["60", "10", "32"]
    assert cells["bad"] == ["0.7500", "16"], "by class, which comes behind the rows of labels"
    assert cells["accuracy"] == ["0.9750", "0.9000", "0.8750", "0.7500 to 0.9688"]
    assert cells["loss"] == ["0.1040", "0.3000", "6.3e-05", "-"]
    assert cells["majority"] == ["0.5000", "0.0000"]
    assert cells["short"] == ["0.5000", "1,200"]
    assert cells["E607"] == ["empty_text", "warn", "2"]
    assert cells["onnx"] == ["model.onnx", "1.2 kB", "32", "0", "2.5e-06", "1.0e-04"]
    assert cells["torchscript"][1] == "5.7 MB"


def test_another_metric_is_another_card(tmp_path: Path) -> None:
    before = write_made(tmp_path / "a").card()
    test = METRICS["test"] | {"accuracy": 0.5}
    after = write_made(tmp_path / "b", test=test).card()
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [line.strip() for line in changed] == [
        "value: 0.5",
        "| `accuracy` | 0.9750 | 0.9000 | 0.5000 | 0.7500 to 0.9688 |",
    ]


def test_a_description_is_in_no_card(tmp_path: Path) -> None:
    plain = write_made(tmp_path / "a").card()
    assert write_made(tmp_path / "b", _spec(description="words")).card() == plain


def _limits(made: Made) -> str:
    return made.card().split("\n## Limits\n")[1].split("\n## ")[0]


def test_limits_are_those_of_the_model(tmp_path: Path) -> None:
    said = _limits(write_made(tmp_path / "a"))
    assert "first 32 tokens" in said
    assert "0.94% were cut off, in 3 of 32 rows" in said
    for unsaid in ("too few", "no intervals", "No slices", "no validation split", "fitted"):
        assert unsaid not in said
    poor = write_made(
        tmp_path / "b", validation=None, intervals=None, slices=None,
        fit=METRICS["fit"] | {"too_few_rows": True},
    )  # fmt: skip
    said = _limits(poor)
    for text in ("32 rows, which are too few", "no intervals", "No slices", "no validation split"):
        assert text in said


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"type": "windows", "stride": 4}, "windows of so many, each of which shares 4"),
        ({"type": "head-tail", "head": 0.25}, "25% of 32 from the beginning"),
    ],
)
def test_how_long_texts_are_read_is_told(
    tmp_path: Path, policy: dict[str, Any], words: str
) -> None:
    tokenization = {"max_length": 32, "long_documents": policy}
    assert words in _limits(write_made(tmp_path, _spec(tokenization=tokenization)))


def test_what_was_fitted_is_told(tmp_path: Path) -> None:
    made = write_made(tmp_path)
    fitted = Made(
        made.folder, made.context, made.bundle.model_copy(update={"decision": {"threshold": 0.375}})
    )
    assert _cells(fitted.card())["threshold, fitted on validation"] == ["0.3750"]
    assert "fitted on the validation split" in _limits(fitted)


def test_a_model_that_predict_cannot_run_says_no_such_thing(tmp_path: Path) -> None:
    text = write_made(tmp_path, _spec(export=[{"type": "torchscript"}])).card()
    assert "bertspec.load" not in text
    assert "input_ids" in text


def test_another_form_of_parity_is_shown_as_it_is(tmp_path: Path) -> None:
    of_int8 = {"rows": 32, "metric": "f1", "pytorch": 0.8, "exported": None, "lossy": True}
    text = write_made(tmp_path).card(PARITY | {"onnx": of_int8})
    (table,) = [t for t in _tables(text) if t[0][0] == "export"]
    rows = {row[0]: dict(zip(table[0], row, strict=True)) for row in table[1:]}
    assert rows["onnx"]["metric"] == "f1"
    assert (rows["onnx"]["pytorch"], rows["onnx"]["exported"]) == ("0.8000", "-")
    assert rows["torchscript"]["max difference"] == "0.0000"
    assert rows["torchscript"]["metric"] == "-"


def test_no_markup_comes_from_labels_and_slices(tmp_path: Path) -> None:
    """Wicked ones give the elements that plain ones give, and every table its cells."""

    def made(root: Path, names: list[str]) -> str:
        task = {"type": "text-classification", "labels": names}
        slices = {name: {"accuracy": 0.5} for name in names}
        fit = {"verdict": "good fit", "evidence": f"as good as {' and '.join(names)}"}
        made = write_made(root, _spec(task=task), classes=slices, slices=slices, fit=fit)
        return made.card()

    tame = made(tmp_path / "a", [f"plain {i}" for i in range(len(WICKED))])
    wild = made(tmp_path / "b", list(WICKED))

    def elements(text: str) -> list[str]:
        found = []
        for token in _parsed(text):
            found += [token.type, *(part.type for part in token.children or ())]
        return found

    assert elements(wild) == elements(tame)
    seen = set(_cells(wild))
    for text in WICKED:
        assert " ".join(text.split()) in seen, text
    assert all(len({len(row) for row in table}) == 1 for table in _tables(wild))


def test_the_rarest_of_many_labels_are_only_counted(tmp_path: Path) -> None:
    labels = [f"label {i:02}" for i in range(60)]
    spec = _spec(task={"type": "text-classification", "labels": labels})
    text = write_made(tmp_path, spec, classes=None).card()
    (table,) = [t for t in _tables(text) if t[1][0] == "rows"]
    assert len(table) == 2 + 50
    assert "10 more labels are rarer." in text


def test_the_same_bytes_in_another_folder_locale_and_time_zone(tmp_path: Path) -> None:
    expected = write_made(tmp_path / "a").card()
    code = (
        "import sys; from pathlib import Path; from tests.release.inputs import write_made;"
        "sys.stdout.reconfigure(encoding='utf-8');"
        "print(write_made(Path(sys.argv[1])).card(), end='')"
    )
    environment = os.environ | {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    environment |= {"HF_HUB_OFFLINE": "1", "USER": "somebody", "HOSTNAME": "somewhere"}
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "elsewhere")], check=True, env=environment,
        cwd=Path(__file__).parents[2], capture_output=True,
    ).stdout  # fmt: skip
    assert said == expected.encode()
    assert str(tmp_path) not in expected


def test_lineage_has_a_digest_of_every_artifact_and_of_another_specs_model(tmp_path: Path) -> None:
    made = write_made(tmp_path)
    path = made.context.inputs["base_manifest"]
    manifest = json.loads(path.read_text())
    manifest["inputs"]["models/domain/trained"] = "f" * 64
    path.write_text(json.dumps(manifest))
    text = made.card()
    assert "the specs of the models above" in text
    cells = _cells(text)
    for stage in ("reviews-fetch", "reviews-prepare", "tiny-train", "tiny-evaluate"):
        assert re.fullmatch("[0-9a-f]{64}", cells[stage][0])
    assert cells["models/domain/trained"] == ["f" * 64]
    assert "models/tiny/trained" not in cells


def test_the_front_matter_is_yaml_of_both_versions(tmp_path: Path) -> None:
    """The hub reads 1.2, and its library 1.1."""
    text = write_made(tmp_path, _spec(name="no")).card()
    front = load_plain(text.split("---\n")[1])
    assert front["model-index"][0]["name"] == "no" == _data(text).model_name
