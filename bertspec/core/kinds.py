"""A table of the kinds that a spec can name: one line each, imported on use."""

from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Generic, TypeVar, Union

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_plain_validator_function, tagged_union_schema

from bertspec.core.model import Model

T = TypeVar("T", bound=Model)


class Kinds(Mapping[str, type[T]], Generic[T]):
    """`type` in a spec -> the model of its options, which is also its behaviour.

    `table` maps each name to `module:class`, the module being relative to `package`.

    As the annotation of a field it is the union of all kinds, told apart by `type`; but only the
    kinds of the values that are read are imported, as a spec has one of many.
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

    # Annotations are hashed and compared; as a mapping does it, all kinds would be imported.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def without(self, name: str) -> "Kinds[T]":
        """The table without one kind."""
        return Kinds(self._package, {n: of for n, of in self._table.items() if n != name})

    @property
    def __args__(self) -> tuple[type[T], ...]:
        """All kinds, as a union has them."""
        return tuple(self.values())

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        reads: dict[Any, CoreSchema] = {
            n: no_info_plain_validator_function(partial(self._read, n)) for n in self
        }
        return tagged_union_schema(reads, discriminator="type")

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        union: Any = Annotated[Union[self.__args__], Field(discriminator="type")]  # noqa: UP007
        return handler(TypeAdapter(union).core_schema)

    def _read(self, name: str, value: Any) -> T:
        return self[name].model_validate(value)
