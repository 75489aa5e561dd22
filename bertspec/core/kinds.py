"""A table of the kinds that a spec can name: one line each, imported on use."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any, Generic, TypeVar, Union

from pydantic import Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from bertspec.core.model import Model

T = TypeVar("T", bound=Model)


class Kinds(Mapping[str, type[T]], Generic[T]):
    """`type` in a spec -> the model of its options, which is also its behaviour.

    `table` maps each name to `module:class`, the module being relative to `package`.
    """

    def __init__(self, package: str, table: Mapping[str, str]) -> None:
        self._package = package
        self._table = dict(table)

    def __getitem__(self, name: str) -> type[T]:
        module, _, attribute = self._table[name].partition(":")
        kind: type[T] = getattr(import_module(f"{self._package}.{module}"), attribute)
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    @cached_property
    def annotation(self) -> Any:
        """The union of all kinds, told apart by `type`: what a field of a model is declared as."""
        members: Any = Union[tuple(self[name] for name in self)]  # noqa: UP007 - built from a table
        if len(self) == 1:  # a union of one is no union, and pydantic refuses a discriminator
            return members
        return Annotated[members, Field(discriminator="type")]

    @property
    def one(self) -> Any:
        """The same for who reads one value and needs no schema: no other kind is imported.

        An error in the value is the kind's own ValidationError, as the `error` of another one's
        context: see `flat_errors`.
        """
        return Annotated[Any, PlainValidator(self._named)]

    def _named(self, value: Any) -> Any:
        if isinstance(value, Model):
            return value
        name = value.get("type") if isinstance(value, dict) else None
        if name not in self._table:
            known = ", ".join(self)
            raise PydanticCustomError("kind", "`type` is none of: {known}", {"known": known})
        return self[str(name)].model_validate(value)


def flat_errors(error: ValidationError) -> Iterator[tuple[str, str]]:
    """The dotted path of each wrong value, through values of `Kinds.one`, and what is wrong."""
    for found in error.errors():
        path = ".".join(map(str, found["loc"]))
        inner = found.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):
            yield from ((f"{path}.{below}", message) for below, message in flat_errors(inner))
        else:
            yield path, found["msg"]
