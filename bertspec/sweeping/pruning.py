"""When a trial is stopped: a function of its curve and of those of trials that had ended before it
was begun, so that it does not depend on how fast anything runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bertspec.sweeping.proposals import require_optuna


@dataclass(frozen=True)
class MedianRule:
    """Optuna's MedianPruner, and what it looks at."""

    startup: int
    warmup: int
    lower_is_better: bool
    others: Sequence[Sequence[float]]
    """The curves of trials that were finished."""

    def stops_at(self, curve: Sequence[float]) -> int | None:
        """The number of measurements after which the trial of this curve is to be stopped."""
        if len(self.others) < self.startup:
            return None
        optuna = require_optuna()
        study = optuna.create_study(direction="minimize" if self.lower_is_better else "maximize")
        for other in self.others:
            study.add_trial(_trial(other, done=True))
        pruner = optuna.pruners.MedianPruner(self.startup, self.warmup)
        ends = range(1, len(curve) + 1)
        return next((n for n in ends if pruner.prune(study, _trial(curve[:n], done=False))), None)


def _trial(curve: Sequence[float], *, done: bool):  # type: ignore[no-untyped-def] # noqa: ANN202
    from optuna.trial import TrialState, create_trial

    return create_trial(
        state=TrialState.COMPLETE if done else TrialState.RUNNING,
        value=curve[-1] if done else None,
        intermediate_values=dict(enumerate(curve)),
    )
