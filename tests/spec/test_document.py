"""Reading files: values by YAML 1.2, positions of everything, clear errors for bad form."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bertspec.core.diagnostics import Position
from bertspec.core.errors import InputError
from bertspec.core.yaml import compose, dump, load_plain
from bertspec.spec.document import _of_disk, _of_editor, read_document
from bertspec.spec.unsaved import unsaved


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
        ("a: 1\nbé: x\0y\n", "E001", 2, 6),
        ("a: 1\nb: \x7f\n", "E001", 2, 4),
        (f"a: 1\nb: {'9' * 5000}\n", "E015", 2, 4),
        (f"a: 1\nb: 0x{'f' * 5000}\n", "E015", 2, 4),
        (f"a: 1\nb: {'[' * 2000}{']' * 2000}\n", "E001", 2, 103),
        ("a: " + "[" * 200_000, "E001", 1, 103),
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


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a: 1\n\tb: 2\n", "a:\n  \tb: 1\n"])
def test_a_tab_is_told_to_be_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text)
    assert caught.value.diagnostics[0].help == "indent with spaces, not with tabs"


@pytest.mark.parametrize("text", ["a: \0\n", "a: \x7f\n", "a: unacceptable: b: c\n"])
def test_what_is_no_tab_is_not_told_to_be_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text)
    assert "tab" not in caught.value.diagnostics[0].help


@pytest.mark.parametrize(
    ("text", "code"),
    [(f'{{"a": {"9" * 5000}}}', "E015"), (f'{{"a": {"[" * 2000}{"]" * 2000}}}', "E001"),
     (f'{{"a": {"[" * 200}{"]" * 200}}}', "E001")],
)  # fmt: skip
def test_what_no_json_spec_needs_is_refused(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text, "a.json")
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert "YAML" not in found.message


@pytest.mark.parametrize("deep", [
    *(end.join(" " * i + "a:" for i in range(5000)) for end in ("\n", "\r", "\x85", "\u2028")),
    "- " * 5000 + "x",
    "x:\n\ufeff" + "- " * 5000 + "x",
    "a: " + "[" * 5000,
    "[a: " * 60,
    "? " * 5000 + "x",
])  # fmt: skip
def test_deep_nesting_is_refused_before_it_ends_the_process(deep: str) -> None:
    """Libyaml recurses in C."""
    with pytest.raises(yaml.YAMLError, match="nested more than 100 deep"):
        compose(deep)


def test_aliases_inside_each_other_are_refused_before_the_stack_is_full(tmp_path: Path) -> None:
    deep = [f"a{i}: &a{i} {'[' * 90}{'x' if i == 0 else f'*a{i - 1}'}{']' * 90}" for i in range(20)]
    with pytest.raises(InputError) as caught:
        _read(tmp_path, "\n".join(deep))
    assert caught.value.diagnostics[0].code == "E003"


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
    assert found.position == Position("a.yaml", 2, 7, 1, "b: caf\ufffd")


def test_a_byte_order_mark_counts_in_an_offset_and_in_no_column(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, b"\xef\xbb\xbfa: \xe9 x\r\n")
    (found,) = caught.value.diagnostics
    assert "0xe9 at offset 6" in found.message
    assert found.position == Position("a.yaml", 1, 4, 1, "a: \ufffd x")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    document = _read(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: x\r\n")
    assert document.value == {"a": 1, "b": "x"}  # type: ignore[attr-defined]


def test_few_of_the_texts_that_an_editor_types_are_kept(tmp_path: Path) -> None:
    """Each is another one, of up to 1 MiB and many marks."""
    file = tmp_path / "a.yaml"
    on_disk, most = _of_disk.cache_info().currsize, _of_editor.cache_info().maxsize
    for number in range(20):
        with unsaved({file.resolve(): f"a: {number}"}):
            assert read_document(file, "a.yaml").value == {"a": number}
    assert _of_disk.cache_info().currsize == on_disk
    assert most is not None
    assert most <= 16


def test_json_with_tabs_and_surrogate_pairs_is_read_as_json_reads_it(tmp_path: Path) -> None:
    text = '{\n\t"a": "\\ud83d\\ude00 \\/\x7f",\n\t"b": {"c": 1e3}\n}'
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


@pytest.mark.parametrize(
    "text", ["._", "._5", "-_", "+._1e+5", "1_e5", "0_8", "0o_", "0x_", "0b_", "1_000", "1_0.5_0"]
)
def test_a_text_that_dvcs_yaml_takes_for_a_number_is_quoted(text: str) -> None:
    dumped = dump({text: text})
    assert YAML(typ="safe").load(dumped) == load_plain(dumped) == {text: text}
