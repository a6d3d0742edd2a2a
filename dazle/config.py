"""Settings of the model, the loss and the training, and one preset for each dataset.

Every default is the paper's value on CUB; a preset holds only what the paper does differently on its dataset. Settings
are frozen and validated. Variants and `--set` change them by their dotted names (`loss.lambda`, `training.epochs`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from dazle.errors import InputError, problem, unknown

DATASETS = ("cub", "sun", "awa2", "deepfashion")
# Attribute vectors that are made for every dataset; vectors of a file cannot have these names.
MADE_SEMANTICS = ("random", "one-hot")

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Margin = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Range:
    """The values of a setting that tuning tries: `low` to `high`, both included; whole numbers if both are."""

    low: float
    high: float
    log: bool = False
    # Whether low and high are factors of the row's own value, which differs by orders of magnitude between datasets.
    relative: bool = False
    # The setting that this one depends on: if it is 0, this one has no effect and is not tuned.
    needs: str | None = None


class Frozen(BaseModel):
    """Settings that cannot be changed and refuse unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class ModelSettings(Frozen):
    """From regions to class scores (formulas: `dazle/method/attention.py`)."""

    region_attention: Literal["dense", "uniform", "shared", "max", "sparse"] = "dense"
    attribute_attention: Literal["sigmoid", "none", "softmax"] = "sigmoid"
    # The initial v_a: the name of vectors in the feature file, or `random` or `one-hot`.
    semantics: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = "word2vec"
    train_semantics: bool = True
    renormalise_semantics: bool = False
    normalise_regions: bool = True


class LossSettings(Frozen):
    """Class loss, self-calibration and the margins (formulas: `dazle/method/losses.py`)."""

    class_loss: Literal["cross-entropy", "ranking", "prior"] = "cross-entropy"
    ce_classes: Literal["all", "seen"] = "all"
    lambda_: Annotated[Weight, Range(1e-3, 1.0, log=True)] = Field(0.1, alias="lambda")
    self_calibration: Literal["log-mean", "mean-log"] = "log-mean"
    train_margin: Annotated[Margin, Range(0.0, 2.0, needs="loss.lambda")] = 1.0
    test_margin: Annotated[Margin | Literal["validated"], Range(0.0, 2.0)] = 1.0
    # p(seen) / p(unseen) of the class loss `prior`; no other loss reads it.
    prior_ratio: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30.0


class TrainingSettings(Frozen):
    """Optimiser (RMSprop), batches and schedule."""

    # Not tuned: the curve has every epoch up to this one, and validation chooses one of them.
    epochs: PositiveInt = 20
    batch_size: Annotated[PositiveInt, Range(16, 128, log=True)] = 50
    balanced_batches: bool = False
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False), Range(0.1, 10.0, log=True, relative=True)] = 1e-4
    weight_decay: Annotated[Weight, Range(1e-6, 1e-2, log=True)] = 1e-4
    momentum: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.95)] = 0.9
    # Steps from one point of the curve to the next; None: one point at the end of each epoch.
    evaluate_every: PositiveInt | None = None
    precision: Literal["float32", "bf16"] = "float32"


