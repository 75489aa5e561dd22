"""What a model card says of a model's limits: what it does not see, and what nobody measured."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bertspec.catalog.long_documents import HeadTail, LongDocuments, Windows
from bertspec.catalog.source import SplitName
from bertspec.runtime.bundle import Bundle
from bertspec.runtime.fit import TINY
from bertspec.runtime.release.origin import Origin
from bertspec.runtime.shards import read_index
from bertspec.runtime.tables import read_arrow
from bertspec.runtime.tokenized import first_sequences


def limits(
    origin: Origin, bundle: Bundle, metrics: Mapping[str, Any], tokenized: Path, rows: int
) -> Iterator[str]:
    """Sentences. `metrics` is what metrics.json has, and `rows` how many the test split has."""
    seed = origin.spec["training"]["seed"]
    yield f"{_of_long(bundle.long_documents, bundle.max_length)} {_of_test(tokenized)}"
    if bundle.decision:
        yield (
            "What it says depends on numbers that were fitted on the validation split, see above. "
            "They are right as far as that split is like the texts to come."
        )
    if origin.export.task.label_names():
        yield "Every text gets one of the labels, also one that fits none of them."
    yield (
        "The test split is of the same data set as what it learned from. Texts of another language "
        "or source were not measured; which languages the data has is nowhere said."
    )
    if rows < TINY or metrics["fit"].get("too_few_rows"):
        yield f"The test split has {rows:,} rows, which are too few to be sure of its metrics."
    if not metrics.get("intervals"):
        yield "How sure the metrics are was not measured: they have no intervals."
    if not metrics.get("slices"):
        yield "No slices were measured: it may be much worse for some kinds of texts than for all."
    if "validation" not in metrics:
        yield "There was no validation split: the model is that of the last epoch."
    yield (
        f"The metrics are those of one training, with seed {seed}: another seed gives others. They "
        "are PyTorch's; the exported files were compared with it on the test split."
    )
    yield "Bias, robustness against odd or hostile input, and speed were not measured."


def _of_long(policy: LongDocuments, max_length: int) -> str:
    if isinstance(policy, Windows):
        return (
            f"A text of more than {max_length} tokens is read in windows of so many, each of which "
            f"shares {policy.stride} with the one before it: no window sees all of the text."
        )
    if isinstance(policy, HeadTail):
        return (
            f"Of a text of more than {max_length} tokens it sees the first and the last ones: "
            f"{policy.head:.0%} of {max_length} from the beginning, the others from the end."
        )
    return f"It sees the first {max_length} tokens of a text, special ones included, and no more."


def _of_test(tokenized: Path, split: SplitName = "test") -> str:
    """How much of the texts was not seen."""
    import pyarrow as pa
    from pyarrow import compute as pc

    counts = pa.concat_tables(
        first_sequences(read_arrow(tokenized / shard.path)).select(["length", "lost", "unknown"])
        for shard in read_index(tokenized).splits[split]
    )
    length, lost, unknown = (pc.sum(counts[name]).as_py() or 0 for name in counts.column_names)
    if not length:
        return f"The {split} split has no token."
    cut = pc.sum(pc.greater(counts["lost"], 0)).as_py()
    return (
        f"Of the tokens of the {split} split, {lost / length:.2%} were cut off, in {cut:,} of "
        f"{len(counts):,} rows, and {unknown / length:.2%} were unknown to the tokenizer."
    )
