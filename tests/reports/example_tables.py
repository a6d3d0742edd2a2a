"""Tables that the tests of the writers share."""

from reports.table import Column, Mark, Table, TableCell, TableRow, gap

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "100 % of _all_ #1 & $x^2$ ~ {a}",
    "a | b \\| c \\",
    "\\input{/etc/passwd} \\end{document}",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "line\nbreak\r\n\r\nagain\tand\0nul",
    "*bold* **b** `code` ![x](http://x/) [y](javascript:alert(1)) ~~no~~",
    "[1ex] after a line end",
    "* after a line end",
    "# heading",
    "鸟 птица طائر 🐦 e\u0301",
    "\u202egnihtemos",
    "x" * 5000,
    "-- --- ,, `` '' << >>",
    "&lt;b&gt; &amp; &#60;",
)


def small() -> Table:
    """Two groups of columns, every kind of cell, every mark, a footnote that two cells share."""
    return Table(
        name="small",
        caption="SIMULATED features; H in percent.",
        columns=(
            Column("axis", kind="text", grouped=True),
            Column("variant", kind="text"),
            Column("H", group="cub"),
            Column("ΔH", group="cub", signed=True),
            Column("H", group="sun"),
        ),
        rows=(
            TableRow("dazle", (TableCell(text=""), TableCell(text="dazle"), TableCell(62.04, spread=1.96, marks=(Mark.BEST,)), TableCell(text=""), TableCell(30.0))),
            TableRow("a_b", (TableCell(text="region"), TableCell(text="a_b"), TableCell(61.25, spread=0.5, marks=(Mark.TIED,)), TableCell(-0.79, low=-1.5, high=-0.01), gap("seed 0: failed"))),
            TableRow("c", (TableCell(text="region"), TableCell(text="c"), TableCell(50.0, marks=(Mark.UNVERIFIED, Mark.ORACLE)), TableCell(0.04), gap("seed 0: failed"))),
        ),
        notes=("3 seeds.",),
        constants={"source": "simulated"},
    )  # fmt: skip


def hostile(name: str) -> Table:
    """A table that says `name` wherever a text can stand."""
    return Table(
        name="hostile",
        caption=name,
        columns=(Column(name, kind="text", group=name), Column("H", group=name)),
        rows=(
            TableRow(name, (TableCell(text=name, notes=(name,)), TableCell(1.0, marks=(Mark.TIED,)))),
            TableRow("x", (TableCell(text=name), gap(name))),
        ),
        notes=(name,),
        constants={"source": name},
    )
