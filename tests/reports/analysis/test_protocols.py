"""One tiny case a rule."""

import numpy as np
import pandas as pd
import pytest

from reports.analysis.protocols import Honest, Last, Oracle, Protocol, result_rows, select


def curve(*h, **more):
    return [
        {"epoch": i + 1.0, "fraction": (i + 1) / len(h), "S": v, "U": v, "H": v, "T1": 10.0 + i, "AUSUC": 5.0}
        | {"pointing": None, "pointing_chance": None, "margin": 1.0, "best_margin_H": v}
        | more
        for i, v in enumerate(h)
    ]


def cells(*rows):
    defaults = {"variant": "dazle", "dataset": "cub", "source": "simulated", "seed": 0, "status": "done"}
    return pd.DataFrame([defaults | {"validation": [], "test": []} | row for row in rows])


@pytest.mark.parametrize(
    ("validation", "test", "honest", "last", "oracle"),
    [
        ([[9, 2, 1]], [1, 2, 3], 0, 2, 2),  # best first
        ([[1, 2, 9]], [3, 2, 1], 2, 2, 0),  # best last
        ([[1, 9, 9]], [1, 5, 5], 1, 2, 1),  # the first of equals
        ([], [1, 2], None, 1, 1),  # no validation phase
        ([[]], [1, 2], None, 1, 1),  # a fold without points
        ([[1, 2]], [], None, None, None),  # nothing to choose from
        ([[float("nan"), 1]], [float("nan"), 2], 1, 1, 1),  # a diverged point never wins
    ],
)
def test_each_protocol_chooses_its_epoch(validation, test, honest, last, oracle):
    folds = [curve(*fold) for fold in validation]
    assert Honest().choose(folds, curve(*test)) == honest
    assert Last().choose(folds, curve(*test)) == last
    assert Oracle().choose(folds, curve(*test)) == oracle


def test_oracle_goes_by_T1_where_no_seen_class_is_tested():
    test = [point | {"H": None} for point in curve(0, 0, 0)]
    assert Oracle().choose([], [test[0], test[2], test[1]]) == 1


def test_the_base_class_chooses_nothing():
    with pytest.raises(NotImplementedError):
        Protocol().choose([], [])


def test_honest_averages_the_folds():
    # Fold 1 alone would take the first epoch, fold 2 alone the last; together the middle one is best.
    assert Honest().choose([curve(9, 8, 1), curve(1, 8, 9)], curve(0, 0, 0)) == 1


def test_honest_matches_by_fraction():
    # Fold 2 has half the points, the test curve twice as many; the best mean stands at half of the schedule.
    assert Honest().choose([curve(1, 7, 2, 3), curve(9, 1)], curve(*range(8))) == 3


def test_honest_never_looks_at_test():
    rng = np.random.default_rng(0)
    validation, scores = [curve(3, 1, 8, 4, 5)], np.arange(5.0)
    for _ in range(20):
        rng.shuffle(scores)
        assert Honest().choose(validation, curve(*scores)) == 2


def test_select_reports_the_chosen_point():
    frame = cells({"validation": [curve(1, 9, 2)], "test": curve(10, 20, 30, pointing=40.0)})
    row = select(frame, "honest").iloc[0]
    assert (row.epoch, row.H, row.T1, row.pointing, row.protocol) == (2.0, 20.0, 11.0, 40.0, "honest")


def test_cells_that_are_not_done_have_no_values():
    frame = cells({"status": "failed", "test": curve(10)}, {"status": "missing", "seed": 1}, {"seed": 2})
    selection = select(frame, "last")
    assert selection.status.tolist() == ["failed", "missing", "done"]
    assert selection.loc[:, "epoch":"best_margin_H"].isna().all(axis=None)


def test_select_keeps_the_columns_that_others_script_against():
    expected = ["variant", "dataset", "source", "seed", "protocol", "epoch", "S", "U", "H", "T1", "AUSUC"]
    expected += ["pointing", "pointing_chance", "margin", "best_margin_H", "candidate", "status"]
    assert list(select(cells({}), "last").columns) == expected
    assert list(select(cells({}).iloc[:0], "last").columns) == expected


def test_further_metrics_are_the_last_columns_of_the_results():
    metrics = [{"name": "gap", "digits": 1, "higher_is_better": False}]
    old = curve(7, 3)
    new = [point | {"metrics": {"gap": 1.5, "not named": 2.0}} for point in old]
    frame = cells({"test": new, "metrics": metrics}, {"seed": 1, "test": old, "metrics": metrics})
    table = result_rows(frame)
    assert list(table.columns)[:-1] == list(result_rows(cells({})).columns) and table.columns[-1] == "gap"
    assert table[table.protocol == "last"].gap.tolist()[0] == 1.5 and table[table.seed == 1].gap.isna().all()


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="honest, last, oracle"):
        select(cells({}), "best")


def test_results_have_a_row_a_cell_and_protocol():
    frame = cells({"test": curve(7, 3)}, {"seed": 1, "status": "failed"})
    table = result_rows(frame)
    header, honest, last, oracle, *failed = table.to_csv(index=False).splitlines()
    assert header.startswith("variant,dataset,source,seed,protocol,epoch,S,U,H,T1,AUSUC,status")
    assert honest.startswith("dazle,cub,simulated,0,honest,,,,,,,done")
    assert last.startswith("dazle,cub,simulated,0,last,2.0,3.0,3.0,3.0,11.0,5.0,done")
    assert oracle.startswith("dazle,cub,simulated,0,oracle,1.0,7.0")
    assert [line.split(",")[3:5] for line in failed] == [["1", "honest"], ["1", "last"], ["1", "oracle"]]
    assert table.S[3:].isna().all()
