"""The declaration of options: what it refuses, how it checks values, and that its choices are those of the registries."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pytest

from benchmark.cells.options import CLASS_FOLDS, POSITIVE, CommandOptions, Option, check, choices, read_names
from dazle.errors import InputError


def test_a_field_without_an_option_is_refused_when_its_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"option speed: declare it as Annotated\[type, Option"):

        @dataclass(frozen=True)
        class Undeclared(CommandOptions):
            speed: int = 1


def test_an_option_of_cells_has_to_state_whether_it_changes_a_result() -> None:
    with pytest.raises(TypeError, match=r"option speed: state changes_result=True if it can .* reach Cell\.identity"):

        @dataclass(frozen=True)
        class Unmarked(CommandOptions, marked=True):
            speed: Annotated[int, Option("Speed.")] = 1


@dataclass(frozen=True)
class Options(CommandOptions, marked=True):
    source: Annotated[Literal["real", "simulated"], Option("Source.", changes_result=True)]
    names: Annotated[Sequence[Literal["a", "b"]], Option("Names.", "A,B", changes_result=True, read=read_names)] = ()
    seeds: Annotated[int | None, Option("Seeds.", "N", changes_result=True, limits=POSITIVE)] = None
    out_folder: Annotated[Path, Option("Folder.", "FOLDER", changes_result=False)] = Path("runs")


def test_values_become_the_declared_types() -> None:
    options = Options("real", seeds="3", out_folder="elsewhere")  # type: ignore[arg-type]
    assert (options.seeds, options.out_folder) == (3, Path("elsewhere"))
    assert Options("real") == Options("real", (), None, Path("runs"))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"source": "fake"}, "--source 'fake' is not one of real, simulated"),
        ({"names": ["a", "c"]}, "--names 'c' is not one of a, b"),
        ({"names": "a"}, "--names 'a' is refused ("),
        ({"seeds": 0}, "--seeds 0 is less than 1"),
        ({"out_folder": 3}, "--out-folder 3 is not a path"),
    ],
)
def test_a_value_that_is_not_valid_is_one_line(values: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as error:
        Options(**{"source": "real"} | values)
    assert str(error.value).startswith(line)


def test_the_two_lists_derive_from_the_marks() -> None:
    assert Options.changing_result() == {"source", "names", "seeds"}
    assert Options.changing_result(False) == {"out_folder"}


def test_a_positional_is_named_as_in_the_help() -> None:
    with pytest.raises(InputError, match=r"^WHAT 'x' is not one of a, b$"):
        check("what", Annotated[Literal["a", "b"], Option("What.", positional=True)], "x")


def test_choices_are_those_of_the_registries() -> None:
    from benchmark.cells.options import Source
    from benchmark.cli.data import DatasetName
    from benchmark.cli.folder_commands import Protocol
    from benchmark.throughput.comparisons import COMPARISONS
    from benchmark.throughput.measurements import PRECISIONS
    from benchmark.throughput.options import Comparison, Precision
    from benchmark.tuning.objective import METRICS
    from benchmark.tuning.options import TuneOptions
    from benchmark.tuning.sampling import PRUNERS, SAMPLERS
    from dazle.datasets.spec import names
    from dazle.features.splits import FOLDS
    from reports.analysis.protocols import PROTOCOLS

    assert get_args(Precision) == tuple(PRECISIONS)
    assert get_args(Comparison) == tuple(COMPARISONS)
    assert get_args(DatasetName) == names()
    assert choices(get_args(Protocol)[0]) == tuple(PROTOCOLS)
    assert choices(get_args(Source)[0]) == ("auto", "real", "simulated")
    studies = {name: choices(get_args(annotation)[0]) for name, annotation in TuneOptions.declarations.items()}
    assert studies["objective"] == METRICS
    assert studies["sampler"] == tuple(SAMPLERS)
    assert studies["pruner"] == tuple(PRUNERS)
    assert CLASS_FOLDS == FOLDS
