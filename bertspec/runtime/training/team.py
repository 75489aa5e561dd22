"""What the processes of a training exchange: sums of gradients, and shares of a validation."""

import contextlib
import os
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bertspec.core.errors import EnvironmentFault

if TYPE_CHECKING:
    import torch

_MEETING = timedelta(minutes=5)
"""All are ready, and only connect."""

_FOREVER = timedelta(days=365)
"""A process that is gone closes its connections; one that is slow may be."""


class LostError(Exception):
    """Another process is gone."""


class Team:
    """The processes of a training, of which this one has the number `rank`. It may be alone."""

    rank = 0
    size = 1

    def meet(self, step: int) -> None:
        """Wait for all to come to the same step, as each of them read it from the checkpoint."""

    def add(self, tensors: "Sequence[torch.Tensor]") -> None:
        """Put the sums over all processes into the tensors; they have the same bits in each."""

    def gather(self, data: bytes) -> Sequence[bytes]:
        """What each process gives, in their order."""
        return [data]


ALONE = Team()


class Member(Team):
    """One process of several. `file` is where they find one another; `ready` is called when this
    one only waits for the others to begin.
    """

    def __init__(self, rank: int, size: int, file: Path, ready: Callable[[], None]) -> None:
        self.rank, self.size = rank, size
        self._file, self._ready = file, ready

    def meet(self, step: int) -> None:
        import torch

        self._join()
        steps = torch.tensor([float(step)], dtype=torch.float64)
        self.add([steps])
        if float(steps) != step * self.size:
            raise EnvironmentFault.of(
                "E507",
                f"training processes have read different checkpoints, process {self.rank + 1} "
                f"that of step {step}",
                "look whether the disk is at fault, and run it again",
            )

    def add(self, tensors: "Sequence[torch.Tensor]") -> None:
        """By recursive doubling: pairs add, then pairs of pairs, as a binary tree of all does.

        That a + b is b + a to the bit makes all sums the same.
        """
        import torch

        distance = 1
        while distance < self.size:
            sent = [tensor.cpu() for tensor in tensors]  # gloo reads no GPU's memory
            received = [torch.empty_like(tensor) for tensor in sent]
            self._swap(self.rank ^ distance, sent, received)
            for mine, theirs in zip(tensors, received, strict=True):
                mine.add_(theirs.to(mine.device))
            distance *= 2

    def gather(self, data: bytes) -> Sequence[bytes]:
        import torch

        mine = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        found = {self.rank: data}
        for distance in range(1, self.size):
            other = self.rank ^ distance
            size = torch.zeros(1, dtype=torch.int64)
            self._swap(other, [torch.tensor([len(data)])], [size])
            theirs = torch.empty(int(size), dtype=torch.uint8)
            self._swap(other, [mine], [theirs])
            found[other] = theirs.numpy().tobytes()
        return [found[rank] for rank in range(self.size)]

    def _swap(
        self, other: int, mine: "Sequence[torch.Tensor]", theirs: "Sequence[torch.Tensor]"
    ) -> None:
        """Send tensors to another process, and receive as many from it."""
        from torch import distributed

        try:
            works = [distributed.isend(tensor, other, tag=tag) for tag, tensor in enumerate(mine)]
            works += [distributed.irecv(tensor, other, tag=t) for t, tensor in enumerate(theirs)]
            for work in works:
                if work is not None:
                    work.wait(_FOREVER)
        except RuntimeError as error:
            self._lose(error)

    def leave(self) -> None:
        from torch import distributed

        if distributed.is_initialized():
            with contextlib.suppress(RuntimeError):
                distributed.destroy_process_group()

    def _join(self) -> None:
        from torch import distributed

        for _, name in socket.if_nameindex():
            if name in ("lo", "lo0"):  # nothing but this machine may connect
                os.environ["GLOO_SOCKET_IFNAME"] = name
        self._ready()
        try:
            store = distributed.FileStore(str(self._file), self.size)  # type: ignore[attr-defined] # from C++
            distributed.init_process_group(
                "gloo", store=store, rank=self.rank, world_size=self.size, timeout=_MEETING
            )
        except RuntimeError as error:
            self._lose(error)

    def _lose(self, error: RuntimeError | None) -> NoReturn:
        raise LostError from error
