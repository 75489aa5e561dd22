"""Sentence embedding: vectors, losses and metrics are those of their definitions."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy import stats
from sklearn.metrics.pairwise import cosine_similarity
from torch.nn.functional import cross_entropy

from bertspec.catalog.long_documents import HeadTail
from bertspec.catalog.metrics.retrieval import ranks
from bertspec.catalog.task import LossOptions
from bertspec.catalog.tasks.sentence_embedding import SentenceEmbedding
from bertspec.core.errors import InputError
from bertspec.runtime.inference import infer, model_runner
from bertspec.runtime.predict import Predictor
from bertspec.runtime.stage import run_stage
from bertspec.runtime.trained import load_trained
from tests.projects import Project
from tests.tasks.cases import Case, case_of
from tests.tasks.test_conformance import make_project
from tests.tasks.tiny import batch_of, encoder_of, tiny_base, tokens_of


def _task(**options: Any) -> SentenceEmbedding:
    return SentenceEmbedding.model_validate({"type": "sentence-embedding", **options})


PAIRS = _task()
COSINE = _task(objective={"type": "cosine", "scale": [0, 5]})

ROWS = pa.table(
    {
        "text": ["the sun is warm", "fresh bread", "clear water", "a kind word"],
        "text_pair": ["warm", "bread that is fresh", "the water", "kind"],
    }
)
LABELLED = ROWS.append_column("label", pa.array([5.0, 0.0, 2.5, 1.0]))
TRIPLETS = ROWS.append_column("negative", pa.array(["cold sun", "old bread", "mud", "is"]))
TEXTS = [text for column in TRIPLETS.columns for text in column.to_pylist()]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("vectors"), TEXTS)


def _model(base: Path, task: SentenceEmbedding = PAIRS) -> Any:
    torch.manual_seed(0)
    return task.build_model(base, None).eval()


def _outputs(base: Path, task: SentenceEmbedding, rows: pa.Table) -> tuple[Any, Any]:
    """The batch of all rows, and vectors of its sequences that can be trained."""
    batch = batch_of(task, tokens_of(task, rows, encoder_of(base)))
    return batch, task.forward(_model(base, task), batch.inputs)


@pytest.mark.parametrize("rows", [ROWS, TRIPLETS, ROWS.select(["text"])])
def test_each_text_is_a_sequence_those_of_a_row_adjacent(base: Path, rows: pa.Table) -> None:
    encoder, count = encoder_of(base), rows.num_columns
    encoded = PAIRS.encode(rows, encoder)
    texts = [text for row in rows.to_pylist() for text in row.values()]
    expected = [e.ids for e in encoder.tokenizer.encode_batch(texts)]
    assert encoded["input_ids"].to_pylist() == expected
    assert encoded["part"].to_pylist() == [*range(count)] * 4
    assert encoded["example"].to_pylist() == np.repeat(range(4), count).tolist()
    sums = [sum(map(len, expected[i : i + count])) for i in range(0, len(texts), count)]
    assert [n for n in encoded["length"].to_pylist() if n] == sums


@pytest.mark.parametrize("rows", [ROWS, TRIPLETS, LABELLED])
def test_a_split_without_rows_is_encoded(base: Path, rows: pa.Table) -> None:
    some, none = (PAIRS.encode(part, encoder_of(base)) for part in (rows, rows.slice(0, 0)))
    assert len(none) == 0
    assert none.schema == some.schema


def test_long_texts_keep_head_and_tail(base: Path) -> None:
    rows = pa.table({"text": ["the sun is warm " * 9 + "mud"]})
    encoder = encoder_of(base, 12, HeadTail(type="head-tail", head=0.5))
    (ids,) = PAIRS.encode(rows, encoder)["input_ids"].to_pylist()
    assert len(ids) == 12
    assert encoder.tokenizer.decode(ids).endswith("mud")


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_vector_is_pooled_from_transformers_output(
    base: Path, pooling: str, normalize: bool
) -> None:
    """Each text by itself, without padding, so that no mask is needed."""
    from transformers import AutoModel

    task = _task(pooling=pooling, normalize=normalize)
    plain = AutoModel.from_pretrained(base).eval()
    encoder = encoder_of(base)
    tokens = tokens_of(task, ROWS, encoder)
    kept, _ = infer(model_runner(_model(base, task), task), task, tokens, 0)
    texts = [text for row in ROWS.to_pylist() for text in row.values()]
    for text, vector in zip(texts, kept, strict=True):
        ids = torch.tensor([encoder.tokenizer.encode(text).ids])
        with torch.no_grad():
            states = plain(ids).last_hidden_state[0].numpy()
        wanted = states[0] if pooling == "cls" else states.mean(axis=0)
        if normalize:
            wanted = wanted / np.linalg.norm(wanted)
        np.testing.assert_allclose(vector, wanted, atol=1e-5)


def test_the_model_has_no_pooler_and_is_loaded_as_it_was_saved(base: Path, tmp_path: Path) -> None:
    model = _model(base)
    model.save_pretrained(tmp_path)
    again = load_trained(tmp_path)
    assert not [name for name in again.state_dict() if "pooler" in name]
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight)


def test_weights_of_another_model_are_refused(base: Path, tmp_path: Path) -> None:
    from tests.model.models import copy, edit_weights

    folder = copy(base, tmp_path / "other")
    edit_weights(folder, lambda weights: {f"x.{name}": t for name, t in weights.items()})
    with pytest.raises(InputError, match="tensors of the encoder are missing"):
        PAIRS.build_model(folder, None)


@pytest.mark.parametrize("model_type", ["roberta", "electra", "mpnet", "modernbert"])
def test_other_families_have_vectors(model_type: str, tmp_path: Path) -> None:
    base = tiny_base(tmp_path, TEXTS, model_type=model_type)
    _, outputs = _outputs(base, PAIRS, ROWS)
    assert outputs.shape == (8, 32)
    torch.testing.assert_close(outputs.norm(dim=1), torch.ones(8))
    outputs.sum().backward()


def test_a_dropout_of_a_head_that_is_not_there_is_refused(base: Path) -> None:
    with pytest.raises(InputError) as caught:
        PAIRS.build_model(base, 0.1)
    assert caught.value.diagnostics[0].code == "E403"


def _cosines(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """As `util.cos_sim` of sentence-transformers."""
    one, other = (v / v.norm(dim=1, keepdim=True) for v in (one, other))
    return one @ other.T


@pytest.mark.parametrize("normalize", [True, False])
def test_the_cosine_loss_is_that_of_sentence_transformers(base: Path, normalize: bool) -> None:
    """CosineSimilarityLoss: the mean squared error of the cosine similarity from label / 5."""
    task = _task(objective={"type": "cosine", "scale": [0, 5]}, normalize=normalize)
    batch, outputs = _outputs(base, task, LABELLED)
    total, weight = task.loss(outputs, batch, LossOptions())
    similarity = _cosines(outputs[0::2], outputs[1::2]).diagonal()
    wanted = torch.tensor(LABELLED["label"].to_pylist()) / 5
    torch.testing.assert_close(total / weight, ((similarity - wanted) ** 2).mean())


def test_a_scale_may_begin_below_zero(base: Path) -> None:
    task = _task(objective={"type": "cosine", "scale": [-5, 5]})
    batch, outputs = _outputs(base, task, LABELLED)
    similarity = _cosines(outputs[0::2], outputs[1::2]).diagonal()
    wanted = (torch.tensor(LABELLED["label"].to_pylist()) + 5) / 10
    total, weight = task.loss(outputs, batch, LossOptions())
    torch.testing.assert_close(total / weight, ((similarity - wanted) ** 2).mean())


@pytest.mark.parametrize("temperature", [0.05, 1.0])
@pytest.mark.parametrize("rows", [ROWS, TRIPLETS])
def test_the_ranking_loss_is_that_of_sentence_transformers(
    base: Path, rows: pa.Table, temperature: float
) -> None:
    """MultipleNegativesRankingLoss with scale 1 / temperature: the cross entropy of each text's
    similarities to all pairs, and then to all negatives.
    """
    task = _task(objective={"type": "in-batch-negatives", "temperature": temperature})
    batch, outputs = _outputs(base, task, rows)
    total, weight = task.loss(outputs, batch, LossOptions())
    count = rows.num_columns
    candidates = torch.cat([outputs[part::count] for part in range(1, count)])
    scores = _cosines(outputs[0::count], candidates) / temperature
    assert weight == 4
    torch.testing.assert_close(total / weight, cross_entropy(scores, torch.arange(4)))


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6, 7], [6, 1, 5, 2], [3, 3]], ids=str)
def test_texts_of_a_batch_have_one_number_where_they_are_equal(
    base: Path, order: list[int]
) -> None:
    rows = pa.table({"text": ["warm", "kind", "a word", "warm"],
                     "text_pair": ["kind", "warm", "", "kind word"]})  # fmt: skip
    batch = batch_of(PAIRS, tokens_of(PAIRS, rows, encoder_of(base)), order)
    texts = np.array([text for row in rows.to_pylist() for text in row.values()])[order]
    parts, contents = batch.targets.numpy().T
    assert parts.tolist() == [sequence % 2 for sequence in order]
    np.testing.assert_array_equal(
        contents[:, None] == contents[None], texts[:, None] == texts[None]
    )


def test_texts_equal_to_the_pair_are_no_negatives(base: Path) -> None:
    """The second pair is the first one again, and the third negative is the fourth pair."""
    rows = pa.table(
        {
            "text": TRIPLETS["text"],
            "text_pair": ["warm", "warm", "the water", "kind"],
            "negative": ["cold sun", "old bread", "kind", "warm"],
        }
    )
    batch, outputs = _outputs(base, PAIRS, rows)
    total, _ = PAIRS.loss(outputs, batch, LossOptions())
    scores = _cosines(outputs[0::3], torch.cat([outputs[1::3], outputs[2::3]])) / 0.05
    left = [[0, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [*range(8)], [0, 1, 2, 3, 4, 5, 7]]
    expected = sum(
        cross_entropy(scores[i : i + 1, kept], torch.tensor([kept.index(i)]))
        for i, kept in enumerate(left)
    )
    torch.testing.assert_close(total, expected)
    total.backward()


def test_a_batch_of_one_pair_has_nothing_to_learn_and_no_infinity(base: Path) -> None:
    batch, outputs = _outputs(base, PAIRS, ROWS.slice(0, 1))
    total, weight = PAIRS.loss(outputs, batch, LossOptions())
    total.backward()
    assert float(total.detach()) == pytest.approx(0)
    assert weight == 1


def _vectors(count: int, seed: int, size: int = 6) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(count, size))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [1, 7, 600])
def test_ranks_are_those_of_brute_force(count: int) -> None:
    """Among distinct texts; one that is as near as the right one comes before it."""
    random = np.random.default_rng(count)
    texts = [f"text {i}" for i in random.integers(0, max(1, count * 2 // 3), count)]
    by_text = dict(zip(texts, _vectors(count, 1), strict=True))
    if count > 3:
        by_text[texts[1]] = by_text[texts[0]]  # two texts with one vector
    found = np.stack([by_text[text] for text in texts])
    queries = _vectors(count, 2)
    expected = []
    for query, text in zip(queries, texts, strict=True):
        right = float(query @ by_text[text])
        others = [float(query @ v) for other, v in by_text.items() if other != text]
        expected.append(1 + sum(value >= right - 1e-9 for value in others))
    assert ranks(queries, found, pa.chunked_array([texts])) == expected


def test_vectors_that_are_all_the_same_find_nothing() -> None:
    same = np.tile(_vectors(1, 0), (9, 1)) * (1 + 1e-8 * np.arange(9)[:, None])
    texts = pa.chunked_array([[f"text {i}" for i in range(9)]])
    assert ranks(same, same, texts) == [9] * 9


def _predicted(task: SentenceEmbedding, base: Path, rows: pa.Table) -> tuple[pa.Table, np.ndarray]:
    tokens = tokens_of(task, rows, encoder_of(base))
    kept, _ = infer(model_runner(_model(base, task), task), task, tokens, 0)
    table = task.predictions(rows, tokens, kept, {})
    gold = task.gold(rows)
    return pa.table({**gold, **{n: table[n] for n in table.column_names}}), np.stack(kept)


@pytest.mark.parametrize("normalize", [True, False])
def test_correlations_are_scipys_of_cosine_similarity(base: Path, normalize: bool) -> None:
    task = _task(objective={"type": "cosine", "scale": [0, 5]}, normalize=normalize)
    table, vectors = _predicted(task, base, LABELLED)
    similarity = cosine_similarity(vectors[0::2], vectors[1::2]).diagonal()
    np.testing.assert_allclose(table["prediction"].to_numpy(), similarity, atol=1e-6)
    gold = LABELLED["label"].to_numpy()
    found = task.measure(["spearman", "pearson"], table)
    assert found["spearman"] == pytest.approx(stats.spearmanr(similarity, gold).statistic)
    assert found["pearson"] == pytest.approx(stats.pearsonr(similarity, gold).statistic, abs=1e-5)
    assert task.headline == "spearman"
    assert task.baseline(table)[0] == 0


def test_retrieval_metrics_are_those_of_their_definitions(base: Path) -> None:
    rows = pa.table(
        {
            "text": [f"{TEXTS[i % 12]} {TEXTS[(i * 5) % 12]}" for i in range(30)],
            "text_pair": [TEXTS[(i * 7) % 11] for i in range(30)],
            "negative": [TEXTS[(i * 3 + 1) % 12] for i in range(30)],
        }
    )
    table, vectors = _predicted(PAIRS, base, rows)
    text, pair, negative = vectors[0::3], vectors[1::3], vectors[2::3]
    names = rows["text_pair"].to_pylist()
    by_name = dict(zip(names, pair, strict=True))
    places = []
    for query, name in zip(text, names, strict=True):
        similarity = {n: float(query @ v) for n, v in by_name.items()}
        better = [n for n, s in similarity.items() if n != name and s >= similarity[name] - 1e-6]
        places.append(len(better) + 1)
    asked = ["recall_at_1", "recall_at_5", "recall_at_10", "mrr", "triplet_accuracy"]
    found = PAIRS.measure(asked, table)
    for k in (1, 5, 10):
        assert found[f"recall_at_{k}"] == sum(place <= k for place in places) / 30
    assert 0 < found["recall_at_5"] < 1
    assert found["mrr"] == pytest.approx(sum(1 / place for place in places) / 30)
    near, far = (text * pair).sum(axis=1), (text * negative).sum(axis=1)
    assert found["triplet_accuracy"] == np.mean(near > far)
    some = np.array([3, 3, 8])
    assert PAIRS.measurer(["mrr"], table)(np.bincount(some, minlength=30))["mrr"] == pytest.approx(
        np.mean([1 / places[i] for i in some])
    )
    assert PAIRS.headline == "recall_at_1"
    assert PAIRS.baseline(table)[0] == 1 / 30


@pytest.mark.parametrize(
    ("task", "fitting", "unfit"),
    [(PAIRS, "mrr", "spearman"), (COSINE, "pearson", "recall_at_1")],
)
def test_metrics_fit_the_objective(task: SentenceEmbedding, fitting: str, unfit: str) -> None:
    assert task.unfit_metric(fitting) is None
    assert task.objective.type in str(task.unfit_metric(unfit))
    assert task.unfit_metric(task.headline) is None


@pytest.mark.parametrize(
    ("task", "columns", "message"),
    [
        (PAIRS, ("text", "text_pair"), None),
        (PAIRS, ("text", "text_pair", "negative"), None),
        (PAIRS, ("text", "text_pair", "label"), "no use for `data.columns.label`"),
        (COSINE, ("text", "text_pair", "label"), None),
        (COSINE, ("text", "text_pair"), "needs `data.columns.label`"),
        (COSINE, ("text", "text_pair", "label", "negative"), "no use for `data.columns.negative`"),
    ],
)
def test_the_objective_fits_the_columns(
    task: SentenceEmbedding, columns: tuple[str, ...], message: str | None
) -> None:
    found = [said for _, said, _ in task.conflicts(columns)]
    assert len(found) == (message is not None)
    assert all(str(message) in said for said in found)


def test_what_does_not_fit_is_said_before_anything_is_built(tmp_path: Path) -> None:
    case = case_of("sentence-embedding")
    project = make_project(tmp_path / "project", case)
    spec = (project.root / "specs/tiny.json").read_text()
    changed = spec.replace('"recall_at_5"', '"triplet_accuracy"')
    (project.root / "specs/tiny.json").write_text(changed)
    said = project.bertspec("validate", code=2)
    assert "E118" in said
    assert "`triplet_accuracy` needs `data.columns.negative`" in said
    changed = spec.replace('"type": "sentence-embedding"', '"type": "sentence-embedding", '
                           '"objective": {"type": "cosine", "scale": [1, 1]}')  # fmt: skip
    (project.root / "specs/tiny.json").write_text(changed)
    assert "the first of `scale` is below the second" in project.bertspec("validate", code=2)


def test_labels_outside_of_the_scale_are_named() -> None:
    rows = pa.table({"label": [0.0, 5.5, 5.0, -1.0], "file": ["a.csv"] * 4, "row": [1, 2, 3, 4]})
    with pytest.raises(InputError) as caught:
        COSINE.check_targets(rows)
    assert [d.code for d in caught.value.diagnostics] == ["E342", "E342"]
    assert caught.value.diagnostics[0].message == "a.csv, row 2: 5.5 is not between 0 and 5"
    assert caught.value.diagnostics[1].message.startswith("a.csv, row 4: -1 ")
    COSINE.check_targets(rows.filter(pa.array([True, False, True, False])))
    many = pa.table({"label": [9.0] * 30, "file": ["a.csv"] * 30, "row": list(range(30))})
    with pytest.raises(InputError, match="30 rows in all"):
        COSINE.check_targets(many)


def _case(kind: str) -> Case:
    """The case of the task, with a similarity for each pair, or with negatives."""
    rows = case_of("sentence-embedding").rows
    if kind == "cosine":
        said = [row["said"] for row in rows]
        rows = [row | {"alike": 5} for row in rows[:8]]
        rows += [{"asked": row["asked"], "said": said[(i + 3) % 8], "alike": 0.5 + i / 8}
                 for i, row in enumerate(rows)]  # fmt: skip
        return Case(
            task={"type": "sentence-embedding", "objective": {"type": "cosine", "scale": [0, 5]}},
            columns={
                "text": "asked",
                "text_pair": "said",
                "label": {"column": "alike", "number": True},
            },
            rows=rows,
            metrics={"spearman": ">= 0.85", "pearson": ">= 0.9"},
            inputs=[],
            answers=[],
            training={"epochs": 60},
        )
    rows = [row | {"wrong": rows[(i + 1) % 16]["said"]} for i, row in enumerate(rows)]
    return Case(
        task={"type": "sentence-embedding", "pooling": "cls", "normalize": False},
        columns={"text": "asked", "text_pair": "said", "negative": "wrong"},
        rows=rows,
        metrics={"mrr": ">= 1.0", "triplet_accuracy": ">= 1.0"},
        inputs=[],
        answers=[],
        # The first tokens of so small a model differ less by their texts than by dropout.
        config={"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    )


@pytest.fixture(scope="module", params=["cosine", "triplets"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("built") / "project", _case(request.param))
    for name in project.stages():
        run_stage(name, project.root)
    return project


def test_other_objectives_are_learned(built: Project) -> None:
    """`require` of the case holds, or the build had ended with an error."""
    assert built.metrics()["fit"]["verdict"] == "good fit"


def test_exported_vectors_are_those_of_pytorch_whatever_is_beside_them(built: Project) -> None:
    import json

    from bertspec.catalog.exports.torchscript import TorchScript

    folder = built.root / "models/tiny"
    params = json.loads((folder / "export/bundle.json").read_text())["task"]
    task = SentenceEmbedding.model_validate(params)
    model = load_trained(folder / "trained")
    predictor = Predictor(folder / "export")
    script = TorchScript(type="torchscript").runner(folder / "export/model.pt", 1)
    texts = ["how is the sun", "it is warm", "sea", "how is the bird and the wolf and the rain"]
    together = [a["embedding"] for a in predictor.predict([{"text": text} for text in texts])]
    for text, vector in zip(texts, together, strict=True):
        (alone,) = predictor.predict([{"text": text}])
        np.testing.assert_allclose(alone["embedding"], vector, atol=1e-5)
        rows = pa.table({"text": [text]})
        tokens = tokens_of(task, rows, encoder_of(folder / "trained"))
        ids = torch.from_numpy(tokens.ids[None].astype(np.int64))
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids),
                  "token_type_ids": torch.zeros_like(ids)}  # fmt: skip
        with torch.no_grad():
            wanted = task.forward(model, inputs).numpy()
        np.testing.assert_allclose(wanted[0], vector, atol=1e-5)
        arrays = {name: part.numpy() for name, part in inputs.items()}
        np.testing.assert_allclose(script(arrays), wanted, atol=1e-5)
        padded = {name: np.pad(part, ((0, 0), (0, 7))) for name, part in arrays.items()}
        np.testing.assert_allclose(script(padded), wanted, atol=1e-5)
    assert predictor.task.answer_line({"embedding": together[0]}).startswith("32 numbers: ")
