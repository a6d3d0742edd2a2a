import pytest

from dazle.config import DATASETS, Settings
from dazle.errors import InputError


def test_defaults_are_the_papers_values() -> None:
    flat = Settings().flat()
    assert flat["training.learning_rate"] == flat["training.weight_decay"] == 1e-4
    assert (flat["training.batch_size"], flat["training.momentum"], flat["training.epochs"]) == (50, 0.9, 20)
    assert (flat["loss.lambda"], flat["loss.self_calibration"], flat["loss.ce_classes"]) == (0.1, "log-mean", "all")
    assert (flat["loss.train_margin"], flat["loss.test_margin"]) == (1, 1)
    assert flat["model.region_attention"] == "dense"
    assert flat["model.attribute_attention"] == "sigmoid"
    assert flat["model.semantics"] == "word2vec"
    assert flat["model.train_semantics"]


def test_presets_are_the_table_of_the_released_notebooks() -> None:
    keys = ("momentum", "balanced_batches", "epochs")
    table = {name: tuple(Settings.preset(name).flat()[f"training.{key}"] for key in keys) for name in DATASETS}
    assert table == {
        "cub": (0.9, False, 20),
        "sun": (0.9, True, 100),
        "awa2": (0.0, True, 20),
        "deepfashion": (0.9, True, 1),
    }
    assert [name for name in DATASETS if Settings.preset(name).model.renormalise_semantics] == ["awa2"]
    assert Settings.preset("deepfashion").training.evaluate_every == 200


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"training.epoch": 3}, "unknown setting 'training.epoch'; the nearest is 'training.epochs'"),
        ({"loss": 3}, "setting 'loss' is a group; its settings are loss.class_loss, loss.ce_classes, loss.lambda"),
        ({"training.epochs": 0}, "setting training.epochs is not valid: 0 is not more than 0"),
        ({"training.learning_rate": "fast"}, "setting training.learning_rate is not valid: 'fast' is not a number"),
        (
            {"training.learning_rate": float("inf")},
            "setting training.learning_rate is not valid: inf is not a finite number",
        ),
        (
            {"loss.test_margin": "best"},
            "setting loss.test_margin is not valid: 'best' is not a number and it is not one of 'validated'",
        ),
        ({"loss.lambda": float("nan")}, "setting loss.lambda is not valid: nan is not a finite number"),
        (
            {"model.region_attention": "denes"},
            "setting model.region_attention is not valid: 'denes' is not one of 'dense', 'uniform'",
        ),
        ({"model.semantics": "../x"}, "setting model.semantics is not valid: '../x' does not match the pattern"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(changes: dict, line: str) -> None:
    with pytest.raises(InputError) as error:
        Settings().changed(changes)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_changing_back_and_forth_is_the_same_settings() -> None:
    there = Settings().changed({"loss.lambda": 0.5})
    assert there.flat()["loss.lambda"] == 0.5
    assert there.changed({"loss.lambda": 0.1}) == Settings()
