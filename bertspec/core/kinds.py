"""A table of the kinds that a spec can name: one line each, imported on use."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any, Generic, TypeVar, Union

from pydantic import Field

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
