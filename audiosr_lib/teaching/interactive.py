"""Sliders where somebody can move them, and a grid of the same states where nobody can.

One function draws one state. In JupyterLab, VS Code or Colab it hangs on sliders; under papermill, nbval or nbconvert, whose result is read
without a kernel, every state of the sliders (or a stated selection) is drawn side by side with shared axes, and its sound gets a player.
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

STATIC = "AUDIOSR_STATIC"  # set in the environment: never sliders
MOST_STATES = 12  # of a grid

Controls = Mapping[str, Sequence[Any]]


def is_live() -> bool:
    """True if this code runs in a notebook that a person has open, as far as the environment tells."""
    if os.environ.get(STATIC):
        return False
    shell = kernel_shell()
    if shell is None:
        return False
    # Jupyter's server names the session in the environment of the kernels it starts; VS Code and Colab leave their own marks.
    return "JPY_SESSION_NAME" in os.environ or "__vsc_ipynb_file__" in shell.user_ns or "google.colab" in sys.modules


def states(controls: Controls) -> list[dict[str, Any]]:
    """Every combination of the controls' values, the last control fastest."""
    return [dict(zip(controls, values, strict=True)) for values in itertools.product(*controls.values())]


def describe(state: Mapping[str, Any]) -> str:
    """A state in a few words: "beta = 8.6, taps = 32"."""
    return ", ".join(f"{name.replace('_', ' ')} = {_label(value)}" for name, value in state.items())


def explore(draw: Callable[..., None], controls: Controls, *, hear: Callable[..., tuple[np.ndarray, int]] | None = None,
            grid: Controls | None = None, columns: int = 3, size: tuple[float, float] = (2.35, 2.2)) -> None:  # fmt: skip
    """Show what `draw` draws, with a slider for each control, or as a grid of states if nobody can move a slider.

    Parameters
    ----------
    draw : draw(ax, **state) draws one state into a matplotlib axes, limits and labels too.
    controls : the values of each slider, by the name of draw's argument.
    hear : hear(**state) -> (x (T,), sr in Hz), a sound to play beside it; all players share one gain in the grid.
    grid : the values shown in the grid; all of `controls` by default. At most 12 states.
    columns, size : of the grid; size in inches of one small picture.

    Raises
    ------
    ValueError : if a control has no value, `grid` names others than `controls`, or the grid has more than 12 states.
    """
    chosen = dict(controls if grid is None else grid)
    if set(chosen) != set(controls):
        raise ValueError(f"grid is about {', '.join(chosen)}, the controls are {', '.join(controls)}")
    for name in controls:
        if not len(controls[name]) or not len(chosen[name]):
            raise ValueError(f"the control {name} has no value")
        if strange := [v for v in chosen[name] if v not in list(controls[name])]:
            raise ValueError(f"the slider {name} cannot reach {strange} of the grid")
    shown = states(chosen)
    if len(shown) > MOST_STATES:
        raise ValueError(f"{len(shown)} states do not fit a grid: choose at most {MOST_STATES} by grid=")
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
    for ax, state in itertools.zip_longest(axes.flat, shown):
        if state is None:
            ax.set_axis_off()
            continue
        draw(ax, **state)
        ax.set_title(describe(state), fontsize=9)
    for ax in axes.flat:
        ax.label_outer()
    if len(shown) % columns and rows > 1:  # above an empty place, the axes is the lowest of its column
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

    style = {"description_width": "initial"}
    sliders = {
        name: ipywidgets.SelectionSlider(
            options=[(_label(v), v) for v in values], description=name.replace("_", " "), continuous_update=False, style=style
        )
        for name, values in controls.items()
    }  # fmt: skip

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
