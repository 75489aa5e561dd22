"""Sets of names in transformers' code, in one order in every process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class _Ordered(set[str]):
    def __iter__(self) -> Iterator[str]:
        return iter(sorted(super().__iter__()))


@contextmanager
def ordered_sets(model: "PreTrainedModel") -> Iterator[None]:
    """Inside, `set` in the file of the model's class makes ordered ones.

    ModernBERT and its like go over a set of the kinds of their layers, in an order of strings'
    hashes, and their graph has its operators in that order.
    """
    code = vars(sys.modules[type(model.base_model).__module__])
    code["set"] = _Ordered
    try:
        yield
    finally:
        del code["set"]
