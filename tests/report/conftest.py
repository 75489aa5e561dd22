"""Equal charts are drawn once: most tests here render pages that differ in something else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import vl_convert


@pytest.fixture(autouse=True, scope="package")
def drawn_once() -> Iterator[None]:
    drawn: dict[str, str] = {}
    draw = vl_convert.vegalite_to_svg

    def cached(spec: Any, **options: Any) -> str:
        key = json.dumps([spec, options])
        if key not in drawn:
            drawn[key] = draw(spec, **options)
        return drawn[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "vegalite_to_svg", cached)
        yield
