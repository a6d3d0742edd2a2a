"""Examples of records in the columns of `benchmark.cells.folder.OutputFolder.frame`: one row per cell."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

REAL = {"source": "real", "backbone": "ResNet-101", "published_counts": True}
UNIFORM = {"axis": "region attention", "change": "model.region_attention = uniform"}


def point(h: float | None, fraction: float, pointing: float | None = None) -> dict[str, Any]:
    return {"epoch": 2 * fraction, "fraction": fraction, "S": h, "U": h, "H": h, "T1": h, "AUSUC": h,
            "pointing": pointing, "pointing_chance": pointing and 11.1, "margin": 1.0, "best_margin_H": h}  # fmt: skip


def cell(
    variant: str,
    seed: int,
    h: float,
    validation: Sequence[float] = (60, 50),
    pointing: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Two epochs: validation prefers the first, with test H `h`; the second and oracle one has h + 5."""
    test = [point(h, 0.5, pointing), point(h + 5, 1.0, pointing)]
    folds = [[point(v, (i + 1) / 2) for i, v in enumerate(validation)]] if validation else []
    return {"variant": variant, "label": variant, "axis": None, "change": "", "dataset": "cub",
            "preset": "cub", "source": "simulated", "backbone": "simulated", "published_counts": False, "about": "10 images",
            "seed": seed, "status": "done", "error": None, "validation": folds, "test": test,
            "images_per_second": float("nan"), "peak_memory": None,
            **more}  # fmt: skip


def with_metric(frame: pd.DataFrame, values: Sequence[float | None], **entry: Any) -> pd.DataFrame:
    """The frame with the further metric `gap`, lower is better: `values` has one for each cell."""
    described = {"name": "gap", "digits": 2, "higher_is_better": False} | entry
    tests = [
        [p | {"metrics": p.get("metrics", {}) | {described["name"]: value}} for p in curve]
        for curve, value in zip(frame["test"], values, strict=True)
    ]
    earlier = frame["metrics"].iloc[0] if "metrics" in frame else []
    return frame.assign(test=tests, metrics=[[*earlier, described]] * len(frame))


def failed(variant: str, seed: int, **more: Any) -> dict[str, Any]:
    return cell(variant, seed, 0.0) | {"status": "failed", "validation": [], "test": []} | more


def rows(variant: str, values: Sequence[float], **more: Any) -> list[dict[str, Any]]:
    """A cell a value, seeds 0, 1, .."""
    return [cell(variant, seed, h, **more) for seed, h in enumerate(values)]


def ablation(**more: Any) -> pd.DataFrame:
    """The full model and one row, three seeds; differences -10, -11, -9."""
    dazle = [cell("dazle", s, h, pointing=h - 22, **more) for s, h in enumerate([60.0, 62.0, 64.0])]
    return pd.DataFrame(dazle + rows("uniform-calibrated", [50.0, 51.0, 55.0], **UNIFORM | more))
