"""The figures of a run: one module a kind of figure, `drawing` for all of them."""
