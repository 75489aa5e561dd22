"""YAML 1.2 core schema on PyYAML's parser: `no` is a string, `3e-5` a number, keys are unique."""

import re
from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_Loader):  # type: ignore[misc, valid-type]
    """libyaml's parser and composer without PyYAML's YAML 1.1 guesses at types."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute


_NULL = re.compile(r"^(null|Null|NULL|~|)$")
_TRUE = re.compile(r"^(true|True|TRUE)$")
_FALSE = re.compile(r"^(false|False|FALSE)$")
_INT = re.compile(r"^[-+]?[0-9]+$")
_OCTAL = re.compile(r"^0o[0-7]+$")
_HEX = re.compile(r"^0x[0-9a-fA-F]+$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_INFINITY = re.compile(r"^[-+]?\.(inf|Inf|INF)$")
_NAN = re.compile(r"^\.(nan|NaN|NAN)$")
_WITH_UNDERSCORE = re.compile(r"^[-+.0-9][-+.0-9a-fA-FoxX]*_[-+.0-9a-fA-FoxX_]*$")
"""May be a number to ruamel.yaml, with which DVC reads: `._5` is 0.5 there."""


MAX_DEPTH = 100
"""Bound on nesting. libyaml's composer recurses in C, and ends the process some thousands deep."""

MAX_DIGITS = 1000
"""Bound on integers. Python refuses to print one of more than 4,300 digits."""


def resolve(text: str) -> Any:
    """The value of a plain scalar (YAML 1.2.2, section 10.3.2).

    Raises yaml.YAMLError for an integer of more than MAX_DIGITS.
    """
    if _NULL.match(text):
        return None
    if _TRUE.match(text):
        return True
    if _FALSE.match(text):
        return False
    if _INT.match(text) or _OCTAL.match(text) or _HEX.match(text):
        if len(text) > MAX_DIGITS:
            raise yaml.YAMLError(f"a whole number of more than {MAX_DIGITS} digits")
        return int(text, 10 if _INT.match(text) else 0)
    if _FLOAT.match(text):
        return float(text)
    if _INFINITY.match(text):
        return float("-inf" if text.startswith("-") else "inf")
    if _NAN.match(text):
        return float("nan")
    return text


def compose(text: str) -> yaml.Node | None:
    """The node tree of the one document in `text`. Raises yaml.YAMLError."""
    _check_depth(text)
    node: yaml.Node | None = yaml.compose(text, Loader=Loader)
    return node


_BEFORE_CONTENT = re.compile(r"(?:^|[\n\r\x85\u2028\u2029])[\ufeff \t?:-]*")


def _may_be_deep(text: str) -> bool:
    """Whether MAX_DEPTH can be exceeded at all, without parsing.

    A block inside of another one begins further right, but for a list right below its key, and
    nothing but marks of blocks and a byte-order mark stands before it. A flow collection has its
    bracket, and `[a: b]` holds a mapping that has none.
    """
    most = max((match.end() - match.start() for match in _BEFORE_CONTENT.finditer(text)), default=0)
    return 2 * (most + 2) + 2 * text.count("[") + text.count("{") > MAX_DEPTH


def _check_depth(text: str) -> None:
    if not _may_be_deep(text):
        return
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"nested more than {MAX_DEPTH} deep",
                problem_mark=event.start_mark,  # type: ignore[arg-type] # libyaml's own class
            )


def is_plain(node: yaml.Node) -> bool:
    """Whether a node is a scalar without quotes and block marks, so that its text has a type."""
    return isinstance(node, yaml.ScalarNode) and not node.style


def load_plain(text: str) -> Any:
    """A document as dicts, lists and scalars, for files that bertspec or DVC wrote.

    Raises yaml.YAMLError. For what people write, `bertspec.spec.document` keeps positions.
    """

    def value(node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {value(key): value(item) for key, item in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [value(item) for item in node.value]
        return resolve(node.value) if is_plain(node) else node.value

    node = compose(text)
    try:
        return None if node is None else value(node)
    except RecursionError:
        raise yaml.YAMLError("aliases make this document endless") from None


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes a string that YAML 1.1 or 1.2 would read as anything else."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _OCTAL, ["0"])
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _WITH_UNDERSCORE, list("-+.0123456789"))


def dump(value: Any) -> str:
    """Block-style YAML, keys in the order given, equal on every machine."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20)
    return text


def dump_inline(value: Any) -> str:
    """`value` within a line, as it may stand in a list in brackets, too."""
    text: str = yaml.dump(
        [value], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20,
        default_flow_style=True,
    )  # fmt: skip
    return text.strip()[1:-1]
