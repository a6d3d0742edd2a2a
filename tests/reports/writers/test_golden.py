"""One small table, printed by each writer exactly so."""

from reports.table import Column, Table, TableCell, TableRow
from reports.writers import csv, html, latex, markdown
from tests.reports.example_tables import small

MARKDOWN = """\
**Table 3.** SIMULATED features; H in percent.

| axis   | variant   |          cub H |           cub ΔH |   sun H |
|:-------|:----------|---------------:|-----------------:|--------:|
|        | dazle     | **62.0 ± 2.0** |                  |    30.0 |
| region | a_b       |   61.2 ± 0.5 ‡ | -0.8 [-1.5, 0.0] |   — (a) |
|        | c         |        50.0 †? |              0.0 |   — (a) |

- bold: the best of its column
- ‡: not significantly different from the best in its column (paired t test with Holm over the rows, 5 %)
- †: oracle protocol: the epoch was chosen on test images
- ?: not verified in the primary source
- 3 seeds.
- (a) seed 0: failed
"""

LATEX = r"""\begin{table}[tbp]
\centering\footnotesize
\caption{SIMULATED features; H in percent.}
\label{tab:small}
\sbox0{%
\begin{tabular}{llrrr}
\toprule
\multicolumn{2}{c}{} & \multicolumn{2}{c}{cub} & sun \\
axis & variant & H & $\Delta$H & H \\
\midrule
 & dazle & \textbf{62.0 $\pm$ 2.0} &  & 30.0 \\
region & a\_b & 61.2 $\pm$ 0.5\,\textdaggerdbl{} & $-$0.8 [$-$1.5, 0.0] & ---\textsuperscript{a} \\
 & c & 50.0\,\textdagger{}? & 0.0 & ---\textsuperscript{a} \\
\bottomrule
\end{tabular}
}%
\ifdim\wd0>\linewidth\sbox0{\resizebox{\linewidth}{!}{\usebox0}}\fi
\ifdim\dimexpr\ht0+\dp0\relax>.7\textheight\sbox0{\resizebox*{!}{.7\textheight}{\usebox0}}\fi
\usebox0
\par\smallskip\parbox{\linewidth}{\footnotesize bold: the best of its column\\ \textdaggerdbl{}: not significantly different from the best in its column (paired t test with Holm over the rows, 5 \%)\\ \textdagger{}: oracle protocol: the epoch was chosen on test images\\ ?: not verified in the primary source\\ 3 seeds.\\ (a) seed 0: failed}
\end{table}
"""

HTML = """\
<figure class="table" id="table-small">
<figcaption>SIMULATED features; H in percent.</figcaption>
<div class="scroll"><table>
<thead>
<tr><td colspan="2"></td><th scope="colgroup" colspan="2">cub</th><th scope="colgroup" colspan="1">sun</th></tr>
<tr><th scope="col" data-kind="text">axis</th><th scope="col" data-kind="text">variant</th><th scope="col" data-kind="number">H</th><th scope="col" data-kind="number">ΔH</th><th scope="col" data-kind="number">H</th></tr>
</thead>
<tbody>
<tr data-key="dazle"><td class="text" data-sort=""></td><td class="text" data-sort="dazle">dazle</td><td class="number" data-sort="62.04"><strong>62.0 ± 2.0</strong></td><td class="number" data-sort=""></td><td class="number" data-sort="30.0">30.0</td></tr>
<tr data-key="a_b"><td class="text" data-sort="region">region</td><td class="text" data-sort="a_b">a_b</td><td class="number" data-sort="61.25">61.2 ± 0.5 <sup>‡</sup></td><td class="number" data-sort="-0.79">-0.8 [-1.5, 0.0]</td><td class="number" data-sort="">—<sup><a href="#table-small-a">a</a></sup></td></tr>
<tr data-key="c"><td class="text" data-sort="region">region</td><td class="text" data-sort="c">c</td><td class="number" data-sort="50.0">50.0 <sup>†?</sup></td><td class="number" data-sort="0.04">0.0</td><td class="number" data-sort="">—<sup><a href="#table-small-a">a</a></sup></td></tr>
</tbody>
</table></div>
<ul class="notes"><li>bold: the best of its column</li><li>‡: not significantly different from the best in its column (paired t test with Holm over the rows, 5 %)</li><li>†: oracle protocol: the epoch was chosen on test images</li><li>?: not verified in the primary source</li><li>3 seeds.</li><li id="table-small-a">(a) seed 0: failed</li></ul></figure>
"""

CSV = """\
source,axis,variant,cub H,cub H sd,cub H marks,cub ΔH,cub ΔH low,cub ΔH high,sun H,notes
simulated,,dazle,62.04,1.96,best,,,,30.0,
simulated,region,a_b,61.25,0.5,tied,-0.79,-1.5,-0.01,,seed 0: failed
simulated,region,c,50.0,,unverified oracle,0.04,,,,seed 0: failed
"""


def test_markdown() -> None:
    assert markdown.render(small(), 3) == MARKDOWN
    assert markdown.render(small()).startswith("SIMULATED")


def test_latex() -> None:
    assert latex.render(small()) == LATEX


def test_html() -> None:
    assert html.render(small()) == HTML


def test_csv() -> None:
    assert csv.render(small()) == CSV


def test_a_range_has_columns_of_its_own_in_csv() -> None:
    cell = TableCell(0.75, smallest=0.0, largest=1.6)
    table = Table("gain", "", (Column("gain", signed=True),), (TableRow("dazle", (cell,)),))
    assert csv.render(table) == "gain,gain min,gain max\n0.75,0.0,1.6\n"
    assert "+0.8 (0.0 to +1.6)" in markdown.render(table) and "+0.8 (0.0 to +1.6)" in latex.render(table)


def test_a_table_without_rows_and_groups() -> None:
    table = Table("empty", "Nothing yet", (Column("variant", kind="text"), Column("H")), ())
    assert [line.split() for line in markdown.render(table).splitlines()[2:3]] == [["|", "variant", "|", "H", "|"]]
    assert "variant & H" in latex.render(table)
    assert "<tbody>\n\n</tbody>" in html.render(table)
    assert csv.render(table) == "variant,H\n"


def test_long_texts_are_broken_into_lines_in_latex() -> None:
    table = Table("long", "", (Column("change", kind="text"),), (TableRow("a", (TableCell(text="word " * 20),)),))
    assert r"\begin{tabular}{>{\raggedright\arraybackslash}p{55mm}}" in latex.render(table)


def test_a_markdown_document_numbers_its_tables() -> None:
    text = markdown.document([small(), small()], "Suite *x*", ["A note."])
    assert text.startswith("# Suite \\*x\\*\n\nA note.\n\n**Table 1.** SIMULATED")
    assert text.count("\n\n**Table 2.** SIMULATED") == 1
