"""The split of a row: a function of its content alone, so that other rows may come and go.

`split_of` says what the split of one row is; `assign` gives it for columns, for each kind of split.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.core.errors import at_field
from bertspec.pipeline.params.split import GivenSplit, HashSplit, KFoldSplit, Split, TimeSplit
from bertspec.runtime.raw_shard import Shard, as_array
from bertspec.runtime.row_keys import key_json, point_of, points
from bertspec.runtime.times import microseconds, times

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def split_of(key: Sequence[str], validation: float, test: float, salt: str) -> SplitName:
    """Rows with an equal key are in one split.

    The key's digest is a point in [0, 1): below `test` it is in test, then for as long as
    `validation` in validation, else in train. Raising one share so moves rows in one direction.
    """
    point = point_of(key, salt)
    if point < test:
        return "test"
    return "validation" if point < test + validation else "train"


def assign(split: Split, keys: "Sequence[pa.Array | pa.ChunkedArray]", shard: Shard) -> "pa.Array":
    """The name of each row's split.

    `keys` are columns of the rows that `shard` takes, as many rows as it takes: of a hash or
    k-fold split the group, or else the texts; of a split by time the source's column as it is;
    of a given split the texts of `train`, from which it takes validation. Raises InputError
    (E323) naming the row for what is no time.
    """
    import numpy as np
    import pyarrow as pa

    if isinstance(split, TimeSplit):
        with at_field("split", "column"):
            codes = _by_time(split, times(as_array(keys[0]), split.column, shard))
    elif isinstance(split, HashSplit | KFoldSplit):
        codes = by_points(split, points(key_json(keys), split.salt))
    else:
        assert isinstance(split, GivenSplit)  # noqa: S101 - for mypy: the last kind of split
        codes = _by_share(points(key_json(keys), ""), split.validation, 0.0)
    return pa.array(SPLITS, pa.string()).take(pa.array(codes.astype(np.int8)))


_TRAIN, _VALIDATION, _TEST = map(SPLITS.index, ("train", "validation", "test"))


def by_points(split: HashSplit | KFoldSplit, points: "np.ndarray") -> "np.ndarray":
    """The place in SPLITS of the split that each point of a key is in."""
    if isinstance(split, KFoldSplit):
        return _by_fold(split, points)
    return _by_share(points, split.validation, split.test)


def _by_share(points: "np.ndarray", validation: float, test: float) -> "np.ndarray":
    import numpy as np

    return np.select([points < test, points < test + validation], [_TEST, _VALIDATION], _TRAIN)


def _by_fold(split: KFoldSplit, points: "np.ndarray") -> "np.ndarray":
    """The test is the row's fold, and validation what comes after it, around the end."""
    import numpy as np

    # The fold is the same number whichever fold is the test, so that folds are a partition.
    fold = np.minimum((points * split.folds).astype(np.int64), split.folds - 1)
    following = (split.fold + 1) % split.folds
    if split.validation is None:
        is_validation = fold == following
    else:
        is_validation = (points - following / split.folds) % 1.0 < split.validation
    return np.select([fold == split.fold, is_validation], [_TEST, _VALIDATION], _TRAIN)


def _by_time(split: TimeSplit, times: "np.ndarray") -> "np.ndarray":
    import numpy as np

    test = microseconds(split.test_from)
    first = test if split.validation_from is None else microseconds(split.validation_from)
    return np.select([times >= test, times >= first], [_TEST, _VALIDATION], _TRAIN)
