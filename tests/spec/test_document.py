"""Reading files: values by YAML 1.2, positions of everything, clear errors for bad form."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bertspec.core.errors import InputError
from bertspec.core.yaml import dump, load_plain
from bertspec.spec.document import read_document


def _read(tmp_path: Path, text: str | bytes, name: str = "a.yaml") -> object:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_document(path, name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("1:30", "1:30"),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("3e-5", 3e-5), ("5e5", 5e5), (".5", 0.5), ("1.", 1.0), ("-7", -7), ("0o17", 15),
        ("0x1F", 31), ("007", 7), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"),
        ("'3'", "3"), ('"true"', "true"), ("'~'", "~"),
    ],
)  # fmt: skip
def test_plain_scalars_follow_the_yaml_1_2_core_schema(
    tmp_path: Path, text: str, value: object
) -> None:
    document = _read(tmp_path, f"key: {text}\n")
    assert document.value == {"key": value}  # type: ignore[attr-defined]
    assert type(document.value["key"]) is type(value)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: [1, 2\nb: 3\n", "E001", 2, 2),
        ("a:\n\tb: 1\n", "E001", 2, 1),
        ("a: 1\nb: 2\na: 3\n", "E002", 3, 1),
        ("a: &x [*x]\n", "E003", 1, 4),
        ("- a\n", "E004", 1, 1),
        ("", "E004", 1, 1),
        ("? [a]\n: 1\n", "E004", 1, 3),
        ("a: !!python/name:os.system x\n", "E005", 1, 4),
        ("a: !!str 5\n", "E005", 1, 4),
    ],
)
def test_bad_form_is_told_with_its_place(
    tmp_path: Path, text: str, code: str, line: int, column: int
) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert found.position is not None
    assert (found.position.line, found.position.column) == (line, column)


def test_many_aliases_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(InputError) as caught:
        _read(tmp_path, "\n".join(levels))
    assert caught.value.diagnostics[0].code == "E003"


def test_a_byte_that_is_not_utf8_is_told_with_its_offset(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, b"a: 1\nb: caf\xe9\n")
    (found,) = caught.value.diagnostics
    assert found.code == "E006"
    assert "0xe9 at offset 11" in found.message
    assert found.position is not None
    assert found.position.line == 2


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    document = _read(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: x\r\n")
    assert document.value == {"a": 1, "b": "x"}  # type: ignore[attr-defined]


def test_json_with_tabs_and_surrogate_pairs_is_read_as_json_reads_it(tmp_path: Path) -> None:
    text = '{\n\t"a": "\\ud83d\\ude00 \\/",\n\t"b": {"c": 1e3}\n}'
    document = _read(tmp_path, text, "a.json")
    assert document.value == json.loads(text)  # type: ignore[attr-defined]
    assert document.position(("b", "c")).line == 3  # type: ignore[attr-defined]


_SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _VALUES, max_size=4))
def test_what_is_dumped_is_read_alike_by_us_and_by_dvcs_yaml(value: dict[str, object]) -> None:
    text = dump(value)
    assert load_plain(text) == value
    # DVC reads params.yaml with ruamel.yaml. It takes NEL and the like for spaces inside quotes.
    if not any(c in text for c in "\x85\u2028\u2029"):
        assert (YAML(typ="safe").load(text) or {}) == value
