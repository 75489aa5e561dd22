"""What may stand at a place of a document: fields, keys, kinds and words, from the models."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from bertspec.core.kinds import Kinds
from bertspec.core.model import Model, extra
from bertspec.spec.document import Path_
from bertspec.spec.reference import kinds_of

_FIRST = ("bertspec", "type")

Word = str | int | float | bool | None


@dataclass(frozen=True)
class Wanted:
    """One of the things that may stand at a place."""

    annotation: Any
    """Of the value, or of the item of a list or mapping in it."""
    model: type[Model] | None = None
    """The model whose field it is; None for a whole document."""
    name: str = ""
    field: FieldInfo | None = None
    affects: tuple[str, ...] = ()
    """Kinds of stage that run again when it changes."""

    def words(self) -> Iterator[Word]:
        """The values that can be listed."""
        for part in _parts(self.annotation):
            if get_origin(part) is Literal:
                yield from get_args(part)
            elif part is bool:
                yield from (True, False)
            elif part is NoneType:
                yield None

    def takes_text(self) -> bool:
        """Whether a text or a number can stand here."""
        return any(part in (str, int, float) for part in _parts(self.annotation))

    def numbers(self) -> frozenset[type]:
        """Which of int and float can stand here."""
        return frozenset(part for part in _parts(self.annotation) if part in (int, float))

    def models(self) -> Iterator[type[Model]]:
        """The models of mappings that may stand here."""
        for part in _parts(self.annotation):
            if isinstance(part, type) and issubclass(part, Model):
                yield part

    def items(self) -> Iterator["Wanted"]:
        """What may stand in a list here."""
        for part in _parts(self.annotation):
            if get_origin(part) in (tuple, list):
                yield self._with(get_args(part)[0])

    def values(self) -> Iterator["Wanted"]:
        """What may stand in a mapping of free keys here."""
        for part in _parts(self.annotation):
            if get_origin(part) is dict:
                yield self._with(get_args(part)[1])

    def free_keys(self) -> Iterator["Wanted"]:
        """The keys of such a mapping."""
        for part in _parts(self.annotation):
            if get_origin(part) is dict:
                yield self._with(get_args(part)[0])

    def below(self, model: type[Model]) -> Iterator["Wanted"]:
        """The fields of one of the models, in the order of the language.

        First comes what says how all else is read, wherever in its bases a model declares it.
        """
        for name, field in sorted(model.model_fields.items(), key=lambda f: f[0] not in _FIRST):
            affects = tuple(extra(field).get("affects", self.affects))
            yield Wanted(field.annotation, model, name, field, affects)

    def _with(self, annotation: Any) -> "Wanted":
        return Wanted(annotation, self.model, self.name, self.field, self.affects)


def wanted_at(model: type[Model], path: Path_, value: Any) -> tuple[Wanted, ...]:
    """What may stand at `path` of a document of this model that holds `value`, wrong or not.

    Of several kinds of a mapping it is the one that its `type` names, and all where it names none.
    """
    here: tuple[Wanted, ...] = (Wanted(model),)
    for part in path:
        if isinstance(part, int):
            here = tuple(item for wanted in here for item in wanted.items())
        else:
            fields = tuple(f for f in keys_at(here, value, part) if f.name == part)
            here = fields or tuple(item for wanted in here for item in wanted.values())
        value = _inside(value, part)
    return here


def keys_at(here: tuple[Wanted, ...], value: Any, key: str = "") -> Iterator[Wanted]:
    """The fields of the models here; the `type` of all of them where `key` is that."""
    told = value.get("type") if isinstance(value, dict) and key != "type" else None
    pairs = [(wanted, model) for wanted in here for model in wanted.models()]
    named = [(wanted, model) for wanted, model in pairs if told in kinds_of(model)]
    for wanted, model in named or pairs:
        yield from wanted.below(model)


def _inside(value: Any, part: str | int) -> Any:
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


def _parts(annotation: Any) -> Iterator[Any]:
    """The members of a union, and of what is `Annotated`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif origin in (Union, UnionType) or isinstance(annotation, Kinds):
        for argument in annotation.__args__:
            yield from _parts(argument)
    else:
        yield annotation
