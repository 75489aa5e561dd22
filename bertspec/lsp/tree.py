"""A document as far as it can be read: its words with their places, up to the first error."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from bertspec.core.yaml import MAX_DEPTH, Loader, resolve
from bertspec.spec.document import MAX_BYTES, MAX_NODES, Path_

_NO_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What libyaml refuses wherever it stands."""


@dataclass(frozen=True)
class Node:
    """A key, or a value that is a scalar."""

    path: Path_
    """Of the value, or of the value that the key is of."""
    is_key: bool
    text: str
    start: int
    end: int
    """Offsets in the text, quotes within them."""
    in_flow: bool
    """Whether it stands in braces or brackets."""


@dataclass
class Tree:
    """What was read."""

    value: Any = None
    nodes: list[Node] = field(default_factory=list)
    is_broken: bool = False
    """Whether something is behind the nodes that cannot be read."""

    def at(self, offset: int) -> Node | None:
        """The word around an offset, or just before it."""
        return next((n for n in self.nodes if n.start <= offset <= n.end and n.text), None)


@dataclass
class _Open:
    """A mapping or list that has begun."""

    path: Path_
    values: dict[str, Any] | list[Any]
    in_flow: bool
    is_key: bool
    key: str | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.values, dict) and self.key is None

    def place(self) -> Path_:
        """Of the value that comes next."""
        return (*self.path, len(self.values) if isinstance(self.values, list) else self.key or "")

    def take(self, value: Any) -> None:
        if isinstance(self.values, list):
            self.values.append(value)
        elif self.key is not None:
            self.values.setdefault(self.key, value)
            self.key = None


def read_tree(text: str, *, is_json: bool = False) -> Tree:
    """The document in `text`, which may break off or be wrong at any place."""
    tree = Tree()
    if len(text) > MAX_BYTES:
        return tree
    plain = _NO_TEXT.sub(" ", text)
    plain = plain.replace("\t", " ") if is_json else plain
    try:
        _read(yaml.parse(plain, Loader=Loader), tree)
    except yaml.YAMLError:
        tree.is_broken = True
    return tree


def _read(events: Iterator[yaml.Event], tree: Tree) -> None:
    stack: list[_Open] = []
    for event in events:
        top = stack[-1] if stack else None
        if isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            if done.is_key:  # which no spec can have
                stack[-1].key = ""
        elif isinstance(event, yaml.CollectionStartEvent):
            new = _Open(
                top.place() if top else (),
                {} if isinstance(event, yaml.MappingStartEvent) else [],
                bool(event.flow_style) or bool(top and top.in_flow),
                top is not None and top.wants_key,
            )
            if top is None:
                tree.value = new.values
            elif not top.wants_key:
                top.take(new.values)
            stack.append(new)
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            _take_word(event, top, tree)
        if len(stack) > MAX_DEPTH or len(tree.nodes) > MAX_NODES:
            raise yaml.YAMLError


def _take_word(event: yaml.Event, top: _Open | None, tree: Tree) -> None:
    text = event.value if isinstance(event, yaml.ScalarEvent) else ""
    is_key = top is not None and top.wants_key
    path = (*top.path, text) if top and is_key else top.place() if top else ()
    in_flow = bool(top and top.in_flow)
    start, end = event.start_mark.index, event.end_mark.index  # type: ignore[union-attr]
    tree.nodes.append(Node(path, is_key, text, start, end, in_flow))
    if top is None:
        tree.value = _value(event)
    elif is_key:
        top.key = text
    else:
        top.take(_value(event))


def _value(event: yaml.Event) -> Any:
    if not isinstance(event, yaml.ScalarEvent):
        return None
    try:
        return event.value if event.style else resolve(event.value)
    except yaml.YAMLError:
        return None
