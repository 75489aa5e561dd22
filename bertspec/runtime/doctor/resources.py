"""Cores, memory and disk of this machine, or of the container."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bertspec.core.packages import available_cores
from bertspec.runtime.doctor.cgroup import cpu_limit, memory_limit
from bertspec.runtime.doctor.line import Line, State

GIB = 2**30
ENOUGH_MEMORY = 2 * GIB
"""BERT-base has 110 million weights, and training keeps four 32-bit numbers of each: the weight,
its gradient, and AdamW's two moments.
"""
ENOUGH_DISK = 5 * GIB
"""A BERT-base (440 MB) as base, trained and in two exports, in the workspace and DVC's cache."""


def resources(root: Path) -> Iterator[Line]:
    """Lines on cores, memory, and the disk that `root` is on."""
    yield _cores()
    yield _memory()
    yield _disk(root)


def _cores() -> Line:
    import psutil

    usable, logical = available_cores(), os.cpu_count()
    physical, limit = psutil.cpu_count(logical=False), cpu_limit()
    facts = {"usable": usable, "logical": logical, "physical": physical, "limit": limit}
    text = f"{usable} usable of {logical or 'an unknown number'}"
    text += f", {physical} physical" if physical else ", physical ones not known"
    if limit is not None and limit < usable:
        text += f"; the container gives the time of {limit:g}"
        advice = f"`bertspec lock --threads {max(1, int(limit))}`: more threads would wait in turn"
        return Line("machine", "cores", State.NOTE, text, advice, facts)
    return Line("machine", "cores", State.GOOD, text, facts=facts)


def _memory() -> Line:
    import psutil

    memory, limit = psutil.virtual_memory(), memory_limit()
    if limit is not None and limit >= memory.total:
        limit = None  # version 1 says so where there is none
    facts = {"total": memory.total, "available": memory.available, "limit": limit}
    text = f"{_size(memory.total)}, {_size(memory.available)} available"
    text += f"; the container may use {_size(limit)}" if limit is not None else ""
    if min(memory.available, limit or memory.available) < ENOUGH_MEMORY:
        advice = f"training a BERT-base takes {_size(ENOUGH_MEMORY)} at least; a smaller one less"
        return Line("machine", "memory", State.NOTE, text, advice, facts)
    return Line("machine", "memory", State.GOOD, text, facts=facts)


def _disk(root: Path) -> Line:
    total, _, free = shutil.disk_usage(root)
    facts = {"total": total, "free": free}
    text = f"{_size(free)} free of {_size(total)} where this folder is"
    if free < ENOUGH_DISK:
        advice = f"a BERT-base, its exports and DVC's cache take about {_size(ENOUGH_DISK)}"
        return Line("machine", "disk", State.NOTE, text, advice, facts)
    return Line("machine", "disk", State.GOOD, text, facts=facts)


def _size(number: int) -> str:
    return f"{number / GIB:,.1f} GiB"
