"""The registry of variants: each is the full model with named changes.

To add a variant, add an entry below. An entry with an axis joins the suite `ablations` and its table, and the contract
tests cover it. The report prints the changes exactly as the entry gives them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ablations.methods import METHODS, load_method
from dazle.errors import unknown

AXES = (
    "region attention",
    "attribute attention",
    "calibration",
    "self-calibration",
    "attribute semantics",
    "class loss",
    "region normalisation",
)


@dataclass(frozen=True)
class Variant:
    """One row of an ablation.

    `changes` maps dotted setting names to the values that differ from the full model, or from the defaults of the
    baseline that `method` names. `axis` is None if it changes several at once.
    """

    name: str
    axis: str | None
    label: str
    changes: Mapping[str, Any]
    method: str = "dazle"

    @property
    def change(self) -> str:
        """The changes as the table prints them, a baseline's method among them; empty for the full model."""
        method = {} if self.method == "dazle" else {"method": self.method}
        return "; ".join(f"{key} = {_text(value)}" for key, value in {**method, **self.changes}.items())


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


VARIANTS: dict[str, Variant] = {}


def register(name: str, axis: str | None, label: str, changes: Mapping[str, Any], method: str = "dazle") -> None:
    """Adds a variant.

    Raises ValueError if another variant has the same name or settings, or if the axis or the method is unknown. The
    settings of the package's own baselines are checked by a test: their files import torch, and `list` must not wait.
    """
    if name in VARIANTS:
        raise ValueError(f"variant {name!r} is registered already; choose another name")
    if axis is not None and axis not in AXES:
        raise ValueError(f"variant {name!r}: unknown axis {axis!r}; there are {', '.join(AXES)}")
    if method not in METHODS:
        raise ValueError(f"variant {name!r}: unknown method {method!r}; there are {', '.join(METHODS)}")
    variant = Variant(name, axis, label, dict(changes), method)
    if not METHODS[method].location.startswith("ablations.baselines."):
        check_settings(variant)
    VARIANTS[name] = variant


def check_settings(variant: Variant) -> None:
    """Raises InputError for changes that are no settings of its method, ValueError for the settings of another one."""
    defaults = load_method(variant.method).Settings()
    settings = defaults.changed(variant.changes)
    for other in VARIANTS.values():
        same_method = other.method == variant.method and other.name != variant.name
        if same_method and defaults.changed(other.changes) == settings:
            raise ValueError(
                f"variant {variant.name!r} has the settings of {other.name!r}; equal settings are one variant"
            )


def find(name: str) -> Variant:
    """The variant of that name. Raises InputError, with the nearest name, if there is none."""
    if name not in VARIANTS:
        raise unknown("variant", name, VARIANTS, "all: python -m benchmark list variants")
    return VARIANTS[name]


def select(patterns: Sequence[str], names: Iterable[str] = VARIANTS) -> list[Variant]:
    """The variants among `names` that a pattern matches, in that order; all of them if there is no pattern.

    Variants that are not among `names` and that a pattern names in full follow. Raises InputError if a pattern matches
    nothing.
    """
    names = list(names)
    matches = {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns or ["*"])}
    others = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    return [find(name) for name in dict.fromkeys([*(name for name in names if name in matches), *others])]


UNCALIBRATED = {"loss.ce_classes": "seen", "loss.lambda": 0.0, "loss.train_margin": 0.0, "loss.test_margin": 0.0}
UNIFORM = {"model.region_attention": "uniform"}
UNGATED = {"model.attribute_attention": "none"}

register("dazle", None, "the full model", {})

register("uniform", "region attention", "every region weighs 1/R", UNIFORM)
register("shared-map", "region attention", "one map for all attributes", {"model.region_attention": "shared"})
register("max-region", "region attention", "the best region only", {"model.region_attention": "max"})
register("sparse", "region attention", "sparsemax over regions", {"model.region_attention": "sparse"})

register("dense-calibrated", "attribute attention", "no attribute attention", UNGATED)
register("softmax-attributes", "attribute attention", "attributes compete", {"model.attribute_attention": "softmax"})

register("seen-classes-only", "calibration", "unseen classes are no negatives", {"loss.ce_classes": "seen"})
register("no-train-margin", "calibration", "no margin in the loss", {"loss.train_margin": 0.0})
register("no-test-margin", "calibration", "no margin at test time", {"loss.test_margin": 0.0})
register("validated-margin", "calibration", "margin chosen on validation", {"loss.test_margin": "validated"})
register("dense-gated-uncalibrated", "calibration", "no calibration at all", UNCALIBRATED)
register(
    "post-hoc-margin",
    "calibration",
    "no calibration but a margin of 1 at test time",
    UNCALIBRATED | {"loss.test_margin": 1.0},
)
register(
    "post-hoc-validated-margin",
    "calibration",
    "no calibration but a margin chosen on validation",
    UNCALIBRATED | {"loss.test_margin": "validated"},
)

