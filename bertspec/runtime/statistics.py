"""How sure metrics are, and how they differ between parts of a split."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from bertspec.catalog.task import Measure
from bertspec.pipeline.params.evaluate import Intervals
from bertspec.pipeline.params.where import Where
from bertspec.runtime.mapping import holds

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def intervals(measure: Measure, rows: int, options: Intervals) -> dict[str, dict[str, float]]:
    """`low` and `high` of each metric: percentiles over resamples of the rows (Efron, 1979).

    A metric that most resamples do not define has none.
    """
    import numpy as np

    generator = np.random.default_rng(options.seed)
    found: dict[str, list[float]] = {}
    for _ in range(options.resamples):
        counts = np.bincount(generator.integers(0, rows, rows), minlength=rows)
        for name, value in measure(counts).items():
            found.setdefault(name, []).append(value)
    tail = (1 - options.level) / 2
    return {
        name: dict(
            zip(("low", "high"), np.quantile(values, [tail, 1 - tail]).tolist(), strict=True)
        )
        for name, values in found.items()
        if 2 * len(values) > options.resamples
    }


def by_slice(
    measure: "Callable[[np.ndarray], Mapping[str, float]]",
    rows: "pa.Table",
    wanted: Mapping[str, Where],
) -> dict[str, dict[str, float]]:
    """The metrics of each slice that has rows, and their number.

    `measure` is given the numbers of the slice's rows; `rows` are prepared rows.
    """
    return {
        name: {**measure(members), "rows": len(members)}
        for name, members in slices(rows, wanted).items()
    }


def slices(rows: "pa.Table", wanted: Mapping[str, Where]) -> "dict[str, np.ndarray]":
    """Those that have rows, with the numbers of these."""
    found: dict[str, np.ndarray] = {}
    for name, members in _slices(rows, wanted):
        if len(members):
            while name in found:  # a condition may be called as a value is
                name += " (2)"  # noqa: PLW2901
            found[name] = members
    return found


def _slices(rows: "pa.Table", wanted: Mapping[str, Where]) -> "Iterator[tuple[str, np.ndarray]]":
    import numpy as np

    if "slice" in rows.column_names:
        encoded = rows["slice"].combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy()
        for code, name in sorted(
            enumerate(encoded.dictionary.to_pylist()), key=lambda i: str(i[1])
        ):
            yield name or "(none)", np.flatnonzero(codes == code)
    for name, condition in wanted.items():
        taken = holds(condition, rows[condition.column].combine_chunks())
        yield name, np.flatnonzero(taken.to_numpy(zero_copy_only=False))
