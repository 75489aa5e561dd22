"""The picture of a pipeline: no box lies on another, and lines go down."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertspec.ui.graph import HEIGHT, Drawing, lay_out


def _check(drawn: Drawing, before: dict[str, list[str]]) -> None:
    places = {box.name: box for box in drawn.boxes}
    assert set(places) == set(before)
    for box in drawn.boxes:
        assert 0 <= box.x <= box.x + box.width <= drawn.width
        assert 0 <= box.y <= box.y + HEIGHT <= drawn.height
    for one, other in combinations(drawn.boxes, 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or abs(one.y - other.y) >= HEIGHT, (one, other)
    for name, makers in before.items():
        assert all(places[maker].y + HEIGHT <= places[name].y for maker in makers)
    for route in drawn.routes:
        assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in route)
        assert [y for _, y in route] == sorted(y for _, y in route)


@given(st.data())
def test_any_pipeline_is_laid_out(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 14))
    names = [f"s{number}" for number in range(size)]
    before = {
        name: data.draw(st.lists(st.sampled_from(names[:index]), max_size=4)) if index else []
        for index, name in enumerate(names)
    }
    widths = {name: data.draw(st.integers(40, 200)) for name in names}
    drawn = lay_out(widths, before)
    _check(drawn, before)
    assert drawn == lay_out(widths, before), "it does not change from one time to the next"


@pytest.mark.parametrize("size", [1, 2, 150])
def test_few_and_many(size: int) -> None:
    names = [str(number) for number in range(size)]
    before = {n: [str(int(n) // 3)] if int(n) else [] for n in names}
    widths = dict.fromkeys(names, 90.0)
    _check(lay_out(widths, before), before)


def test_a_line_that_others_stand_for_is_left_out() -> None:
    before = {"a": [], "b": ["a"], "c": ["b", "a"], "d": ["a", "c"]}
    drawn = lay_out(dict.fromkeys(before, 50.0), before)
    assert len(drawn.routes) == 3
    assert len({route[0] for route in drawn.routes}) == 3


def test_what_is_apart_lies_side_by_side() -> None:
    before: dict[str, list[str]] = {"a": [], "b": ["a"], "c": []}
    drawn = lay_out(dict.fromkeys(before, 50.0), before)
    _check(drawn, before)
    a, c = ({box.name: box for box in drawn.boxes}[name] for name in "ac")
    assert a.y == c.y
    assert drawn.width == pytest.approx(50 + 18 + 50 + 2 * 6)
