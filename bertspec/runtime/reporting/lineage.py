"""The lineage of a model: which stage read what another made, as a list of edges and a picture."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from bertspec.core.digest import digest
from bertspec.core.manifest import Manifest, manifest_path
from bertspec.pipeline import layout
from bertspec.runtime.reporting.charts import WIDTH, Chart, draw

ROOM = 62
"""From one row of stages to the next."""

BOX = (104, 36)
"""Width and height of a stage."""

NO_PADDING = dict.fromkeys(("left", "right", "top", "bottom"), 0)

SUFFIX = manifest_path("")
VERDICT = PurePosixPath(layout.verdict("any")).name

Edges = Iterable[tuple[str, str]]
"""Who made it, and who read it."""


def made_and_read(
    name: str, manifests: Mapping[str, Manifest]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Stages of a spec with the beginning of what they made, and edges; manifests are by path."""
    makers = {path.removesuffix(SUFFIX): kind_of(m.stage) for path, m in manifests.items()}
    nodes = {kind_of(m.stage): digest(m.files)[:8] for m in manifests.values()}
    kept = {layout.curve(name, curve): "train" for curve in layout.CURVES}
    kept |= {layout.metrics(name): "evaluate", layout.decision(name): "evaluate"}
    edges = []
    for manifest in manifests.values():
        reader = kind_of(manifest.stage)
        for read_path, read in manifest.inputs.items():
            path = read_path.removesuffix(SUFFIX)
            known = [kind for place, kind in makers.items() if f"/{place}".endswith(f"/{path}")]
            maker = kept.get(path) or (known[0] if known else None)
            if maker is None and path.endswith(VERDICT):
                maker = "contract"
            if maker is None and path.startswith("models/"):  # of another spec
                maker = path.removeprefix("models/")
                nodes[maker] = read[:8]
            if maker in nodes and maker != reader:
                edges.append((maker, reader))
    return nodes, edges


def kind_of(stage: str) -> str:
    """`train` of `sentiment-train`."""
    return stage.rpartition("-")[2]


def lineage_chart(
    nodes: Mapping[str, str], edges: Edges, changed: Mapping[str, bool] | None = None
) -> Chart:
    """Stages by name, with what is told below each; above a stage are those that it reads.

    Of what a stage reads and its own sources read as well, the way around is drawn alone. With
    `changed`, stages that made something else are marked.
    """
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    places, paths = _places(nx.transitive_reduction(graph), list(nodes))
    height = round(max(y for _, y in places.values()) + ROOM / 2)
    svg = draw(_spec(nodes, places, paths, changed or {}), height=height, padding=NO_PADDING)
    return Chart("Lineage", svg, _told(graph, changed))


Point = tuple[float, float]


def _places(graph: Any, order: Sequence[str]) -> tuple[dict[str, Point], list[list[Point]]]:
    """Middles of the stages, and the corners of each edge, after Sugiyama et al. (1981).

    An edge over several layers has a place of its own in each, so that it passes by the stages.
    """
    import networkx as nx

    depth = {n: i for i, layer in enumerate(nx.topological_generations(graph)) for n in layer}
    layers: list[list[Any]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in order:
        layers[depth[name]].append(name)
    ways = []
    for a, b in sorted(graph.edges):
        between = [(a, b, i) for i in range(depth[a] + 1, depth[b])]
        for place in between:
            layers[place[2]].append(place)
        ways.append([a, *between, b])
    above: dict[Any, list[Any]] = {}
    for way in ways:
        for one, other in pairwise(way):
            above.setdefault(other, []).append(one)
    places: dict[Any, Point] = {}
    for i, layer in enumerate(layers):

        def middle(node: Any) -> float:
            """Of those above it; such a node has some, and in the first layer none has."""
            across = [places[source][0] for source in above.get(node, ())]
            return sum(across) / len(across) if across else WIDTH / 2

        for k, node in enumerate(sorted(layer, key=middle)):
            places[node] = (WIDTH * (2 * k + 1) / (2 * len(layer)), ROOM * (i + 0.5))
    return {name: places[name] for name in order}, [[places[n] for n in way] for way in ways]


def _told(graph: Any, changed: Mapping[str, bool] | None) -> str:
    import networkx as nx

    said = []
    for name in nx.topological_sort(graph):
        sources = list(graph.predecessors(name))
        reads = f" reads {', '.join(sources)}" if sources else " reads none of the others"
        other = ", and made something else" if changed and changed.get(name) else ""
        said.append(f"{name}{reads}{other}")
    return f"Lineage. {'. '.join(said)}."


def _spec(
    nodes: Mapping[str, str],
    places: Mapping[str, tuple[float, float]],
    paths: Sequence[Sequence[Point]],
    changed: Mapping[str, bool],
) -> dict[str, Any]:
    half, up = BOX[0] / 2, BOX[1] / 2

    def at(field: str) -> dict[str, Any]:
        # In pixels: there is no scale and no axis.
        return {"field": field, "type": "quantitative", "scale": None, "axis": None}

    lines = []
    for path in paths:
        for k, ((x, y), (x2, y2)) in enumerate(pairwise(path), 2):
            is_last = k == len(path)
            lines.append({"x": x, "y": y + up, "x2": x2, "y2": y2 - up - 3 * is_last})
            if not is_last:  # straight down beside the stages of a layer
                lines.append({"x": x2, "y": y2 - up, "x2": x2, "y2": y2 + up})
    tipped = [{"x": path[-1][0], "y": path[-1][1] - up - 3} for path in paths]
    boxes: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for name, (x, y) in places.items():
        box = {"x": x, "y": y, "name": name, "told": nodes[name]}
        box |= {"left": x - half, "right": x + half, "top": y - up, "bottom": y + up}
        boxes[changed.get(name, False)].append(box)
    ends = {"x": at("x"), "y": at("y"), "x2": {"field": "x2"}, "y2": {"field": "y2"}}
    tips = {"x": at("x"), "y": at("y")}
    line = {"type": "rule", "stroke": "var(--soft)", "strokeWidth": 1}
    tip = {"type": "point", "shape": "triangle-down", "filled": True, "fill": "var(--soft)"}
    layers: list[dict[str, Any]] = [
        {"data": {"values": lines}, "mark": line, "encoding": ends},
        {"data": {"values": tipped}, "mark": tip | {"size": 30, "opacity": 1}, "encoding": tips},
    ]
    for is_other, values in boxes.items():
        if not values:
            continue
        corners = {
            "x": at("left"), "x2": {"field": "right"}, "y": at("top"), "y2": {"field": "bottom"},
        }  # fmt: skip
        rect = {
            "type": "rect",
            "cornerRadius": 6,
            "fill": "var(--page)",
            "stroke": "var(--second)" if is_other else "var(--line)",
            "strokeWidth": 2.5 if is_other else 1.5,
        }
        middle = {"x": at("x"), "y": at("y")}
        above = {"type": "text", "dy": -7, "fontSize": 12, "fontWeight": "bold"}
        below = {"type": "text", "dy": 8, "fontSize": 11}
        layers += [
            {"data": {"values": values}, "mark": rect, "encoding": corners},
            {
                "data": {"values": values},
                "mark": above | {"fill": "var(--ink)"},
                "encoding": middle | {"text": {"field": "name", "type": "nominal"}},
            },
            {
                "data": {"values": values},
                "mark": below | {"fill": "var(--soft)"},
                "encoding": middle | {"text": {"field": "told", "type": "nominal"}},
            },
        ]
    return {"layer": layers}
