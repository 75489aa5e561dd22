"""A part of another tool's configuration: what is read is taken out, and the rest can be told."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from bertspec.importing.translation import cannot


class Section:
    """Keys and values. Each method that reads a key takes it out.

    A key that is not there, and null, give the default. Raises InputError (E242), naming the key,
    for a value of another type.
    """

    def __init__(self, values: Any, place: str = "") -> None:
        if not isinstance(values, Mapping | None):
            raise cannot(f"{place or 'the file'} is {_shown(values)}", "it has keys and values")
        self._values = {str(key): value for key, value in (values or {}).items()}
        self._parts: dict[str, Section] = {}
        self.place = place

    def at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def part(self, key: str, short: str = "") -> "Section":
        """The section below a key; what nobody takes out of it is among the `rest`, too.

        A text in its place is the value of `short`, where that is given.
        """
        if key not in self._parts:
            values = self._values.pop(key, None)
            values = {short: values} if short and isinstance(values, str) else values
            self._parts[key] = Section(values, self.at(key))
        return self._parts[key]

    def over(self, other: "Section") -> "Section":
        """This one, with what it lacks taken from the other."""
        self._values = {**{key: other.take(key) for key in other}, **self._values}
        return self

    def __iter__(self) -> Iterator[str]:
        """The keys that have not been taken."""
        return iter([*self._values])

    def take(self, key: str, default: Any = None) -> Any:
        value = self._values.pop(key, None)
        return default if value is None else value

    def peek(self, key: str) -> Any:
        """What stands there, which is not taken out."""
        return self._values.get(key)

    def drop(self, *keys: str) -> None:
        """Leave out keys that need no word."""
        for key in keys:
            self._values.pop(key, None)

    def says(self, key: str, value: object) -> bool:
        """Whether a key has this very value, which is then taken out."""
        is_so: bool = self._values.get(key) == value
        if is_so:
            self.drop(key)
        return is_so

    def number(self, key: str, default: float, least: float = 0.0) -> float:
        """A finite number that is not below `least`."""
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise cannot(f"{self.at(key)}: {_shown(value)} is no number", "put it right")
        if not math.isfinite(value) or value < least:
            raise cannot(f"{self.at(key)}: {value} is out of range", f"{least} is the least")
        return value

    def whole(self, key: str, default: int, least: int = 0) -> int:
        value = self.number(key, default, least)
        if value != int(value):
            raise cannot(f"{self.at(key)}: {value} is no whole number", "put it right")
        return int(value)

    def text(self, key: str, default: str = "") -> str:
        value = self.take(key, default)
        if not isinstance(value, str):
            raise cannot(f"{self.at(key)}: {_shown(value)} is no text", "put it right")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise cannot(f"{self.at(key)}: {_shown(value)} is not true or false", "put it right")
        return value

    def numbers(self, key: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """A list of as many numbers as the default has, none below 0."""
        found = self.take(key, default)
        if not isinstance(found, list | tuple) or len(found) != len(default):
            raise cannot(
                f"{self.at(key)}: {_shown(found)} is no list of {len(default)} numbers",
                "put it right",
            )
        each = Section({str(i): value for i, value in enumerate(found)}, self.at(key))
        return tuple(each.number(str(i), math.nan) for i in range(len(found)))

    def rest(self) -> list[str]:
        """What was not taken, sorted; a section of which nothing was taken, as one."""
        own = [self.at(key) for key, value in self._values.items() if value not in (None, {}, [])]
        return sorted([*own, *(name for part in self._parts.values() for name in part.rest())])


def _shown(value: Any) -> str:
    from bertspec.core.terminal import one_line, shortened

    return f"`{one_line(shortened(str(value)))}`"
