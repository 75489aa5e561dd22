"""What a step has come to, while a GPU still computes it and is given the next one."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Step:
    """A step of which all work is handed out."""

    rate: float
    """The learning rate."""
    sequences: np.ndarray
    _loss: torch.Tensor
    _norm: torch.Tensor
    _is_there: torch.cuda.Event | None

    @classmethod
    def of(
        cls, loss: torch.Tensor, norm: torch.Tensor, rate: float, sequences: np.ndarray
    ) -> "Step":
        """With its loss, and the norm of its gradient."""
        if norm.device.type == "cpu":
            return cls(rate, sequences, loss, norm, None)
        # They are copied behind the work of this step; read later, they would wait for the next.
        loss, norm = (found.to("cpu", non_blocking=True) for found in (loss, norm))
        is_there = torch.cuda.Event()
        is_there.record()
        return cls(rate, sequences, loss, norm, is_there)

    @property
    def is_there(self) -> bool:
        """Whether its numbers are known without waiting: it ran on the processor."""
        return self._is_there is None

    def numbers(self) -> tuple[float, float]:
        """Loss and norm, when the step is done."""
        if self._is_there:
            self._is_there.synchronize()
        return float(self._loss), float(self._norm)
