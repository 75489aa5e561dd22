"""Tables of the server beside the language that they are about."""

from itertools import product

import pytest

from bertspec.lsp.names import ANY, KEY, NAMES
from bertspec.spec.places import wanted_at
from bertspec.spec.sections import Spec


@pytest.mark.parametrize("pattern", NAMES, ids=lambda p: ".".join(map(str, p)))
def test_names_are_offered_where_the_language_has_a_place_for_them(
    pattern: tuple[str | int, ...],
) -> None:
    is_key = pattern[-1] == KEY
    path = pattern[:-1] if is_key else pattern
    # What ANY stands for is an index, a free key, or a key of the language.
    options = [(0, "text") if part == ANY else (part,) for part in path]
    found = [wanted for place in product(*options) for wanted in wanted_at(Spec, place, {})]
    assert any(True for w in found for _ in w.free_keys()) if is_key else found
