"""Every form of export that the table has, and what tools of others say of what was exported."""

import json
from pathlib import Path
from typing import Any, get_args

from bertspec.catalog.export import Export
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.exports.onnx import Onnx
from bertspec.core.digest import file_digest


def _forms() -> dict[str, dict[str, Any]]:
    found = {}
    for kind, export in EXPORTS.items():
        field = export.model_fields.get("quantize")
        for value in get_args(field.annotation) if field else [None]:
            options = {"type": kind} | ({} if value is None else {"quantize": value})
            found[export.model_validate(options).name] = options
    return found


FORMS = _forms()
"""Name of an export -> its options: each kind, and each kind of numbers that it has."""

_QUICK = {"onnx", "torchscript", "transformers"}
_ALL_FORMS = ("text-classification", "question-answering")
"""Tasks that are exported to every form without --thorough, too."""


def forms_of(kind: str, *, thorough: bool) -> list[str]:
    """The forms that a task is exported to in tests: all, or the first ones that people take."""
    return [name for name in FORMS if thorough or kind in _ALL_FORMS or name in _QUICK]


FOLDER = "models/tiny/export/transformers"


def form(name: str) -> Export:
    options = FORMS[name]
    return EXPORTS[options["type"]].model_validate(options)


def digests(folder: Path, names: list[str]) -> dict[str, str]:
    """Path of each file of these exports, relative to their folder -> its SHA-256."""
    files = (file for name in names for file in form(name).files(folder / form(name).filename))
    return {file.relative_to(folder).as_posix(): file_digest(file) for file in files}


ONNX_FORMS = {
    name.replace("onnx", "fused") if optimize else name: Onnx(**options, optimize=optimize)
    for name, options in FORMS.items()
    for optimize in (False, True)
    if options["type"] == "onnx"
}
"""`onnx`, `fused`, `onnx-fp16`, `fused-fp16` and so on: every kind of numbers, plain and fused."""


PIPELINES = {
    "text-classification": "text-classification",
    "multi-label-classification": "text-classification",
    "text-regression": "text-classification",
    "token-classification": "token-classification",
    "masked-lm": "fill-mask",
    "causal-lm": "text-generation",
}
"""Of transformers, for each task that it has one for."""

TOOLS = {
    **{kind: f'`pipeline("{name}")`' for kind, name in PIPELINES.items()},
    "question-answering": "transformers 5 has no pipeline",
    "multiple-choice": "transformers has no pipeline",
    "sentence-embedding": "sentence-transformers",
}
"""What runs a folder with a model of each task, so that its user need not put it together."""


def texts_of(inputs: list[dict[str, Any]]) -> list[list[str]]:
    """The columns of texts of some inputs; words are one."""
    if "tokens" in inputs[0]:
        return [[" ".join(value["tokens"]) for value in inputs]]
    names = [name for name, value in inputs[0].items() if isinstance(value, str)]
    return [[value[name] for value in inputs] for name in names]


def said_by_others(kind: str, folder: Path, inputs: list[dict[str, Any]]) -> list[Any]:
    """What tools of others say of inputs, in the form of `reduced` answers.

    Where there is no tool it is what the classes of transformers give, read as its users would.
    """
    import transformers

    if kind == "multiple-choice":
        return [_probabilities(folder, value) for value in inputs]
    if kind == "question-answering":
        return [_best_span(folder, value) for value in inputs]
    (texts,) = texts_of(inputs)
    if kind == "sentence-embedding":
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(folder), device="cpu").encode(texts).tolist()
    pipeline: Any = transformers.pipeline  # its overloads name each task
    pipe = pipeline(PIPELINES[kind], str(folder), device="cpu")
    if kind == "token-classification":
        each = zip(texts, pipe(texts, aggregation_strategy="first"), strict=True)
        return [
            [[e["entity_group"], text[e["start"] : e["end"]]] for e in found]
            for text, found in each
        ]
    if kind == "masked-lm":
        return [[found[0]["token_str"], found[0]["score"]] for found in pipe(texts)]
    if kind == "causal-lm":
        said = pipe(texts, return_full_text=False)
        return [found["generated_text"].strip() for (found,) in said]
    return [{e["label"]: e["score"] for e in found} for found in pipe(texts, top_k=None)]


def _probabilities(folder: Path, value: dict[str, Any]) -> list[float]:
    """Of each choice, which is the second text of a pair."""
    from transformers import AutoModelForMultipleChoice, AutoTokenizer

    firsts = [value["text"]] * len(value["choices"])
    pairs = AutoTokenizer.from_pretrained(folder)(
        firsts, value["choices"], padding=True, return_tensors="pt"
    )
    model = AutoModelForMultipleChoice.from_pretrained(folder)
    logits = model(**{name: each[None] for name, each in pairs.items()}).logits
    return list(logits[0].softmax(-1).tolist())


def _best_span(folder: Path, value: dict[str, Any]) -> list[Any]:
    """How much likelier an answer is than none, and its text, of a context in one window."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    bundle = json.loads((folder.parent / "bundle.json").read_text())
    given = AutoTokenizer.from_pretrained(folder)(
        value["question"], value["context"], return_offsets_mapping=True, return_tensors="pt"
    )
    characters = given.pop("offset_mapping")[0].tolist()
    assert len(characters) <= bundle["max_length"]
    places = [place for place, text in enumerate(given.sequence_ids(0)) if text == 1]
    found = AutoModelForQuestionAnswering.from_pretrained(folder)(**given)
    start, end = found.start_logits[0].tolist(), found.end_logits[0].tolist()
    longest = bundle["task"]["max_answer_tokens"]
    spans = ((i, j) for i in places for j in places if i <= j < i + longest)
    score, i, j = max((start[i] + end[j], i, j) for i, j in spans)
    score -= start[0] + end[0]
    answer = value["context"][characters[i][0] : characters[j][1]]
    return [score, answer if score >= bundle["decision"]["null_threshold"] else None]


def reduced(kind: str, answer: dict[str, Any]) -> Any:
    """Of an answer of ours what these say, too."""
    if kind == "sentence-embedding":
        return answer["embedding"]
    if kind == "token-classification":
        return [[entity["label"], entity["text"]] for entity in answer["entities"]]
    if kind == "masked-lm":
        ((fill,),) = answer["fills"]
        return [fill["token"], fill["score"]]
    if kind == "causal-lm":
        return answer["continuation"].strip()
    if kind == "question-answering":
        return [answer["score"], answer["answer"]]
    return answer.get("probabilities", answer)