register(
    "prior-margin",
    "calibration",
    "class prior in the loss in place of calibration (ratio of ZLA, chosen on test images)",
    {"loss.class_loss": "prior", "loss.lambda": 0.0, "loss.train_margin": 0.0, "loss.test_margin": 0.0},
)

register("lambda-0", "self-calibration", "no self-calibration loss", {"loss.lambda": 0.0})
register("lambda-0.01", "self-calibration", "a tenth of its weight", {"loss.lambda": 0.01})
register("lambda-1", "self-calibration", "ten times its weight", {"loss.lambda": 1.0})
register("mean-log", "self-calibration", "mean of the logs", {"loss.self_calibration": "mean-log"})

register("fixed-word-vectors", "attribute semantics", "word vectors not trained", {"model.train_semantics": False})
register("random-vectors", "attribute semantics", "random vectors, trained", {"model.semantics": "random"})
register("one-hot", "attribute semantics", "one separate vector per attribute, trained", {"model.semantics": "one-hot"})

# The row is left out on datasets whose features have no vectors of this name.
register("glove", "attribute semantics", "GloVe vectors, trained", {"model.semantics": "glove"})

register("ranking", "class loss", "pairwise ranking", {"loss.class_loss": "ranking"})

register("raw-regions", "region normalisation", "regions keep their length", {"model.normalise_regions": False})

# The rows of the paper's Table 1 that change several settings at once.
register("uniform-uncalibrated", None, "no attention, no calibration", UNIFORM | UNGATED | UNCALIBRATED)
register("dense-uncalibrated", None, "region attention alone", UNGATED | UNCALIBRATED)
register("uniform-calibrated", None, "calibration alone", UNIFORM | UNGATED)

# The rows of the suite `factorial` that no axis and no table of the paper has: a training of those above, or the one
# that is named here, with the other margins at test time.
register("uniform-gated-uncalibrated", None, "attribute attention alone", UNIFORM | UNCALIBRATED)


def _register_margins(name: str, margin: float) -> None:
    """The row `name` with this margin, and with one that is chosen on validation."""
    changes, label = VARIANTS[name].changes, VARIANTS[name].label
    register(f"{name}-margin-{margin:g}", None, f"{label}, margin {margin:g}", {**changes, "loss.test_margin": margin})
    register(
        f"{name}-validated-margin",
        None,
        f"{label}, margin chosen on validation",
        {**changes, "loss.test_margin": "validated"},
    )


for _name in ("uniform", "dense-calibrated", "uniform-calibrated"):
    _register_margins(_name, 0.0)
for _name in ("uniform-gated-uncalibrated", "dense-uncalibrated", "uniform-uncalibrated"):
    _register_margins(_name, 1.0)

VALIDATED = {"loss.test_margin": "validated"}


def _register_baseline(name: str, label: str, method: str, changes: Mapping[str, Any] | None = None) -> None:
    """A row of a method with its own margin, and one whose margin is chosen on validation; they share a training."""
    changes = changes or {}
    register(name, None, label, changes, method)
    register(
        f"{name}-validated-margin", None, f"{label}, margin chosen on validation", {**changes, **VALIDATED}, method
    )


_register_baseline("eszsl", "ESZSL", "eszsl")
_register_baseline("sae", "SAE, images mapped to attributes", "sae")
_register_baseline("sae-to-features", "SAE, classes mapped to features", "sae", {"model.direction": "to-features"})
_register_baseline("ridge-prototypes", "kernel ridge prototypes", "ridge-prototypes")
_register_baseline("conse", "ConSE", "conse")
_register_baseline("costa", "COSTA", "costa")
_register_baseline("wavg", "WAvg", "wavg")
_register_baseline("smo", "SMO", "smo")
_register_baseline("devise", "DeViSE", "devise")
_register_baseline("sje", "SJE", "sje")
_register_baseline("ale", "ALE", "ale")
_register_baseline("cn-zsl", "CN-ZSL", "cn-zsl")
register(
    "cn-zsl-no-normalisation",
    None,
    "CN-ZSL without class normalisation, margin chosen on validation",
    VALIDATED | {"model.class_normalisation": False},
    method="cn-zsl",
)
register(
    "cn-zsl-plain-initialisation",
    None,
    "CN-ZSL with the usual initialisation, margin chosen on validation",
    VALIDATED | {"model.initialisation": "plain"},
    method="cn-zsl",
)
MEAN, MAX = {"model.pooling": "mean"}, {"model.pooling": "max"}
_register_baseline("attribute-head-mean", "attribute head, mean of the regions", "attribute-head", MEAN)
_register_baseline("attribute-head-max", "attribute head, best region", "attribute-head", MAX)
_register_baseline("msdn", "MSDN", "msdn")
_register_baseline("transzero", "TransZero", "transzero")
