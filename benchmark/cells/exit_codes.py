"""The exit codes of the command line; other programs depend on them."""

COMPLETE = 0
REGRESSED = 1  # and nothing else
BAD_INPUT = 2
INCOMPLETE = 3  # failed or missing cells
FAULT = 70  # of this project; its traceback is on stderr
INTERRUPTED = 130
BROKEN_PIPE = 141  # the reader of the output ended before the command
