"""Pictures of a study by Optuna's own visualisation: history, importance, slices, parallel coordinates."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import optuna
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from optuna.visualization import matplotlib as plots

FORMATS = ("svg", "png")
# Of pixels an inch: sharp on a dense screen, under 200 kB a picture.
RESOLUTION = 150


def draw_study(
    title: str, objective: str, space: Mapping[str, Sequence[Any]], trials: Sequence[Mapping[str, Any]], folder: Path
) -> list[Path]:
    """Writes each picture as SVG and PNG and returns the paths; none if fewer than two trials are complete.

    title: printed above each picture, names the source of features; space: setting -> [low, high, log];
    trials: number, state, value and params of each trial that ended, in order.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = _study(space, trials)
    paths: list[Path] = []
    for name, draw in PICTURES.items() if len(study.get_trials(states=(TrialState.COMPLETE,))) > 1 else ():
        # Optuna changes matplotlib's style for the whole process; it warns that the API of its pictures may change,
        # and if all importances are equal, which the picture shows.
        with mpl.rc_context({"svg.hashsalt": "dazle", "savefig.bbox": "tight"}), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = draw(study, f"validation {objective} [%]")
            figure.suptitle(title, y=1.02)
            for ending in FORMATS:
                paths.append(folder / f"{name}.{ending}")
                figure.savefig(paths[-1], dpi=RESOLUTION, metadata={"Date": None} if ending == "svg" else None)
            plt.close(figure)
    return paths


def _study(space: Mapping[str, Sequence[Any]], trials: Sequence[Mapping[str, Any]]) -> optuna.Study:
    """A study in memory. Its settings lack their section (`momentum`), which halves the width of the labels."""
    study = optuna.create_study(direction="maximize")
    distributions = {_short(key): _distribution(*limits) for key, limits in space.items()}
    for trial in trials:
        if trial["state"] == "failed":
            continue
        params = {_short(key): value for key, value in trial["params"].items()}
        study.add_trial(
            optuna.create_trial(
                state=TrialState[trial["state"].upper()],
                value=trial["value"],
                params=params,
                distributions={key: distributions[key] for key in params},
            )
        )
    return study


def _short(setting: str) -> str:
    return setting.rpartition(".")[2]


def _distribution(low: float, high: float, log: bool) -> BaseDistribution:
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _history(study: optuna.Study, target: str) -> Figure:
    axes = plots.plot_optimization_history(study, target_name=target)
    axes.set_title("Best value so far")
    return _sized(axes.figure, 7, 4.5)


def _importances(study: optuna.Study, target: str) -> Figure:
    axes = plots.plot_param_importances(study, target_name=target)
    axes.set_title("Importance of the settings (PED-ANOVA)", loc="left")
    return _sized(axes.figure, 7, 4)


def _slice(study: optuna.Study, target: str) -> Figure:
    grid = plots.plot_slice(study, target_name=target)
    panels = list(getattr(grid, "flat", [grid]))
    for axes in panels:
        if axes.get_xscale() == "log":
            _label_powers_alone(axes.xaxis)
    return _sized(panels[0].figure, 2.4 * len(panels) + 1, 3.6)


def _parallel(study: optuna.Study, target: str) -> Figure:
    axes = plots.plot_parallel_coordinate(study, target_name=target)
    axes.set_title("Every complete trial, coloured by its value", y=1.03)
    for lines in axes.collections:
        # Optuna's colours end in white, which hides the worst trials.
        lines.set(cmap="viridis_r", linewidth=1.2)
    for scale in axes.figure.axes:
        if scale.get_yscale() == "log":
            _label_powers_alone(scale.yaxis)
    return _sized(axes.figure, 10, 5)


def _label_powers_alone(axis: Any) -> None:
    """Labels at 1, 2 and 5 times a power of ten if the axis spans less than a factor of 30, else at the powers."""
    low, high = sorted(axis.get_view_interval())
    if high / low < 30:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _sized(figure: Any, width: float, height: float) -> Figure:
    figure.set_size_inches(width, height)
    return figure


PICTURES: dict[str, Callable[[optuna.Study, str], Figure]] = {
    "history": _history,
    "importances": _importances,
    "slice": _slice,
    "parallel": _parallel,
}
