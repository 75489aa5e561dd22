"""Strata of a hash split: whether the shares hold in each, and the salt with which they do."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.digest import canonical_json
from bertspec.core.errors import InputError
from bertspec.pipeline.params.split import HashSplit
from bertspec.runtime.raw_shard import as_array, shown
from bertspec.runtime.salts import TRIED, first_salt

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Counts = Counter[tuple[str, SplitName]]
"""Rows of each stratum in each split. Those of shards are added with `+`."""

_SHOWN_STRATA = 10


def count_strata(strata: "pa.Array | pa.ChunkedArray", splits: "pa.Array") -> Counts:
    """How many rows of each stratum are in each split."""
    import pyarrow as pa

    table = pa.table({"stratum": as_array(strata), "split": splits})
    rows = table.group_by(["stratum", "split"]).aggregate([([], "count_all")]).to_pylist()
    return Counter({(row["stratum"], row["split"]): row["count_all"] for row in rows})


def realised_shares(counts: Counts) -> dict[str, dict[SplitName, float]]:
    """For each stratum, in order, the share of its rows in each split."""
    totals = _totals(counts)
    return {
        stratum: {name: counts[stratum, name] / total for name in SPLITS}
        for stratum, total in sorted(totals.items())
    }


def _totals(counts: Counts) -> Counter[str]:
    totals: Counter[str] = Counter()
    for (stratum, _), count in counts.items():
        totals[stratum] += count
    return totals


def _asked(split: HashSplit) -> dict[SplitName, float]:
    return {"test": split.test, "validation": split.validation}


def _keeps(count: float, total: float, share: float, tolerance: float) -> bool:
    """Whether a share is as asked; less than a row off is as near as any split comes."""
    return abs(count - share * total) <= tolerance * total or abs(count - share * total) < 1


def check_stratify(split: HashSplit, counts: Counts) -> list[Diagnostic]:
    """A finding (E324) for each stratum and split whose share is not the one that is asked."""
    found = []
    for stratum, total in sorted(_totals(counts).items()):
        for name, share in _asked(split).items():
            count = counts[stratum, name]
            if not _keeps(count, total, share, split.tolerance):
                message = (
                    f"{count} of {total} rows with `{split.stratify}` {shown(stratum)} are in "
                    f"`{name}`: {count / total:.3f}, and {share:g} is asked, give or take "
                    f"{split.tolerance:g}"
                )
                found.append(Diagnostic("E324", message))
    return found


def require_strata(split: HashSplit, counts: Counts, keys: "Callable[[], pa.Table]") -> None:
    """Raise InputError (E324) when the shares do not hold in every stratum, and propose a salt.

    `keys` is called only then; it gives `key` (as `key_json`) and `stratum` of every row.
    """
    found = check_stratify(split, counts)
    if not found:
        return
    salt = propose_salt(split, keys())
    advice = (
        f"write `salt: {canonical_json(salt)}`, with which all shares hold; it moves rows"
        if salt is not None
        else f"{TRIED} keeps them: raise `tolerance`, or leave `stratify` out"
    )
    shown_ = [Diagnostic(d.code, d.message, advice) for d in found[:_SHOWN_STRATA]]
    if len(found) > _SHOWN_STRATA:
        shown_.append(
            Diagnostic("E324", f"{len(found) - _SHOWN_STRATA} more shares are off", advice)
        )
    raise InputError(shown_)


def propose_salt(split: HashSplit, keys: "pa.Table") -> str | None:
    """The first of SALTS with which the shares hold in every stratum; None when there is none."""

    def keeps(rows: "np.ndarray") -> bool:
        return all(
            _keeps(float(rows[SPLITS.index(name)]), float(rows.sum()), share, split.tolerance)
            for name, share in _asked(split).items()
        )

    return first_salt(split, keys, keeps)
