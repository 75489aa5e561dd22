"""benchmarks/serve_load.py: figures of a server that answers otherwise than `predict` are none."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks/serve_load.py"
EXPECTED = {"label": "good", "probabilities": {"bad": 0.25, "good": 0.75}}


@pytest.mark.parametrize(
    ("answer", "fails"),
    [
        (EXPECTED, False),
        ({"label": "good", "probabilities": {"bad": 0.250_001, "good": 0.749_999}}, False),
        ({"label": "good", "probabilities": {"bad": 0.25, "good": 0.750_02}}, True),
        ({"label": "bad", "probabilities": EXPECTED["probabilities"]}, True),
    ],
)
def test_other_answers_than_those_of_predict_fail(answer: dict[str, Any], fails: bool) -> None:
    program = runpy.run_path(str(PROGRAM))
    loads = {name: program["Load"](times=[0.1, 0.2], rates=[5.0]) for name in program["RUNS"]}
    loads[program["MANY"]].answers += [(0, json.dumps(EXPECTED)), (1, json.dumps(answer))]
    if not fails:
        program["show"](loads, [EXPECTED, EXPECTED], 32)
        return
    with pytest.raises(SystemExit, match="32 at once: answers are not those of predict"):
        program["show"](loads, [EXPECTED, EXPECTED], 32)
