"""What stands on an attention map, and where."""

import numpy as np
import pytest

from reports.figures import attention as module
from reports.figures import style
from reports.figures.attention import AttributeMap, attention

WEIGHTS = np.array([[0.1, 0.0, 0.0], [0.0, 0.0, 0.7], [0.2, 0.0, 0.0]])


def drawn(maps, photograph, monkeypatch):
    figures = []
    monkeypatch.setattr(module, "finish", lambda figure, *rest: figures.append(figure))
    with style.style():
        attention(maps, photograph, "name", "title", "caption", "real")
    return figures[0].axes


def test_the_cross_and_the_square_lie_on_their_cells(monkeypatch):
    axes = drawn([AttributeMap("bill", 0.5, WEIGHTS, [(2, 1)])], None, monkeypatch)[0]
    [cross] = axes.lines
    assert (list(cross.get_xdata()), list(cross.get_ydata())) == ([2], [1])  # column, row
    [square] = axes.patches
    middle = (square.get_x() + square.get_width() / 2, square.get_y() + square.get_height() / 2)
    assert middle == pytest.approx((1, 2))
    assert axes.get_title() == "bill\n+0.50, peak 0.70"


@pytest.mark.parametrize("count, photograph", [(1, None), (3, None), (6, None), (6, np.zeros((4, 4, 3)))])
def test_every_map_has_a_panel_and_the_last_one_is_the_legend(count, photograph, monkeypatch):
    axes = drawn([AttributeMap(f"a{n}", 0.0, WEIGHTS) for n in range(count)], photograph, monkeypatch)
    titles = [panel.get_title().split("\n")[0] for panel in axes if panel.get_title()]
    assert [title for title in titles if title.startswith("a")][-count:] == [*(f"a{n}" for n in range(count))]
    assert axes[-1].get_legend() is not None and not axes[-1].images


def test_a_long_or_strange_name_stays_a_name(monkeypatch):
    axes = drawn([AttributeMap("has_$x_{" * 20 + "\n", 0.1, WEIGHTS)], None, monkeypatch)[0]
    assert axes.get_title().count("\n") == 1 and len(axes.get_title().split("\n")[0]) == module.LONGEST


@pytest.mark.parametrize("rows, columns", [(2, 3), (7, 7), (16, 4)])
def test_a_map_covers_its_photograph_on_every_grid(rows, columns, monkeypatch):
    """A photograph of any shape keeps it: its height / width, in units of the panel."""
    weights = np.arange(rows * columns).reshape(rows, columns) / 100
    panel = drawn([AttributeMap("bill", 0.5, weights)], np.zeros((30, 20, 3)), monkeypatch)[1]
    photograph, attribute_map = panel.images
    assert photograph.get_extent() == attribute_map.get_extent() == [-0.5, columns - 0.5, rows - 0.5, -0.5]
    assert panel.get_aspect() * rows / columns == pytest.approx(30 / 20)
    assert panel.lines[0].get_xdata() == [columns - 1] and panel.lines[0].get_ydata() == [rows - 1]
