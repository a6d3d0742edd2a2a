"""The one exception that means "what you gave me is wrong".

The command line prints its single line and leaves with code 2; everything else that is raised is a fault of
this project and shows its traceback. The line names the file or key, the value found, and the remedy.
"""

# A line that nobody would read to its end; the place stands at its beginning and the remedy at its end.
LONGEST = 2000


class InputError(Exception):
    """Bad input; `str()` is one line: where, what was found, what to do.

    What is quoted may come from a hostile file: line ends and control characters are written as their escapes.
    """

    def __str__(self) -> str:
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())
        return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} [..] {line[-LONGEST // 2 :]}"
