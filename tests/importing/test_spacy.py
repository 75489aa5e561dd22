"""`bertspec import spacy`: every component, what of a config.cfg is carried over, and the rest."""

from typing import Any

import pytest

from bertspec.importing.spacy import _TASKS
from tests.importing.imported import imported, refused, told
from tests.importing.test_import import SPACY
from tests.projects import Project

LABELS = {
    "textcat": "label",
    "textcat_multilabel": {"column": "label", "list": True},
    "ner": None,
}


def _imported(
    project: Project, *changes: tuple[str, str], more: str = ""
) -> tuple[dict[str, Any], list[str]]:
    return imported(project, *_write(project, *changes, more=more))


def _write(project: Project, *changes: tuple[str, str], more: str = "") -> tuple[str, str]:
    text = SPACY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (project.root / "config.cfg").write_text(text + more)
    return "spacy", "config.cfg"


@pytest.mark.parametrize("factory", _TASKS)
def test_every_component(project: Project, factory: str) -> None:
    """Whatever it is called: what makes it counts."""
    spec, comments = _imported(
        project, ('"ner","tagger"', '"mine","tagger"'), ("components.ner", "components.mine"),
        ('factory = "ner"', f'factory = "{factory}"'),
    )  # fmt: skip
    assert spec["task"]["type"] == _TASKS[factory][0]
    assert spec["task"]["labels"] == ["PER", "LOC"]
    assert spec["data"]["columns"].get("label") == LABELS[factory]
    assert any(
        ('"spans"' in line) == (factory == "ner") for line in comments if "JSON lines" in line
    )


def test_epochs_without_an_end(project: Project) -> None:
    for given, expected in (("-1", 1000), ("0", 1000), ("7", 7)):
        spec, _ = _imported(project, ("max_epochs = 0", f"max_epochs = {given}"))
        assert spec["training"]["epochs"] == expected


def test_a_value_that_leads_to_another(project: Project) -> None:
    spec, _ = _imported(
        project, ("seed = 7", "seed = ${paths.seed}"), ("[paths]", "[paths]\nseed = 9")
    )
    assert spec["training"]["seed"] == 9
    refused(project, *_write(project, ("seed = 7", "seed = ${system.seed}")))


def test_what_nothing_reads_is_told(project: Project) -> None:
    more = (
        "\n[training.score_weights]\nents_f = 1.0\n\n[corpora.train]\npath = ${paths.train}\n"
        "max_length = 0\n\n[corpora.train.augmenter]\nlevel = 0.1\n\n[nlp.tokenizer]\nx = 1\n"
        "\n[components.ner.model]\nhidden_width = 64\n"
    )
    _, comments = _imported(
        project, ("eps = 0.00000001", "eps = 0.00000001\nuse_averages = true"),
        ("total_steps = 20000", "total_steps = 9000"), more=more,
    )  # fmt: skip
    for key in ("training.score_weights", "corpora.train.augmenter", "nlp.tokenizer",
                "components.ner.model", "training.optimizer.use_averages"):  # fmt: skip
        assert told(comments, f"{key}: "), key
    assert told(comments, "learn_rate.total_steps 9000")
    assert told(comments, "corpus/dev.spacy: it is the test here"), "and train loses a tenth"
    assert not told(comments, "corpora.train.max_length")


def test_of_what_spacy_writes_by_default_little_is_left(project: Project) -> None:
    _, comments = _imported(project)
    left = comments[comments.index("# Not carried over:") + 1 :]
    assert [line.split(":")[0].split(" ")[2] for line in left] == [
        "component", "corpus/dev.spacy", "windows", "dropout"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new"),
    [('["transformer","ner","tagger"]', "5"), ('["transformer","ner","tagger"]', "[1]"),
     ('["transformer","ner","tagger"]', "['ner']"), ('"transformer","ner"', '"ner"'),
     ("eval_frequency = 200", "eval_frequency = 0"), ("window = 128", 'window = "x"'),
     ("beta1 = 0.9", "beta1 = NaN"), ("[system]", "[training.optimizer.L2]\na = 1\n[system]"),
     ('["PER","LOC"]', '["PER",1]'), ("[system]", "[paths.train]\na = 1\n[system]"),
     ("dropout = 0.1", "dropout = ${system}")],
)  # fmt: skip
def test_what_is_of_another_type_is_refused(project: Project, old: str, new: str) -> None:
    refused(project, *_write(project, (old, new)))


def test_an_encoder_that_only_a_loader_names(project: Project) -> None:
    """As curated-transformers has it, where the pipeline has a transformer; else there is none."""
    loader = '\n[initialize.components.transformer.encoder_loader]\nname = "acme/bert"\n'
    spec, _ = _imported(project, ('name = "roberta-base"\n', ""), more=loader)
    assert spec["model"]["base"]["id"] == "acme/bert"
    refused(project, *_write(project, ('"transformer","ner"', '"ner"'), more=loader))