class MethodSettings(Frozen):
    """What the settings of every method can do: groups of fields, with `loss.test_margin` among them."""

    @classmethod
    def preset(cls, dataset: str, simulated: bool = False) -> Self:
        """The settings for a dataset of that preset; the defaults if the method has no others.

        `simulated`: for the small simulated set of that name, which needs a schedule of its own.
        """
        return cls()

    @property
    def test_margin(self) -> float | Literal["validated"]:
        """The margin at test time: a number, or the one that is best on validation classes."""
        margin: float | Literal["validated"] = self.loss.test_margin  # type: ignore[attr-defined]
        return margin

    @property
    def precision(self) -> Literal["float32", "bf16"]:
        """The precision of the large products: `training.precision` if the method has it."""
        return getattr(getattr(self, "training", None), "precision", "float32")

    def flat(self) -> dict[str, Any]:
        """Every setting under its dotted name."""
        nested = self.model_dump(by_alias=True)
        return {f"{group}.{key}": value for group, keys in nested.items() for key, value in keys.items()}

    def identity(self) -> dict[str, Any]:
        """The settings that belong to the identity of a cell: `flat`, without those that have no effect on it."""
        return self.flat()

    def ranges(self) -> dict[str, Range]:
        """The ranges that are declared beside the defaults above, under the dotted names of their settings."""
        return {
            f"{group}.{field.alias or name}": value
            for group, settings in self
            for name, field in type(settings).model_fields.items()
            for value in field.metadata
            if isinstance(value, Range)
        }

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """These settings with `changes` (dotted name -> value), validated.

        Raises InputError: it names an unknown key and the nearest valid one, or a value and what is allowed.
        """
        names = self.flat()
        nested = self.model_dump(by_alias=True)
        for key, value in changes.items():
            if key not in names:
                raise unknown_setting(key, names)
            group, name = key.split(".")
            nested[group][name] = value
        try:
            return type(self).model_validate(nested)
        except ValidationError as error:
            raise InputError(f"setting {problem(error, depth=2)}") from None


def unknown_setting(key: str, names: Iterable[str]) -> InputError:
    """The error for a setting that does not exist: it gives the nearest name, or the settings of the group `key`."""
    group = [name for name in names if name.startswith(f"{key}.")]
    if group:
        return InputError(f"setting {key!r} is a group; its settings are {', '.join(group)}")
    return unknown("setting", key, names)


class Settings(MethodSettings):
    """All settings of one training of DAZLE."""

    model: ModelSettings = ModelSettings()
    loss: LossSettings = LossSettings()
    training: TrainingSettings = TrainingSettings()

    @classmethod
    def preset(cls, dataset: str, simulated: bool = False) -> Self:
        """The paper's settings for the dataset; `simulated` adds the schedule that its simulated set needs."""
        settings = cls().changed(PRESETS.get(dataset, {}))
        return settings.changed(SIMULATED_SCHEDULES.get(dataset, {})) if simulated else settings

    def identity(self) -> dict[str, Any]:
        """`flat`; without `loss.prior_ratio` if the class loss does not read it, so that older cells keep their id."""
        flat = self.flat()
        if self.loss.class_loss != "prior":
            del flat["loss.prior_ratio"]
        return flat


# Where the paper and its released notebooks differ from the defaults above.
PRESETS: dict[str, dict[str, Any]] = {
    "cub": {},
    # The ratios are those of ZLA (IJCAI 2022), chosen on test images; CUB's is the default.
    "sun": {"training.balanced_batches": True, "training.epochs": 100, "loss.prior_ratio": 60.0},
    "awa2": {
        "training.balanced_batches": True,
        "training.momentum": 0.0,
        "model.renormalise_semantics": True,
        "loss.prior_ratio": 1000.0,
    },
    # One epoch has some 4,000 steps, so the curve has a point every 200 of them. No prior ratio is published for this
    # dataset, so it has the default, CUB's.
    "deepfashion": {"training.balanced_batches": True, "training.epochs": 1, "training.evaluate_every": 200},
}


# The schedules of the simulated sets (`dazle/datasets/simulated.py` says how they were chosen).
SIMULATED_SCHEDULES: dict[str, dict[str, Any]] = {
    "cub": {"training.batch_size": 80, "training.epochs": 8, "training.learning_rate": 0.002},
    "sun": {"training.batch_size": 60, "training.epochs": 8, "training.learning_rate": 0.002},
    # The paper trains without momentum here, so steps have to be larger.
    "awa2": {"training.batch_size": 60, "training.epochs": 8, "training.learning_rate": 0.02},
    "deepfashion": {
        "training.batch_size": 60,
        "training.epochs": 8,
        "training.learning_rate": 0.002,
        "training.evaluate_every": 14,
    },
}
