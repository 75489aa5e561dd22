"""The split of a row depends on the row alone."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bertspec.runtime.splitting import split_of

_KEYS = st.lists(st.text(max_size=10), min_size=1, max_size=2).map(tuple)
_SHARE = st.floats(0, 0.49)


@given(_KEYS, _SHARE, _SHARE, st.text(max_size=3))
def test_the_same_row_is_always_in_the_same_split(
    key: tuple[str, ...], validation: float, test: float, salt: str
) -> None:
    assert split_of(key, validation, test, salt) == split_of(key, validation, test, salt)


@given(_KEYS, _SHARE, _SHARE, _SHARE)
def test_a_larger_test_share_takes_rows_and_gives_none_back(
    key: tuple[str, ...], validation: float, test: float, more: float
) -> None:
    if split_of(key, validation, test, "") == "test":
        assert split_of(key, validation, min(test + more, 0.99), "") == "test"


def test_shares_are_what_they_say() -> None:
    count = 20_000
    splits = Counter(split_of((f"row {i}",), 0.1, 0.2, "") for i in range(count))
    # Three standard deviations of a binomial share.
    assert abs(splits["test"] / count - 0.2) < 3 * (0.2 * 0.8 / count) ** 0.5
    assert abs(splits["validation"] / count - 0.1) < 3 * (0.1 * 0.9 / count) ** 0.5


def test_another_salt_is_another_split() -> None:
    rows = [(f"row {i}",) for i in range(200)]
    assert [split_of(r, 0.1, 0.2, "") for r in rows] != [split_of(r, 0.1, 0.2, "x") for r in rows]
