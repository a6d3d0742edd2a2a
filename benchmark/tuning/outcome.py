"""From the trials of an Optuna study to its outcome, plain data without Optuna."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from benchmark.cells.outcome import Outcome, TrialOutcome
from benchmark.tuning.study import REASON, Spec, counted

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def make_outcome(spec: Spec, trials: Sequence[FrozenTrial]) -> Outcome:
    """The outcome of a study with these trials, all that its storage has."""
    cell = spec.cell
    counting = {trial.number for trial in counted(trials)}
    return Outcome(
        study=spec.name,
        variant=cell.variant.name,
        dataset=cell.dataset.name,
        source=cell.dataset.source,
        objective=spec.objective,
        folds=cell.identity["folds"],
        made_with=spec.made_with(),
        space={key: [limits.low, limits.high, limits.log] for key, limits in spec.space.items()},
        trials=[_trial_outcome(trial, trial.number in counting) for trial in trials],
    )


def _trial_outcome(trial: FrozenTrial, counts: bool) -> TrialOutcome:
    attributes = trial.user_attrs
    reason = attributes.get(REASON)
    if trial.state == TrialState.FAIL and reason is None:
        reason = "`tune` ended while it ran" + ("" if counts else "; tried again")
    return TrialOutcome(
        number=trial.number,
        state=STATES[trial.state],
        counts=counts,
        default=bool(attributes.get("default")),
        value=trial.value,
        epoch=attributes.get("epoch"),
        seconds=trial.duration.total_seconds() if trial.duration else None,
        params=trial.params,
        why=reason,
    )
