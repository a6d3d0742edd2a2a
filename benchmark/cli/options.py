"""From declared options to commands of typer, and from typer's usage errors to one line.

The rule: `register(app)` makes a command of a function that returns an exit code, or None for 0. Its parameters are
annotated with `Option`, or its one parameter is a `CommandOptions`. typer reads only text; the declaration checks every
value (`benchmark/cells/options.py`).
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from benchmark.cells.options import CommandOptions, check, choices, declaration
from dazle.errors import InputError, unknown

Function = TypeVar("Function", bound=Callable[..., int | None])


def register(app: typer.Typer, name: str | None = None) -> Callable[[Function], Function]:
    """A decorator that adds a function to `app` as a command, under its own name or `name`."""

    def decorator(function: Function) -> Function:
        app.command(name or function.__name__)(_command(function))
        return function

    return decorator


def _command(function: Callable[..., int | None]) -> Callable[..., None]:
    """The function with the parameters that typer understands: texts, lists of texts, and flags."""
    parameters = inspect.signature(function).parameters
    options = _options_class(parameters.values())
    if options is not None:
        parameters = inspect.signature(options).parameters

    def command(**words: Any) -> None:
        values = {name: _read(parameters[name], word) for name, word in words.items() if word not in (None, [])}
        code = function(options(**values)) if options is not None else function(**_checked(parameters, values))
        raise typer.Exit(code or 0)

    command.__doc__ = function.__doc__
    signature = inspect.Signature([_parameter(parameter) for parameter in parameters.values()])
    command.__signature__ = signature  # type: ignore[attr-defined]
    return command


def _options_class(parameters: Iterable[inspect.Parameter]) -> type[CommandOptions] | None:
    """The `CommandOptions` class of a function with one parameter; None for other functions."""
    annotations = [parameter.annotation for parameter in parameters]
    return next((kind for kind in annotations if inspect.isclass(kind) and issubclass(kind, CommandOptions)), None)


def _read(parameter: inspect.Parameter, word: Any) -> Any:
    option, _, flag = declaration(parameter.name, parameter.annotation)
    return option.read(flag, word) if option.read else word


def _checked(parameters: Mapping[str, inspect.Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: check(name, parameters[name].annotation, value) for name, value in values.items()}


def _parameter(parameter: inspect.Parameter) -> inspect.Parameter:
    option, kind, flag = declaration(parameter.name, parameter.annotation)
    required = parameter.default is inspect.Parameter.empty
    shared: dict[str, Any] = {"help": option.help + _absent(parameter), "show_default": False}
    if option.positional:
        info = typer.Argument(metavar=parameter.name.upper(), **shared)
    elif kind is bool:
        info = typer.Option(f"{flag}/--no-{flag[2:]}" if parameter.default else flag, **shared)
    else:
        metavar = option.metavar or "|".join(choices(kind))
        info = typer.Option(flag, metavar=metavar, **shared)
    text: Any = bool if kind is bool else list[str] if option.repeatable else str
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=parameter.default if required or kind is bool else _text(parameter.default),
        annotation=Annotated[text if required or kind is bool else text | None, info],
    )


def _absent(parameter: inspect.Parameter) -> str:
    """The end of the help: the value of an absent option."""
    option, kind, _ = declaration(parameter.name, parameter.annotation)
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    text = ("on" if default else None) if kind is bool else option.default_text or _text(default)
    return f"  [default: {text}]" if text else ""


def _text(default: Any) -> str | None:
    """A default as a user would type it; None if it stands for an absent option."""
    if isinstance(default, str | int | float | Path):
        return str(default)
    return ",".join(default) or None if isinstance(default, tuple) else None


class Group(TyperGroup):
    """Commands with one line for each usage error, and without names of types in their help."""

    def get_params(self, ctx: Any) -> Any:
        return _without_types(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_types(command.get_params(ctx))
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args:
            print(ctx.get_help())
            raise typer.Exit(2)
        with _one_line(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _one_line(ctx):
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands:
            raise unknown("command", args[0], self.commands, _help_of(ctx))
        return super().resolve_command(ctx, args)


def _without_types(parameters: list[Any]) -> list[Any]:
    """The parameters, which show in their help the placeholder of their value, no `<int>` and no braces."""
    for parameter in parameters:
        placeholder = parameter.metavar if parameter.param_type_name == "option" else None
        if parameter.param_type_name == "argument" and parameter.required:
            parameter.get_usage_pieces = lambda ctx, name=parameter.metavar: [name]
        parameter.display_type_rich = lambda ctx, placeholder=placeholder: placeholder
    return parameters


@contextmanager
def _one_line(ctx: Any) -> Iterator[None]:
    """Raises InputError for a usage error of typer."""
    try:
        yield
    except typer.TyperException as error:
        raise _usage_error(error, getattr(error, "ctx", None) or ctx) from None


def _usage_error(error: typer.TyperException, context: Any) -> InputError:
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        parameters = [
            parameter for parameter in context.command.get_params(context) if parameter.param_type_name == "option"
        ]
        flags = [flag for parameter in parameters for flag in (*parameter.opts, *parameter.secondary_opts)]
        return unknown("option", option, flags, _help_of(context))
    message = error.format_message().rstrip(".")
    return InputError(f"{message[:1].lower()}{message[1:]} ({_help_of(context)})")


def _help_of(context: Any) -> str:
    # The context may be that of the group whose command was parsed.
    command = f" {context.invoked_subcommand}" if context.invoked_subcommand else ""
    return f"see {context.command_path}{command} --help"
