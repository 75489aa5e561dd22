"""The base of every model of the language: frozen, closed, finite; and what a field affects."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import to_jsonable_python


class Model(BaseModel):
    """A frozen pydantic model that refuses unknown keys, coercion, NaN and infinity."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=False,
        protected_namespaces=(),
    )

    @model_serializer(mode="wrap")
    def _canonical(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Free keys sorted; a field that a later version added left out while at its default.

        Otherwise an upgrade of bertspec, which adds a key to params.yaml, would rebuild everything.
        """
        values = cast("dict[str, Any]", handler(self))
        for name, value in self.__dict__.items():
            # The order of free keys means nothing.
            if isinstance(value, dict) and name in values:
                values[name] = dict(sorted(values[name].items()))
        for name, default in _added_later(type(self)):
            if getattr(self, name) == default:
                values.pop(name, None)
        return values

    def as_read_by(self, stage: str) -> dict[str, Any]:
        """The values without those that change nothing in a stage of this kind.

        A field says which stages it changes, see `affecting`; one that does not changes all.
        """
        dumped = self.model_dump(mode="json")
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if stage not in extra(field).get("affects", (stage,)):
                dumped.pop(name, None)
            elif isinstance(value, Model) and name in dumped:
                dumped[name] = value.as_read_by(stage)
        return dumped


@cache
def _added_later(model: type[Model]) -> Sequence[tuple[str, Any]]:
    """Fields of later versions of the language, and their defaults."""
    fields = model.model_fields.items()
    later = [(name, field) for name, field in fields if extra(field).get("since", 1) > 1]
    return [(name, field.get_default(call_default_factory=True)) for name, field in later]


def affecting(*stages: str, description: str, since: int = 1, **options: Any) -> Any:
    """A field with the kinds of stage whose result it changes; the fields below it inherit that.

    `since` is the version of the language that added it.
    """
    about: dict[str, Any] = {"affects": list(stages)} | ({"since": since} if since > 1 else {})
    return Field(description=description, json_schema_extra=about, **options)


def extra(field: Any) -> dict[str, Any]:
    """What a field declares beside its type: `affects` (kinds of stage) and `since` (version)."""
    declared = field.json_schema_extra
    return declared if isinstance(declared, dict) else {}


def submodels(annotation: Any) -> Iterator[type[Model]]:
    """Every model in an annotation: through unions, tuples, lists, mappings and `Annotated`."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
        return
    for argument in getattr(annotation, "__args__", ()):
        yield from submodels(argument)


def either_text_or_mapping() -> Discriminator:
    """Tell a union's members, tagged `text` and `mapping`, apart by the shape of the value.

    With it an error is reported for the member that the user meant, not for both.
    """
    return Discriminator(lambda value: "text" if isinstance(value, str) else "mapping")


def either_text_or_list() -> Discriminator:
    """As `either_text_or_mapping`, for members tagged `text` and `list`."""
    return Discriminator(lambda value: "text" if isinstance(value, str) else "list")


def either_text_or_number() -> Discriminator:
    """As `either_text_or_mapping`, for members tagged `text` and `number`."""
    return Discriminator(lambda value: "text" if isinstance(value, str) else "number")


def written_out(value: Any) -> Any:
    """A value as JSON has it, with every default, also those that params.yaml leaves out."""
    if isinstance(value, Model):
        return {name: written_out(inner) for name, inner in value}
    if isinstance(value, dict):
        return {key: written_out(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [written_out(inner) for inner in value]
    return to_jsonable_python(value)


def affected_by(value: Any, path: Sequence[str | int]) -> frozenset[str]:
    """Kinds of stage whose result a field changes, as it or the field around it declares."""
    found: frozenset[str] = frozenset()
    for part in path:
        if isinstance(value, Model) and part in type(value).model_fields:
            declared = extra(type(value).model_fields[str(part)])
            found = frozenset(declared.get("affects", found))
            value = getattr(value, str(part))
        elif isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, Sequence) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            break
    return found
