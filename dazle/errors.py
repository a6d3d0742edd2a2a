"""The one exception that means "what you gave me is wrong".

The command line prints its single line and leaves with code 2; everything else that is raised is a fault of
this project and shows its traceback. The line names the file or key, the value found, and the remedy.
"""


class InputError(Exception):
    """Bad input; `str()` is one line: where, what was found, what to do."""
