"""Sources of a shape of their own: CoNLL columns, SQuAD's JSON, queries of a database."""

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bertspec.catalog.sources import SOURCES
from bertspec.catalog.sources import sql as sql_module
from bertspec.catalog.sources.sql import is_ordered
from bertspec.compiler.checks import load_checked
from bertspec.core.errors import InputError
from tests.projects import SPEC, Project

Rows = list[dict[str, Any]]


def rows_of(root: Path, kind: str, **options: Any) -> Rows:
    """All rows of the one split of a source."""
    source = SOURCES[kind].model_validate({"type": kind, **options})
    found: Rows = []
    for _, piece in source.read(root):
        found += piece.read(len(found) + 1).to_pylist()
    return found


def refusal(root: Path, kind: str, **options: Any) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        rows_of(root, kind, **options)
    (found,) = caught.value.diagnostics
    assert found.help
    return found.code, found.message


# CoNLL


def conll(root: Path, content: str, **options: Any) -> Rows:
    (root / "a.conll").write_bytes(content.encode())
    return rows_of(root, "conll", files={"train": "a.conll"}, **options)


def by_hand(path: Path) -> Rows:
    """The sentences of a file of two columns, as simply as can be."""
    sentences: Rows = [{"tokens": [], "tags": []}]
    for line in path.read_text(encoding="utf-8").split("\n"):
        token, _, tag = line.partition("\t")
        if token:
            sentences[-1]["tokens"].append(token)
            sentences[-1]["tags"].append(tag)
        else:
            sentences.append({"tokens": [], "tags": []})
    return [s for s in sentences if s["tokens"]]


WNUT = {
    "wnut17train.conll": 3394,
    "emerging.dev.conll": 1009,
    "emerging.test.annotated": 1287,
}
"""Sentences, as awk counts them."""


@pytest.mark.parametrize("name", WNUT)
@pytest.mark.parametrize("separator", ["white-space", "tab"])
def test_wnut_is_read_as_by_hand(shared: Path, name: str, separator: str) -> None:
    """Between sentences of its training file are lines that hold a single tab."""
    found = rows_of(shared / "wnut17", "conll", files={"train": name}, separator=separator)
    assert found == by_hand(shared / "wnut17" / name)
    assert len(found) == WNUT[name]


def test_what_is_no_token_is_skipped(tmp_path: Path) -> None:
    content = (
        "\ufeff-DOCSTART- -X- O\r\n\r\n# sent 1\r\nEU NNP B-ORG\r\nrejects VBZ O\r\n \t\r\n\r\n"
        "-DOCSTART- -X- O\r\n#1 CD O"
    )
    both = conll(tmp_path, content, comment="# ")
    assert both == [
        {"tokens": ["EU", "rejects"], "tags": ["B-ORG", "O"]},
        {"tokens": ["#1"], "tags": ["O"]},
    ]
    (first,) = conll(tmp_path, content, comment="#", columns={"word": 0, "pos": -2})
    assert first == {"word": ["EU", "rejects"], "pos": ["NNP", "VBZ"]}


def test_tokens_keep_odd_spaces(tmp_path: Path) -> None:
    content = "New York\tB\n\u00a0\tO\na\u2028b\tO\n"
    (row,) = conll(tmp_path, content, separator="tab")
    assert row == {"tokens": ["New York", "\u00a0", "a\u2028b"], "tags": ["B", "O", "O"]}
    (row,) = conll(tmp_path, "a  b\n", separator="space", columns={"x": 0, "y": 1, "z": 2})
    assert row == {"x": ["a"], "y": [""], "z": ["b"]}


BAD_CONLL = [
    ("a\tO\n\nb\tO\nc\n", {}, "a.conll, line 4: 1 column, and .*takes 2"),
    ("a\tO\n", {"columns": {"x": 2}}, "a.conll, line 1: 2 columns, and .*takes 3"),
    ("a\tO\n", {"columns": {"x": -3}}, "a.conll, line 1: 2 columns, and .*takes 3"),
    ("a\tO\nNew York\tB\n", {}, "a.conll, line 2: 3 columns, and the sentence begins with 2"),
]


@pytest.mark.parametrize(("content", "options", "message"), BAD_CONLL)
def test_a_line_without_its_columns_is_told(
    tmp_path: Path, content: str, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "a.conll").write_text(content, encoding="utf-8")
    code, found = refusal(tmp_path, "conll", files={"train": "a.conll"}, **options)
    assert code == "E350"
    assert re.match(message, found), found


# SQuAD


def squad(root: Path, content: Any) -> Rows:
    text = content if isinstance(content, str) else json.dumps(content)
    (root / "a.json").write_text(text, encoding="utf-8")
    return rows_of(root, "squad", files={"train": "a.json"})


