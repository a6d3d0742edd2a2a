"""Tables of a made run whose every number is known."""

import copy
from typing import Any

import pytest

from reports.page.throughput_page import page
from reports.tables.throughput import comparisons, relative_cost, results, share_of_peak, tables

STEADY = [1.0, 1.01, 0.99, 1.0, 1.0, 1.02, 0.98, 1.0, 1.0]


def timed(seconds: float, rounds: list[float] = STEADY) -> dict[str, Any]:
    times = [seconds * factor for factor in rounds]
    return {"calls": 1, "times": times, "latencies": times}


def measurement(variant: str, work: str, flops: float, **turns: dict[str, Any]) -> dict[str, Any]:
    return {
        "shape": "cub", "precision": "float32", "work": work, "variant": variant, "same": [], "batch": 50,
        "flops": flops, "peak_flops": 1e9, "memory": 5e8, "turns": turns, "taken_by_others": 0.0,
    }  # fmt: skip


def comparison(**changes: Any) -> dict[str, Any]:
    fields = {
        "name": "reference",
        "about": "fast form over reference",
        "shape": "cub",
        "precision": "float32",
        "gain": 1,
    }
    turns = {"first": timed(0.6), "second": timed(0.2)}
    return fields | {"turns": turns, "failure": None, "taken_by_others": 0.0} | changes


def run(**changes: Any) -> dict[str, Any]:
    """The peak is 1e9 operations in 0.1 s; the step's 8e9 take 1 s: 80 %. `uniform` does 1e9 in a quarter of a second."""
    peak = timed(0.1)
    own = measurement("dazle", "step", 8e9, own=timed(1.0), peak=peak) | {"same": ["no-test-margin"]}
    other = measurement("uniform", "step", 1e9, own=timed(0.25), peak=peak, full=timed(1.0))
    products = measurement("dazle", "products", 6e9, own=timed(0.75), peak=peak, full=timed(1.0)) | {"memory": None}
    fields = {
        "environment": {
            "package": "0.1.0", "commit": "abc", "python": "3.11", "versions": {"torch": "2.13"}, "system": "Linux",
            "processor": "a processor", "device": None,
        },
        "conditions": {
            "device": "cpu", "capability": "AVX512", "threads": 2, "seconds": 1.0,
            "moments": [{"load": 0.1, "clock_mhz": 2600.0, "gpu": None}],
        },
        "shapes": {"cub": {"batch": 50, "regions": 49, "channels": 2048, "attributes": 312, "classes": 200}},
        "measured": [own, other, products], "compared": [comparison()], "profiled": [],
    }  # fmt: skip
    return fields | changes


def test_the_profile_names_what_takes_longest_and_sums_the_rest() -> None:
    parts = [
        {"operation": "bmm", "sizes": [[1, 9, 64], [1, 64, 144]], "calls": 1.0, "seconds": 0.006},
        {"operation": "mul", "sizes": [[9, 48], [48]], "calls": 2.0, "seconds": 0.002},
        *({"operation": f"small{n}", "sizes": [], "calls": 1.0, "seconds": 0.0004} for n in range(5)),
    ]
    content = run(profiled=[{"shape": "cub", "precision": "bf16", "parts": parts}])
    [table] = [table for table in tables(content) if table.name == "throughput-profile"]
    shown = [[cell.text if cell.text is not None else cell.value for cell in row.cells] for row in table.rows]
    assert shown[0] == ["cub", "bf16", "bmm", "9 x 64, 64 x 144", 1.0, pytest.approx(6.0), pytest.approx(60.0)]
    assert shown[1][2:5] == ["mul", "9 x 48, 48", 2.0]
    assert shown[6][2:] == ["1 others", "", 1.0, pytest.approx(0.4), pytest.approx(4.0)]
    assert shown[7][2:] == ["all", "", 8.0, pytest.approx(10.0), pytest.approx(100.0)]
    assert not [below for below in table.notes if "kernels" in below]
    conditions = content["conditions"] | {"device": "cuda"}
    [gpu_table] = [
        table for table in tables(content | {"conditions": conditions}) if table.name == "throughput-profile"
    ]
    assert [below for below in gpu_table.notes if "kernels" in below]


def test_comparisons_are_numbers_or_the_reason_why_not() -> None:
    content = run(compared=[comparison(), comparison(name="compile", turns={}, failure="no C++ compiler")])
    ratio, missing = comparisons(content).to_dict("records")
    assert ratio["times_as_fast"] == pytest.approx(3.0)
    assert (ratio["first_ms"], ratio["second_ms"]) == (pytest.approx(600), pytest.approx(200))
    assert missing["failure"] == "no C++ compiler" and missing["times_as_fast"] != missing["times_as_fast"]


