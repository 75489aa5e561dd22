"""Values of rows to predict, as `bertspec predict` takes them out of text."""

import pytest

from bertspec.runtime.predicting.stream import as_list


@pytest.mark.parametrize(
    ("text", "choices", "words"),
    [
        ('["take a coat", "fly"]', ["take a coat", "fly"], ["take a coat", "fly"]),
        (' ["a"]', ["a"], ["a"]),
        ("[]", [], []),
        ("take a coat", "take a coat", ["take", "a", "coat"]),
        ("", "", []),
        ("['take a coat', 'fly']", None, None),
        ('["a b", 1]', None, None),
        ('["take a coat", "fly"', None, None),
        ("[" * 100_000, None, None),
        ("[1] a coat", None, None),
    ],
)
def test_no_text_is_split_into_choices_nor_what_was_meant_for_a_list(
    text: str, choices: list[str] | str | None, words: list[str] | None
) -> None:
    """None is for a text that stays itself, which is an error where a list is wanted."""
    assert as_list(text, split=False) == (text if choices is None else choices)
    assert as_list(text, split=True) == (text if words is None else words)
