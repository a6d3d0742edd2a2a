"""The summary of a run on data that no claim of the paper is about: the full model and the best row of each dataset."""

from collections.abc import Sequence

from reports.analysis.claims import claims
from reports.analysis.results import DatasetResults
from reports.table import Column
from reports.tables import captions

FULL = "dazle"
METRICS = ("H", "S", "U", "T1")
EFFECT = Column("effect", signed=True)


def has_claims(datasets: Sequence[DatasetResults]) -> bool:
    """Whether a claim of the paper is about the preset of one of the datasets."""
    presets = {preset for claim in claims() for preset in claim.presets}
    return any(results.preset in presets for results in datasets)


def rows_summary(datasets: Sequence[DatasetResults], protocol: str) -> list[str]:
    """Two sentences for each dataset, and one on the claims."""
    sentences = [line for results in datasets for line in _sentences(results, results.available_protocol(protocol))]
    return [*sentences, "The paper's claims are about CUB, SUN, AWA2 and DeepFashion; none is tested on this data."]


def _sentences(results: DatasetResults, protocol: str) -> list[str]:
    features = f"On {'SIMULATED' if results.source == 'simulated' else 'real'} features of {results.name}"
    metric = next((metric for metric in ("H", "T1") if _means(results, metric, protocol)), None)
    if metric is None:
        return [f"{features} no row is finished."]
    means = _means(results, metric, protocol)
    best = max(means, key=lambda row: means[row])
    lines = []
    if FULL in means:
        values = [(name, _means(results, name, protocol).get(FULL)) for name in METRICS]
        texts = ", ".join(f"{name} {value:.1f}" for name, value in values if value is not None)
        lines.append(f"{features} ({protocol} protocol), the full model {FULL} has {texts} (means over seeds).")
    if best == FULL:
        lines.append(f"No row has a higher {metric}.")
    else:
        effect = _effect(results, best, metric, protocol)
        lines.append(f"The highest {metric} is that of {best}, {means[best]:.1f}{effect}.")
    return lines


def _means(results: DatasetResults, metric: str, protocol: str) -> dict[str, float]:
    """The mean of each row that has values."""
    values = {row: results.values(row, metric, protocol).dropna() for row in results.variants}
    return {row: float(series.mean()) for row, series in values.items() if len(series)}


def _effect(results: DatasetResults, row: str, metric: str, protocol: str) -> str:
    if FULL not in results.variants:
        return ""
    difference = results.difference(row, FULL, metric, protocol)
    if difference.mean is None:
        return ""
    return f" ({captions.difference_cell(difference).format(EFFECT)} relative to {FULL})"
