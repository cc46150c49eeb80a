"""The notebook kernel that the code runs in, if there is one."""

from __future__ import annotations

import sys


def kernel_shell():
    """Return the IPython shell of the running notebook kernel; None outside of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell if hasattr(shell, "kernel") else None


def current_cell() -> int:
    """Return the number of the running notebook cell, as in "In [7]"; 0 outside of a notebook."""
    return getattr(kernel_shell(), "execution_count", 0)
