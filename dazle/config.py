"""What a training is told: settings of the model, the loss and the training, and one preset a dataset.

Every default is the paper's value on CUB; a preset states only what the paper does differently on its dataset.
Settings are frozen and validated, and are addressed by dotted names (`loss.lambda`, `training.epochs`), which is how
variants and `--set` change them.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from dazle.errors import InputError

DATASETS = ("cub", "sun", "awa2", "deepfashion")
# Attribute vectors that every dataset can have, so no file's vectors can have these names.
MADE_SEMANTICS = ("random", "one-hot")

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Margin = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Range:
    """What tuning tries of a setting: `low` to `high`, both included, whole numbers where both are."""

    low: float
    high: float
    log: bool = False
    # Whether low and high are factors of the row's own value: where that differs by orders between datasets.
    relative: bool = False
    # A setting without which this one does nothing: where that is 0, this one is not tuned.
    needs: str | None = None


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class ModelSettings(_Frozen):
    """How class scores come out of regions (formulas: `dazle/method/attention.py`)."""

    region_attention: Literal["dense", "uniform", "shared", "max", "sparse"] = "dense"
    attribute_attention: Literal["sigmoid", "none", "softmax"] = "sigmoid"
    # What v_a starts from: the name of vectors in the feature file, or `random` or `one-hot`.
    semantics: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = "word2vec"
    train_semantics: bool = True
    renormalise_semantics: bool = False
    normalise_regions: bool = True


class LossSettings(_Frozen):
    """Class loss, self-calibration and the margins (formulas: `dazle/method/losses.py`)."""

    class_loss: Literal["cross-entropy", "ranking"] = "cross-entropy"
    ce_classes: Literal["all", "seen"] = "all"
    lambda_: Annotated[Weight, Range(1e-3, 1.0, log=True)] = Field(0.1, alias="lambda")
    self_calibration: Literal["log-mean", "mean-log"] = "log-mean"
    train_margin: Annotated[Margin, Range(0.0, 2.0, needs="loss.lambda")] = 1.0
    test_margin: Annotated[Margin | Literal["validated"], Range(0.0, 2.0)] = 1.0


class TrainingSettings(_Frozen):
    """Optimiser (RMSprop), batches and schedule."""

    # No range: a curve has every epoch up to this one, and validation chooses among them.
    epochs: PositiveInt = 20
    batch_size: Annotated[PositiveInt, Range(16, 128, log=True)] = 50
    balanced_batches: bool = False
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False), Range(0.1, 10.0, log=True, relative=True)] = 1e-4
    weight_decay: Annotated[Weight, Range(1e-6, 1e-2, log=True)] = 1e-4
    momentum: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.95)] = 0.9
    # A curve has a point every so many steps; None: one at the end of each epoch.
    evaluate_every: PositiveInt | None = None
    precision: Literal["float32", "bf16"] = "float32"


class MethodSettings(_Frozen):
    """What the settings of every method can do: groups of fields, with `loss.test_margin` among them."""

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

    def ranges(self) -> dict[str, Range]:
        """The ranges that are declared beside the defaults above, under the dotted names of their settings."""
        return {
            f"{group}.{field.alias or name}": each
            for group, settings in self
            for name, field in type(settings).model_fields.items()
            for each in field.metadata
            if isinstance(each, Range)
        }

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """These settings with `changes` (dotted name -> value) applied and validated.

        Raises InputError, naming the key and the nearest valid one, or the value and what is allowed.
        """
        known = self.flat()
        nested = self.model_dump(by_alias=True)
        for key, value in changes.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0)
                raise InputError(f"unknown setting {key!r}; the nearest is {near[0]!r}")
            group, name = key.split(".")
            nested[group][name] = value
        try:
            return type(self).model_validate(nested)
        except ValidationError as error:
            raise InputError(_first_problem(error)) from None


class Settings(MethodSettings):
    """All settings of one training of DAZLE."""

    model: ModelSettings = ModelSettings()
    loss: LossSettings = LossSettings()
    training: TrainingSettings = TrainingSettings()


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    # Union members are appended to the place of the problem; the setting is its first two parts.
    key = ".".join(str(part) for part in problem["loc"][:2])
    return f"setting {key} = {problem['input']!r} is not valid: {problem['msg']}"


# What the paper and its released notebooks do differently from the defaults above.
PRESETS: dict[str, dict[str, Any]] = {
    "cub": {},
    "sun": {"training.balanced_batches": True, "training.epochs": 100},
    "awa2": {
        "training.balanced_batches": True,
        "training.momentum": 0.0,
        "model.renormalise_semantics": True,
    },
    # One epoch is some 4,000 steps, so its curve has a point every 200 of them.
    "deepfashion": {"training.balanced_batches": True, "training.epochs": 1, "training.evaluate_every": 200},
}


def preset(dataset: str) -> Settings:
    """The paper's settings for one of `DATASETS`."""
    return Settings().changed(PRESETS[dataset])
