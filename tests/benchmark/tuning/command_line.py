"""Commands in this process, with whatever they raise."""

from typer.testing import CliRunner

from benchmark.cli import app


def invoke(*words: str) -> str:
    """What the command printed."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    return result.output
