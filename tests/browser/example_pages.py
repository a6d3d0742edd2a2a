"""Pages of example records that the tests of the page share."""

import pandas as pd

from reports.page.cells import cell_data
from reports.page.page import Page, PageFigure, PageTable, Section
from reports.table import Column, Mark, Table, TableCell, TableRow, gap

EPOCHS = 8
TRACEBACK = 'Traceback (most recent call last):\n  File "cell.py", line 1\nValueError: planted\n'
SETTINGS = {"model.region_attention": "dense", "loss.lambda": 0.1, "training.epochs": EPOCHS}
ENVIRONMENT = {"package": "1.0", "versions": {"torch": "2.13.0"}, "cores": 2, "cuda": None}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200"><rect width="400" height="200" fill="#0072b2"/></svg>'


def point(epoch: int, h: float, epochs: int = EPOCHS) -> dict:
    metrics = {"S": h + 5, "U": h - 5, "H": h, "T1": h + 10, "AUSUC": h - 10}
    return {"step": epoch, "epoch": float(epoch), "fraction": epoch / epochs, "margin": 1.0, "best_margin": 1.0,
            "best_margin_H": h, "pointing": None, "pointing_chance": None,
            "loss": {"total": 3.0 / epoch, "class": 3.0 / epoch, "self_calibration": None}} | metrics  # fmt: skip


def cell(variant: str, dataset: str, seed: int, epochs: int = EPOCHS, **more) -> dict:
    """A cell as the store's frame has it; its curve rises by 3 an epoch, 1 lower in the last, from 30 + seed."""
    heights = [30.0 + seed + 3 * epoch for epoch in range(epochs)]
    heights[-1] = heights[-2] - 1
    curve = [point(epoch, h, epochs) for epoch, h in enumerate(heights, start=1)]
    return {"cell": f"{variant}-{dataset}-{seed}", "variant": variant, "label": variant, "axis": "region attention",
            "change": "model.region_attention = uniform", "dataset": dataset, "preset": "cub", "source": "simulated",
            "seed": seed, "status": "done", "error": None, "traceback": None, "identity": {"settings": SETTINGS},
            "environment": ENVIRONMENT, "validation": [curve], "test": curve, "seconds": 1.5,
            "images_per_second": 1000.0, "peak_memory": 2**28, "parameters": 1234} | more  # fmt: skip


def failed(variant: str, dataset: str, seed: int, **more) -> dict:
    """A cell that ended with `TRACEBACK`."""
    nothing = {"validation": [], "test": [], "images_per_second": float("nan"), "peak_memory": None, "parameters": None}
    planted = {"status": "failed", "error": "ValueError: planted", "traceback": TRACEBACK}
    return cell(variant, dataset, seed) | nothing | planted | more


def frame() -> pd.DataFrame:
    """Two variants on two datasets with two seeds, the last of which failed."""
    cells = [cell(v, d, s) for d in ("cub", "sun") for v in ("dazle", "uniform") for s in (0, 1)]
    return pd.DataFrame([*cells[:-1], failed("uniform", "sun", 1)])


def table() -> Table:
    """Values whose order as text, as numbers and as printed are three."""
    rows = [("dazle", 62.0, 2.0), ("uniform", 9.5, 1.0), ("a-long-name-of-a-row", 100.0, 0.5), ("sparse", None, None)]
    change = "region_attention = uniform; attribute_attention = none; ce_classes = seen; lambda = 0"
    return Table(
        name="made",
        caption="SIMULATED features; H in percent.",
        columns=(Column("axis", kind="text", grouped=True), Column("variant", kind="text"), Column("change", kind="text"),
                 Column("H"), *(Column(f"n{number}") for number in range(8))),
        rows=tuple(
            TableRow(name, (TableCell(text="region"), TableCell(text=name), TableCell(text=change),
                       gap("no seed is done") if h is None else TableCell(h, spread=sd, marks=(Mark.BEST,) if h == 100 else ()),
                       *(TableCell(float(number)) for number in range(8))))
            for name, h, sd in rows
        ),
        constants={"source": "simulated"},
    )  # fmt: skip


def page(cells: pd.DataFrame, **more) -> Page:
    """A page with one table and one figure over the cells of a frame."""
    section = Section("ablations", "Ablations", ("What is compared.",), (PageTable("Table 1: made", table()),),
                      (PageFigure("A figure", "SIMULATED. A blue box.", SVG),))  # fmt: skip
    content = {
        "title": "Suite made", "source": "simulated", "protocol": "honest protocol", "notes": ["A note."],
        "summary": ["The first sentence.", "The second.", "The third."], "sections": [section],
        "cells": cell_data(cells, "honest"),
    }  # fmt: skip
    return Page(**content | more)
