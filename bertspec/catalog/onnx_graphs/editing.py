"""Edit an ONNX graph: find nodes by what they make and read, and put others in their place."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx

ORT = "com.microsoft"
"""The domain of onnxruntime's own operators."""


FLOAT, INT32, INT64 = 1, 6, 7
"""Of onnx.TensorProto. Operators of onnxruntime's own take no other ids and masks than INT32."""


@dataclass(frozen=True)
class Linear:
    """A value times a matrix, and a bias where there is one, by their names."""

    value: str
    matrix: str
    bias: str


class Editor:
    """Nodes of a graph in their order. What is made stands before the node that it is made for."""

    def __init__(self, model: "onnx.ModelProto") -> None:
        self._model = model
        self._graph = model.graph
        self.nodes = list(model.graph.node)
        self._made: dict[int, list[onnx.NodeProto]] = {}
        self._removed: set[int] = set()
        self._producers = {name: node for node in self.nodes for name in node.output}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in [*node.input, *(read_by(node) - set(node.input))]:
                self._users.setdefault(name, []).append(node)
        self._outputs = {output.name for output in self._graph.output}
        self.weights = {w.name: tuple(w.dims) for w in self._graph.initializer}
        """Their shapes by their names."""
        values = [*self._graph.input, *self._graph.value_info, *self._graph.output]
        self._types = {value.name: value.type.tensor_type for value in values}

    def has(self, name: str) -> bool:
        return name in self._producers

    def attributes(self, node: "onnx.NodeProto") -> dict[str, Any]:
        from onnx.helper import get_attribute_value

        return {a.name: get_attribute_value(a) for a in node.attribute}

    def producer(self, name: str, kind: str, **attributes: Any) -> "onnx.NodeProto | None":
        """The node that makes a value, when it is of this kind and has these attributes."""
        return self._fitting(self._producers.get(name), kind, attributes)

    def only_user(self, name: str, kind: str, **attributes: Any) -> "onnx.NodeProto | None":
        """The one node that reads a value, when there is no other and it is of this kind."""
        users = self._users.get(name, [])
        alone = len(users) == 1 and name not in self._outputs
        return self._fitting(users[0] if alone else None, kind, attributes)

    def linear(self, name: str) -> "Linear | None":
        """The linear layer that makes a value, if one does."""
        added = self.producer(name, "Add")
        ways = [tuple(added.input), tuple(added.input)[::-1]] if added else [(name, "")]
        for product, bias in ways:
            multiplied = self.producer(product, "MatMul")
            matrix = multiplied.input[1] if multiplied else ""
            shape = self.weights.get(matrix, ())
            if multiplied and shape and (not bias or self.weights.get(bias) == shape[1:]):
                return Linear(multiplied.input[0], matrix, bias)
        return None

    def is_float(self, name: str) -> bool:
        """Whether a value is known to be of 32-bit floats."""
        return name in self._types and self._types[name].elem_type == FLOAT

    def unshaped(self, name: str) -> str:
        """The value of which this one is the numbers in another shape."""
        for kind in ("Reshape", "Unsqueeze", "Squeeze"):
            if node := self.producer(name, kind):
                return self.unshaped(node.input[0])
        return name

    def shape(self, name: str) -> tuple[int | str, ...]:
        """The sizes of a value, those that are free by name; none where one is not known."""
        dimensions = self._types[name].shape.dim if name in self._types else []
        sizes = tuple(size.dim_param or size.dim_value for size in dimensions)
        return sizes if all(sizes) else ()

    def _fitting(
        self, node: "onnx.NodeProto | None", kind: str, attributes: Mapping[str, Any]
    ) -> "onnx.NodeProto | None":
        if node is None or node.op_type != kind:
            return None
        found = self.attributes(node)
        fits = all(_plain(found.get(name)) == _plain(v) for name, v in attributes.items())
        return node if fits else None

    def make(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str,
        before: "onnx.NodeProto",
        domain: str = "",
        unused: Sequence[str] = (),
        **attributes: Any,
    ) -> None:
        """A node that stands before another one. `unused` are further outputs that it must have."""
        from onnx.helper import make_node, make_opsetid

        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        outputs = [output, *unused]
        node = make_node(kind, inputs, outputs, f"{kind}_{output}", domain=domain, **attributes)
        if domain and domain not in {o.domain for o in self._model.opset_import}:
            self._model.opset_import.append(make_opsetid(domain, 1))
        self._made.setdefault(id(before), []).append(node)
        self._producers[output] = node

    def constant(self, value: Sequence[int] | float) -> str:
        """The name of a constant: whole numbers, or one float."""
        import numpy as np

        dtype = np.float32 if isinstance(value, float) else np.int64
        return self.weight(f"constant_{value}".replace(" ", ""), np.array(value, dtype))

    def weight(self, name: str, values: "np.ndarray") -> str:
        """The name, which has these values from now on."""
        from onnx.numpy_helper import from_array

        if name not in self.weights:
            self._graph.initializer.append(from_array(values, name))
            self.weights[name] = values.shape
        return name

    def part(self, *names: str) -> "onnx.ModelProto":
        """A model of what makes these values from inputs of this one."""
        from onnx import ValueInfoProto
        from onnx.helper import make_graph, make_model

        nodes, read = _needed(self.nodes, set(names))
        inputs, weights = (
            [value for value in values if value.name in read]
            for values in (self._graph.input, self._graph.initializer)
        )
        outputs = [ValueInfoProto(name=name) for name in names]
        graph = make_graph(nodes, "part", inputs, outputs, weights)
        about = self._model
        return make_model(
            graph, opset_imports=about.opset_import, functions=about.functions,
            ir_version=about.ir_version,
        )  # fmt: skip

    def remove(self, *nodes: "onnx.NodeProto") -> None:
        self._removed |= {id(node) for node in nodes}

    def finish(self) -> None:
        """Write the graph, without what nothing reads any more."""
        nodes = []
        for node in self.nodes:
            nodes += self._made.get(id(node), [])
            if id(node) not in self._removed:
                nodes.append(node)
        needed, read = _needed(nodes, self._outputs)
        kept = [type(node).FromString(node.SerializeToString()) for node in needed]
        self._graph.ClearField("node")
        self._graph.node.extend(kept)
        for named in (self._graph.initializer, self._graph.value_info):
            for place in reversed(range(len(named))):  # not copied: weights may be large
                if named[place].name not in read:
                    del named[place]
        keep_used_opsets(self._model)


def keep_used_opsets(model: "onnx.ModelProto") -> None:
    """Operator sets by name, without those of which there is no operator."""
    nodes = [*model.graph.node, *(n for f in model.functions for n in f.node)]
    used = {"", *(node.domain for node in _with_branches(nodes))}
    opsets = sorted((o.domain, o.version) for o in model.opset_import if o.domain in used)
    model.ClearField("opset_import")
    for domain, version in opsets:
        model.opset_import.add(domain=domain, version=version)


def _needed(
    nodes: "Sequence[onnx.NodeProto]", wanted: set[str]
) -> "tuple[list[onnx.NodeProto], set[str]]":
    """Of nodes in their order those that make what is wanted, and with it all that they read."""
    read, kept = set(wanted), []
    for node in reversed(nodes):
        if not read.isdisjoint(node.output):
            read |= read_by(node)
            kept.append(node)
    return kept[::-1], read


def read_by(node: "onnx.NodeProto") -> set[str]:
    """The values that a node reads, in its branches, too."""
    return {name for each in _with_branches([node]) for name in each.input}


def _with_branches(nodes: "Iterable[onnx.NodeProto]") -> "Iterator[onnx.NodeProto]":
    """Nodes, and the nodes of their branches."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _with_branches(graph.node)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value
