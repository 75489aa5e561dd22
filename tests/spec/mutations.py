"""Specs for fuzzing: good ones with all that the language has, and what mutation makes of them."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.compiler import test_checks as rules
from tests.compiler import test_compile as fields
from tests.tasks.cases import case_of
from tests.test_tables import OPTIONS

Place = tuple[str | int, ...]

_SECTIONS = {"sources": "data.source", "bases": "model.base", "tasks": "task"}

CHANGES = [
    *(change[1] if isinstance(change[1], tuple) else change for change in fields.CHANGES.items()),
    *(
        (_SECTIONS.get(table, "export"), kind if table in _SECTIONS else [kind])
        for (table, name), options in OPTIONS.items()
        for kind in ({"type": name, **options},)
    ),
]
"""A value for every field and every kind: the dotted path, and the value."""


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The tiny spec with these changes, each where it can still be made."""
    spec = fields.full_spec()
    for path, value in changes:
        try:
            fields.set_field(spec, path, fields._copy(value))
        except (TypeError, AttributeError, KeyError, IndexError):  # another change is in the way
            continue
    return spec


def specs() -> Iterator[dict[str, Any]]:
    """Specs in which every field, rule, task and kind is; not all of them are valid."""
    yield from (changed(change) for change in CHANGES)
    yield from (rules._with(changes) for changes in rules.GOOD)
    yield from (rules._with(changes) for _, _, changes in rules.BROKEN)
    for table, kind in OPTIONS:
        if table == "tasks":
            case = case_of(kind)
            yield rules._with(
                {
                    "task": case.task,
                    "data.columns": case.columns,
                    "evaluation.metrics": [*case.metrics],
                    "evaluation.require": case.metrics,
                }
            )


SEEDS = [*specs()]

_DEEP: Any = "x"
for _ in range(120):
    _DEEP = [_DEEP]

JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 2, 7, 2**63, -(2**70), 10**1001, 0.5, -0.0, 1e308, 1e-320,
    "", " ", "no", "null", "~", "x" * 5000, "../x", "/etc/passwd", "a\nb", "\u202e", "\x00",
    "\x1b[2J", "${x}", "*", "[", "(?=a)", "(" * 500, "\u00e9", "\U0001f600", "\ufeff", "\u2028",
    "1" * 5000, "1e999", "https://u:p@h/x?token=1", ">= 0.5", "100%", "2024-01-01", "2024-13-41",
    "latin-1", "auto", "spec", [], {}, [[]], [None], {"type": "x"}, {"type": None}, {"": 1},
    {"type": ["csv"]}, _DEEP, float("nan"), float("inf"),
]  # fmt: skip

TOKENS = [
    b"\t", b"- ", b": ", b":", b"{", b"}", b"[", b"]", b", ", b"&a ", b"*a", b"!!python/object ",
    b"! ", b"#", b"'", b'"', b"|\n", b">", b"? ", b"---\n", b"...\n", b"%YAML 1.1\n", b"\x00",
    b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"<<: *a\n", b"0x", b"1e999", b"\r",
    b"\n", b" ", b"\\", b"\x85", b"@",
]  # fmt: skip


_HOW_MANY = (1, 1, 1, 2, 2, 3, 4)
"""Few, so that what is left is often good enough for the rules across fields."""


def mutated(spec: dict[str, Any], random: Random) -> Any:
    """A copy of a spec in which one to four values are others, elsewhere, or gone."""
    holder: dict[str, Any] = {"": _copy(spec)}
    for _ in range(random.choice(_HOW_MANY)):
        places = [p for p in _places(holder, ()) if len(p) > 1]
        if not places:
            break
        _mutate(holder, random.choice(places), random)
    return holder[""]


def _mutate(holder: dict[str, Any], place: Place, random: Random) -> None:
    parent = _at(holder, place[:-1])
    last, value = place[-1], _at(holder, place)
    match random.randrange(7):
        case 0:
            del parent[last]
        case 1:
            parent[last] = _copy(random.choice(JUNK))
        case 2:
            other = random.choice(SEEDS)
            parent[last] = _copy(_at(other, random.choice([*_places(other, ())])))
        case 3 if isinstance(parent, dict):
            other = random.choice(SEEDS)
            words = [p[-1] for p in _places(other, ()) if p and isinstance(p[-1], str)]
            parent[random.choice([*words, f"{last}s", "", "<<", "type", "\n"])] = parent.pop(last)
        case 4:
            parent[last] = random.choice([[value], {"type": value}, [value, value], str(value)])
        case 5 if isinstance(value, str) and value:
            at = random.randrange(len(value))
            instead = random.choice(["", "x", "-", " ", "\u00e9"])
            parent[last] = value[:at] + instead + value[at + 1 :]
        case _ if isinstance(value, int | float) and not isinstance(value, bool):
            parent[last] = random.choice([-value, value + 0.5, value * 10**6, value + 1, 0])
        case _ if isinstance(parent, list):
            parent.append(_copy(value))
        case _:
            parent[f"{last}_"] = _copy(value)


def mangled(text: bytes, random: Random) -> bytes:
    """A text in which one to four places are other ones."""
    for _ in range(random.choice(_HOW_MANY)):
        start = random.randint(0, len(text))
        stop = min(len(text), start + random.choice([0, 1, 1, 2, 30]))
        ascii_, any_ = bytes([random.randrange(32, 127)]), bytes([random.randrange(256)])
        instead = random.choice([b"", random.choice(TOKENS), text[start:stop] * 2, ascii_, any_])
        text = text[:start] + instead + text[stop:]
    return text


def _places(value: Any, place: Place) -> Iterator[Place]:
    yield place
    if len(place) > 12 or not isinstance(value, dict | list):
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield from _places(item, (*place, key))


def _at(value: Any, place: Place) -> Any:
    for part in place:
        value = value[part]
    return value


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