def test_share_of_peak_and_relative_cost_by_hand() -> None:
    own, other, products = run()["measured"]
    assert share_of_peak(own).median == pytest.approx(0.8)
    assert share_of_peak(other).median == pytest.approx(0.4)
    assert relative_cost(own).median == 1
    assert relative_cost(other).median == pytest.approx(0.25)
    assert share_of_peak(products, timed="full").median == pytest.approx(0.6)


def test_a_round_that_was_slow_for_all_does_not_move_a_share() -> None:
    rounds = [1.0, 9.0, 1.0, 7.0, 1.0, 8.0, 5.0, 1.0, 1.0]
    step = measurement("dazle", "step", 8e9, own=timed(1.0, rounds), peak=timed(0.1, rounds))
    share = share_of_peak(step)
    assert (share.low, share.median, share.high) == pytest.approx((0.8, 0.8, 0.8))


def test_the_csv_has_a_row_for_every_name() -> None:
    frame = results(run()).set_index(["work", "variant"])
    full, same, other = (frame.loc[("step", name)] for name in ("dazle", "no-test-margin", "uniform"))
    assert full["images_per_second"] == pytest.approx(50)
    assert (full["p50_ms"], full["p95_ms"]) == pytest.approx((1000, 1020))
    assert same["measured_as"] == "dazle"
    assert same["images_per_second"] == full["images_per_second"]
    assert (other["relative_cost"], other["peak_memory"]) == (pytest.approx(0.25), 5e8)
    assert not frame["wide"].any()


def test_the_tables_show_what_was_measured() -> None:
    bounds, ways, step = tables(run())
    shown = {row.key: dict(zip([c.name for c in step.columns], row.cells, strict=True)) for row in step.rows}
    assert shown["dazle"]["variant"].notes == ("the same operations, so measured once: no-test-margin",)
    assert shown["uniform"]["images/s"].value == pytest.approx(200)
    assert shown["uniform"]["% of peak"].value == pytest.approx(40)
    cells = dict(zip([c.name for c in bounds.columns], bounds.rows[0].cells, strict=True))
    assert cells["products at peak ms"].value == pytest.approx(600)
    assert cells["products alone: % of peak"].value == pytest.approx(80)
    assert cells["step: % of products at peak"].value == pytest.approx(60)
    assert cells["% of the step in products"].value == pytest.approx(75)
    assert ways.rows[0].cells[3].value == pytest.approx(3)


def test_a_second_call_that_trains_several_is_worth_as_many_images() -> None:
    way = comparison(gain=8, turns={"first": timed(0.1), "second": timed(0.4)})
    assert tables(run(compared=[way]))[1].rows[0].cells[3].value == pytest.approx(2)


def test_a_way_that_could_not_be_had_is_a_dash_with_its_reason() -> None:
    table = tables(run(compared=[comparison(turns={}, failure="InvalidCxxCompiler: no compiler")]))[1]
    assert table.rows[0].cells[3].value is None
    assert table.footnotes == {"InvalidCxxCompiler: no compiler": "a"}


def test_wide_spreads_and_busy_neighbours_are_said() -> None:
    assert "WIDE" not in page(run())
    assert "WARNING" not in page(run())
    content = copy.deepcopy(run())
    content["measured"][0]["turns"]["own"] = timed(1.0, [1, 1, 1, 1, 1.5, 1.5, 1.5, 1.5, 1.5])
    content["measured"][1]["taken_by_others"] = 0.42
    assert "WIDE: the interquartile range is over 10% of the median" in page(content)
    assert "WARNING: other processes took up to 42% of the processors" in page(content)
    assert results(content).query("variant == 'dazle' and work == 'step'")["wide"].item()


def test_nothing_of_the_page_is_cut_off() -> None:
    assert "…" not in page(run())


def test_a_gpu_names_itself_and_its_other_users() -> None:
    state = {"clocks.sm": "1980", "clocks.max.sm": "1980", "other_processes": 2}
    conditions = {
        "device": "cuda", "capability": "12.8", "threads": 8,
        "moments": [{"load": 0.5, "clock_mhz": None, "gpu": state}],
    }  # fmt: skip
    text = page(run(environment=run()["environment"] | {"device": "NVIDIA H100"}, conditions=conditions))
    assert "Measured on NVIDIA H100 (12.8)" in text
    assert "GPU other_processes 2" in text
    assert "allocated on the GPU" in text
