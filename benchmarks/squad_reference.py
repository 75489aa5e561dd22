"""SQuAD as transformers' run_qa.py reads and answers it, and SQuAD 2.0's evaluation script.

Written out here, since neither is part of a package: `prepare_train_features` and
`postprocess_qa_predictions` (transformers, examples/pytorch/question-answering), and
evaluate-v2.0.py (Rajpurkar et al., 2018).
"""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

N_BEST, LONGEST = 20, 30

Row = Mapping[str, Any]


def features_of(
    tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row], max_length: int, stride: int
) -> list[dict[str, Any]]:
    """Windows of all rows: model inputs, positions of the first answer, and their places in text.

    An answer is learned in every window that has all of it; in the others [CLS] is the answer.
    """
    encoded = tokenizer(
        [row["question"].lstrip() for row in rows], [row["context"] for row in rows],
        truncation="only_second", max_length=max_length, stride=stride,
        return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True,
    )  # fmt: skip
    features = []
    for i, sample in enumerate(encoded["overflow_to_sample_mapping"]):
        kinds = encoded.sequence_ids(i)
        places = zip(encoded["offset_mapping"][i], kinds, strict=True)
        offsets = [place if kind == 1 else None for place, kind in places]
        start, end = _position(offsets, rows[sample]["answers"])
        features.append(
            {"input_ids": encoded["input_ids"][i], "token_type_ids": encoded["token_type_ids"][i],
             "start_positions": start, "end_positions": end, "row": sample, "offsets": offsets}
        )  # fmt: skip
    return features


def _position(offsets: Sequence[tuple[int, int] | None], answers: Row) -> tuple[int, int]:
    if not answers["text"]:
        return 0, 0
    start = answers["answer_start"][0]
    end = start + len(answers["text"][0])
    places = [i for i, o in enumerate(offsets) if o is not None]
    borders = {i: o for i, o in enumerate(offsets) if o is not None}
    first, last = places[0], places[-1]
    if not (borders[first][0] <= start and borders[last][1] >= end):
        return 0, 0
    while first < len(offsets) and first in borders and borders[first][0] <= start:
        first += 1
    while last in borders and borders[last][1] >= end:
        last -= 1
    return first - 1, last + 1


def postprocess(
    rows: Sequence[Row], features: Sequence[Row], starts: np.ndarray, ends: np.ndarray
) -> tuple[list[str], list[str]]:
    """The answer of each row, or "" where no answer has a larger score than the best one; and
    the best one in any case.
    """
    by_row: list[list[int]] = [[] for _ in rows]
    for i, feature in enumerate(features):
        by_row[feature["row"]].append(i)
    answers, always = [], []
    for row, own in zip(rows, by_row, strict=True):
        null = min(float(starts[i][0] + ends[i][0]) for i in own)
        best, answer = -np.inf, ""
        for i in own:
            offsets = features[i]["offsets"]
            for start in np.argsort(starts[i])[-1 : -N_BEST - 1 : -1].tolist():
                for end in np.argsort(ends[i])[-1 : -N_BEST - 1 : -1].tolist():
                    if max(start, end) >= len(offsets) or None in (offsets[start], offsets[end]):
                        continue
                    if not start <= end < start + LONGEST:
                        continue
                    score = float(starts[i][start] + ends[i][end])
                    if score > best:
                        best = score
                        answer = row["context"][offsets[start][0] : offsets[end][1]]
        answers.append("" if null > best else answer)
        always.append(answer)
    return answers, always


def squad_scores(answers: Sequence[str], gold: Sequence[Sequence[str]]) -> dict[str, float]:
    """Exact match and F1, and those of rows with an answer and without, as shares of 1."""
    pairs = [(texts or [""], answer) for texts, answer in zip(gold, answers, strict=True)]
    exact = np.array([any(_words(g) == _words(a) for g in texts) for texts, a in pairs])
    f1 = np.array([max(_f1(g, a) for g in texts) for texts, a in pairs])
    has_answer = np.array([bool(texts) for texts in gold])
    return {
        "f1": float(f1.mean()),
        "exact_match": float(exact.mean()),
        "f1_answerable": float(f1[has_answer].mean()),
        "exact_match_unanswerable": float(exact[~has_answer].mean()),
    }


def _words(answer: str) -> list[str]:
    text = "".join(c for c in answer.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def _f1(gold: str, answer: str) -> float:
    right, said = _words(gold), _words(answer)
    if not right or not said:
        return float(right == said)
    same = sum((Counter(right) & Counter(said)).values())
    return 2 * same / (len(right) + len(said))
