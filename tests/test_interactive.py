"""Sliders and their static grid show the same states."""

import sys

import nbformat
import numpy as np
import pytest

from audiosr_lib.base import kernel
from audiosr_lib.teaching import interactive


@pytest.fixture(autouse=True)
def pictures(monkeypatch):
    """Agg, and every figure that would be shown."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    yield shown
    plt.close("all")


@pytest.fixture
def displayed(monkeypatch):
    import IPython.display

    objects = []
    monkeypatch.setattr(IPython.display, "display", objects.append)
    return objects


def line(ax, slope, shift):
    ax.plot([0, 1], [shift, shift + slope])
    ax.set(xlabel="x", ylabel="y")


def tone(slope, shift):
    return slope / 4 * np.sin(np.arange(800) * shift), 8000


CONTROLS = {"slope": (1, 2.5), "shift": (0.5, 0.25)}


def test_grid_draws_every_state_once_with_shared_axes(pictures, displayed):
    interactive.explore(line, CONTROLS, hear=tone)
    (fig,) = pictures
    drawn = [ax for ax in fig.axes if ax.lines]
    assert [ax.get_title() for ax in drawn] == [
        "slope = 1, shift = 0.5", "slope = 1, shift = 0.25", "slope = 2.5, shift = 0.5", "slope = 2.5, shift = 0.25",
    ]  # fmt: skip
    assert [tuple(ax.lines[0].get_ydata()) for ax in drawn] == [(0.5, 1.5), (0.25, 1.25), (0.5, 3.0), (0.25, 2.75)]
    assert len({ax.get_ylim() for ax in drawn}) == 1
    (players,) = displayed
    assert players.data.count("<audio") == 4 and "slope = 2.5, shift = 0.25" in players.data


def test_grid_can_be_a_selection(pictures):
    many = {"slope": range(20), "shift": range(20)}
    with pytest.raises(ValueError, match="400 states do not fit"):
        interactive.explore(line, many)
    interactive.explore(line, many, grid={"slope": (3,), "shift": (0, 19)})
    assert [ax.get_title() for ax in pictures[0].axes] == ["slope = 3, shift = 0", "slope = 3, shift = 19"]
    with pytest.raises(ValueError, match="cannot reach"):
        interactive.explore(line, many, grid={"slope": (3,), "shift": (20,)})
    with pytest.raises(ValueError, match="the controls are"):
        interactive.explore(line, many, grid={"slop": (3,), "shift": (2,)})
    with pytest.raises(ValueError, match="no value"):
        interactive.explore(line, {"slope": (), "shift": (1,)})


def test_sliders_redraw(pictures, displayed, monkeypatch):
    monkeypatch.setattr(interactive, "is_live", lambda: True)
    interactive.explore(line, CONTROLS, hear=tone)
    box = displayed[-1]
    slope, shift = box.children[:2]
    assert (slope.description, shift.description) == ("slope", "shift")
    assert tuple(pictures[-1].axes[0].lines[0].get_ydata()) == (0.5, 1.5)
    slope.value = 2.5
    shift.value = 0.25
    assert tuple(pictures[-1].axes[0].lines[0].get_ydata()) == (0.25, 2.75)
    assert pictures[-1].axes[0].get_title() == "slope = 2.5, shift = 0.25"


@pytest.mark.parametrize(("environment", "live"), [({}, False), ({"JPY_SESSION_NAME": "a.ipynb"}, True),
                                                   ({"JPY_SESSION_NAME": "a.ipynb", interactive.STATIC: "1"}, False)])  # fmt: skip
def test_a_kernel_knows_whether_somebody_has_it_open(environment, live, monkeypatch):
    from nbclient import NotebookClient

    for name in ("JPY_SESSION_NAME", interactive.STATIC):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code = "from audiosr_lib.teaching import interactive\nprint(interactive.is_live())"
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(nb, kernel_name="python3").execute()
    assert nb.cells[0].outputs[0]["text"].strip() == str(live)


def test_outside_a_notebook_nothing_is_live(monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    assert not interactive.is_live()


def test_the_kernels_shell(monkeypatch):
    import IPython

    class Shell:
        pass

    assert kernel.kernel_shell() is None
    shell = Shell()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    assert kernel.kernel_shell() is None  # IPython in a terminal
    shell.kernel = "some"
    assert kernel.kernel_shell() is shell
    monkeypatch.delitem(sys.modules, "IPython")
    assert kernel.kernel_shell() is None
