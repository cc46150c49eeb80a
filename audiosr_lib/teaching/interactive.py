"""Sliders in an open notebook, and a static grid of the same states elsewhere.

In JupyterLab, VS Code and Colab, sliders select the state that is drawn. Under papermill, nbval and nbconvert, where no reader can
move a slider, the states are drawn side by side with shared axes.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from audiosr_lib.base.kernel import kernel_shell
from audiosr_lib.teaching import player

STATIC = "AUDIOSR_STATIC"  # if this environment variable is set, there are no sliders
MOST_STATES = 12  # largest number of states in a grid

Controls = Mapping[str, Sequence[Any]]


def is_live() -> bool:
    """Return whether the code runs in a notebook that is open in JupyterLab, VS Code or Colab."""
    if os.environ.get(STATIC) or (shell := kernel_shell()) is None:
        return False
    # Jupyter's server sets the environment variable for the kernels that it starts.
    return "JPY_SESSION_NAME" in os.environ or "__vsc_ipynb_file__" in shell.user_ns or "google.colab" in sys.modules


def states(controls: Controls) -> list[dict[str, Any]]:
    """Return every combination of the values of the controls; the last control varies fastest."""
    return [dict(zip(controls, values, strict=True)) for values in itertools.product(*controls.values())]


def describe(state: Mapping[str, Any]) -> str:
    """Return a state as text, for example "beta = 8.6, taps = 32"."""
    return ", ".join(f"{name.replace('_', ' ')} = {_label(value)}" for name, value in state.items())


def explore(draw: Callable[..., None], controls: Controls, *, hear: Callable[..., tuple[np.ndarray, int]] | None = None,
            grid: Controls | None = None, columns: int = 3, size: tuple[float, float] = (2.35, 2.2)) -> None:  # fmt: skip
    """Draw a state selected by sliders, or a grid of states if the notebook is not live.

    Parameters
    ----------
    draw : draw(ax, **state) draws one state into a matplotlib axes, including limits and labels.
    controls : the values of each slider, by the name of the argument of `draw`.
    hear : hear(**state) -> (x (T,), sr in Hz) returns the sound of a state; the sounds of a grid share one gain.
    grid : the values shown in the grid, at most 12 states; all of `controls` by default.
    columns : number of columns of the grid.
    size : width and height of one picture of the grid, in inches.

    Raises
    ------
    ValueError : if a control has no value, `grid` and `controls` disagree, or the grid has more than 12 states.
    """
    chosen = dict(controls if grid is None else grid)
    if set(chosen) != set(controls):
        raise ValueError(f"grid names {', '.join(chosen)}, but the controls are {', '.join(controls)}: give values for each control")
    for name in controls:
        if not len(controls[name]) or not len(chosen[name]):
            raise ValueError(f"the control {name} has no value: give at least one")
        if strange := [v for v in chosen[name] if v not in list(controls[name])]:
            raise ValueError(f"the slider {name} cannot reach the grid's {strange}: add these values to the control")
    shown = states(chosen)
    if len(shown) > MOST_STATES:
        raise ValueError(f"{len(shown)} states do not fit in a grid: select at most {MOST_STATES} with grid=")
    if is_live():
        _sliders(draw, controls, hear)
    else:
        _grid(draw, shown, hear, columns, size)


def _grid(draw, shown: list[dict[str, Any]], hear, columns: int, size: tuple[float, float]) -> None:
    import matplotlib.pyplot as plt
    from IPython.display import display

    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(columns * size[0], rows * size[1]), sharex=True, sharey=True, squeeze=False)
    for ax, state in zip(axes.flat, shown, strict=False):
        draw(ax, **state)
        ax.set_title(describe(state), fontsize=9)
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    for ax in axes.flat:
        ax.label_outer()
    if len(shown) % columns and rows > 1:  # the axes above an empty place is the lowest of its column
        for ax in axes[-2, len(shown) % columns :]:
            ax.xaxis.set_tick_params(labelbottom=True)
            ax.set_xlabel(axes[-1, 0].get_xlabel())
    plt.show()
    if hear is not None:
        display(player.players([player.Version(describe(state), *hear(**state)) for state in shown]))


def _sliders(draw, controls: Controls, hear) -> None:
    import ipywidgets
    import matplotlib.pyplot as plt
    from IPython.display import display

    shared = {"continuous_update": False, "style": {"description_width": "initial"}}
    sliders = {
        name: ipywidgets.SelectionSlider(options=[(_label(v), v) for v in values], description=name.replace("_", " "), **shared)
        for name, values in controls.items()
    }

    def update(**state: Any) -> None:
        _, ax = plt.subplots(figsize=(7, 3.6))
        draw(ax, **state)
        ax.set_title(describe(state))
        plt.show()
        if hear is not None:
            display(player.players([player.Version(describe(state), *hear(**state))]))

    display(ipywidgets.VBox([*sliders.values(), ipywidgets.interactive_output(update, sliders)]))


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
