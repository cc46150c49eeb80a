"""The notebook kernel in which the code runs, if any."""

from __future__ import annotations

import sys


def kernel_shell():
    """Return the IPython shell of the running notebook kernel, or None outside a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell if hasattr(shell, "kernel") else None


def current_cell() -> int:
    """Return the number of the running notebook cell, as in "In [7]", or 0 outside a notebook."""
    return getattr(kernel_shell(), "execution_count", 0)