def flat(data: dict[str, Any]) -> Rows:
    """A row a question, by Python's own json."""
    return [
        {
            "id": question["id"],
            "title": article["title"],
            "context": paragraph["context"],
            "question": question["question"],
            "answers": {
                "text": [a["text"] for a in question["answers"]],
                "answer_start": [a["answer_start"] for a in question["answers"]],
            },
            "is_impossible": question.get("is_impossible", False),
        }
        for article in data["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def test_squad_is_read_as_by_json(shared: Path, tmp_path: Path) -> None:
    (path,) = (shared / "squad").glob("*.json")
    found = rows_of(path.parent, "squad", files={"train": path.name})
    assert found == flat(json.loads(path.read_text(encoding="utf-8")))
    assert len(found) == 1407
    assert {r["is_impossible"] for r in found} == {True, False}
    for row in found:  # starts are counted as Python counts
        for text, start in zip(*row["answers"].values(), strict=True):
            assert row["context"][start : start + len(text)] == text
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
    assert rows_of(tmp_path, "squad", files={"train": "b.json.gz"}) == found


def one(**changes: Any) -> dict[str, Any]:
    """A file of one question, of version 1.1."""
    question = {"id": "q", "question": "Who?", "answers": [{"text": "I", "answer_start": 0}]}
    question = {k: v for k, v in {**question, **changes}.items() if v is not None}
    article = {"title": "T", "paragraphs": [{"context": "I am.", "qas": [question]}]}
    return {"version": "1.1", "data": [article]}


def test_squad_1_1_says_nothing_of_impossible(tmp_path: Path) -> None:
    assert squad(tmp_path, one()) == flat(one())
    (row,) = squad(tmp_path, one(id=7, question="\ud83d\ude00 \ud800?"))  # a lone surrogate
    assert row["id"] == "7"
    assert row["question"].startswith("\U0001f600 ")


BAD_SQUAD = [
    ("", "E305", "not JSON"),
    (json.dumps(one())[:-9], "E305", "not JSON"),
    (json.dumps(one()) + "x", "E305", "not JSON"),
    ('{"data": []}', "E352", "a.json has no article"),
    ("[1]", "E305", "not JSON"),
    ({"data": [3]}, "E351", "a.json, article 1: it is not an object"),
    ({"data": [{"title": "T"}]}, "E351", r"a.json, article 1 \(`T`\): no `paragraphs`"),
    ({"data": [{"paragraphs": [{"qas": []}]}]}, "E351", "article 1, paragraph 1: no `context`"),
    (one(id=None), "E351", r"article 1 \(`T`\), paragraph 1, question 1: no `id`"),
    (one(question=None), "E351", "question 1: no `question`"),
    (one(question=3), "E351", "question 1: `question` is not text"),
    (one(answers=None), "E351", "question 1: no `answers`"),
    (one(is_impossible="no"), "E351", "question 1: `is_impossible` is not true or false"),
    (one(answers=[{"text": "I"}]), "E351", "question 1, answer 1: no `answer_start`"),
    (one(answers=[{"text": "I", "answer_start": -1}]), "E351", "`answer_start` is -1"),
    (one(answers=[{"text": "I", "answer_start": True}]), "E351", "is not a whole number"),
    (one(answers=[{"text": "I", "answer_start": 2**40}]), "E351", "`answer_start` is 1099"),
]


@pytest.mark.parametrize(("content", "code", "message"), BAD_SQUAD)
def test_bad_squad_is_told_with_its_question(
    tmp_path: Path, content: Any, code: str, message: str
) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    found = refusal(tmp_path, "squad", files={"train": "a.json"})
    assert found[0] == code
    assert re.search(message, found[1]), found[1]


# SQL

TABLE = [(3, "c", 1.5), (1, "a", None), (2, "it's \U0001f600\n", 1e20)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "odd %41 ?#name.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table t (id integer, text text, x real, b blob)")
        connection.executemany("insert into t values (?, ?, ?, null)", TABLE)
    yield path
    assert [p.name for p in tmp_path.glob("*")] == [path.name], "nothing is written beside it"


def query(path: Path, text: str) -> Rows:
    return rows_of(path.parent, "sql", database=path.name, query={"train": text})


def test_a_query_gives_text(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        {"id": "1", "text": "a", "x": None},
        {"id": "2", "text": "it's \U0001f600\n", "x": "1e+20"},
        {"id": "3", "text": "c", "x": "1.5"},
    ]
    assert query(database, "select id, text, x from t order by id") == wanted
    monkeypatch.setattr(sql_module, "BATCH", 2)
    assert query(database, "select id, text, x from t order by id") == wanted
    assert query(database, "select id from t where id > 9 order by id") == []


BAD_QUERIES = [
    ("select x, x from t order by 1", "E304", "two columns `x`"),
    ("select missing from t order by 1", "E354", "no such column: missing"),
    ("select * from missing order by 1", "E354", "no such table: missing"),
    ("selec * from t", "E354", 'near "selec": syntax error'),
    ("select id from t order by 1; drop table t", "E354", "one statement at a time"),
    ("insert into t values (9, '', 0, 0)", "E354", "readonly"),
    ("drop table t", "E354", "readonly"),
    ("attach 'made.db' as other", "E354", "not authorized"),
    ("vacuum into 'made.db'", "E354", "authorization denied"),
    ("create temp table u (a)", "E354", "it is no query"),
    ("-- nothing", "E354", "it is no query"),
    ("select id from t order by random()", "E354", "not authorized to use function: random"),
    ("select id, cast('a' as blob) as b from t order by id", "E355", "row 1: column `b` has a"),
    ("select cast(x'ff' as text) as u from t order by 1", "E354", "UTF-8 column 'u'"),
]


@pytest.mark.parametrize(("text", "code", "message"), BAD_QUERIES)
def test_what_the_engine_refuses_is_told(
    database: Path, text: str, code: str, message: str
) -> None:
    before = database.read_bytes()
    found = refusal(database.parent, "sql", database=database.name, query={"train": text})
    assert found[0] == code
    assert "query of `train`" in found[1]
    assert message in found[1], found[1]
    assert database.read_bytes() == before


def test_what_is_no_whole_database_is_told(tmp_path: Path) -> None:
    options = {"database": "a.db", "query": {"train": "select * from t order by 1"}}
    (tmp_path / "b.db").touch()
    code, message = refusal(tmp_path, "sql", **options)
    assert (code, message) == ("E301", "a.db does not exist")
    (tmp_path / "a.db").write_bytes(b"id,text\n")
    assert refusal(tmp_path, "sql", **options) == ("E353", "a.db is not a SQLite database")
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    code, message = refusal(tmp_path, "sql", **options)
    assert code == "E354"
    assert "file is not a database" in message or "malformed" in message


def test_rows_that_only_the_write_ahead_log_has_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    options = {"database": "a.db", "query": {"train": "select * from t order by 1"}}
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("pragma journal_mode=wal")
        with writer:
            writer.execute("create table t (id integer)")
            writer.execute("insert into t values (1)")
        code, message = refusal(tmp_path, "sql", **options)
        assert code == "E353"
        assert "a.db-wal" in message
        writer.execute("pragma wal_checkpoint(truncate)")
        assert rows_of(tmp_path, "sql", **options) == [{"id": "1"}]
    assert rows_of(tmp_path, "sql", **options) == [{"id": "1"}]
    assert [p.name for p in tmp_path.glob("*")] == ["a.db"], "nothing is written beside it"


def test_a_write_that_broke_off_is_told(tmp_path: Path) -> None:
    """A journal to roll back needs a writer."""
    path, copy = tmp_path / "a.db", tmp_path / "copy" / "a.db"
    copy.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("create table t (id integer)")
        writer.execute("pragma cache_size=1")
        writer.execute("begin")
        writer.executemany("insert into t values (?)", [(i,) for i in range(100_000)])
        for name in ("a.db", "a.db-journal"):
            copy.with_name(name).write_bytes(path.with_name(name).read_bytes())
        writer.execute("rollback")
    code, message = refusal(
        copy.parent, "sql", database="a.db", query={"train": "select id from t order by 1"}
    )
    assert code == "E354"
    assert "a.db, the query of `train`: " in message


@pytest.mark.parametrize(
    ("text", "ordered"),
    [
        ("select a from t order by a", True),
        ("SELECT a FROM t ORDER\n  BY a LIMIT 5", True),
        ("select a from t order /* by */ by (a)", True),
        ("select a from t", False),
        ("select a from (select a from t order by a)", False),
        ("select row_number() over (partition by (b) order by a) from t", False),
        ("select a from t -- order by a", False),
        ("select 'order by a' from t", False),
        ('select "(order by" from t order by a', True),
        ("select border by from t", False),
    ],
)
def test_the_order_of_a_query_is_its_own(text: str, ordered: bool) -> None:
    assert is_ordered(text) is ordered


def test_a_query_without_order_is_told_at_its_place(project: Project) -> None:
    source = {"type": "sql", "database": "data/reviews.csv", "query": {"train": "select 1 as a"}}
    project.write_spec(SPEC | {"data": SPEC["data"] | {"source": source}})
    found = load_checked([Path("specs")], project.root).diagnostics
    assert [(d.code, str(d.position)) for d in found] == [("E140", "specs/tiny.json:17:18")]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("conll", {"files": {"train": "a"}, "columns": {}}),
        ("conll", {"files": {"train": "a"}, "comment": ""}),
        ("conll", {"files": {"train": "a"}, "separator": ","}),
        ("sql", {"database": "", "query": {"train": "x"}}),
        ("sql", {"database": "a.db", "query": {}}),
    ],
)
def test_options_that_mean_nothing_are_refused(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SOURCES[kind].model_validate({"type": kind, **options})
