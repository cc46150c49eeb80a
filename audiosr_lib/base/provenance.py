"""The commit, the machine and the package versions that produced a result."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from audiosr_lib.base import paths

PACKAGES = ("numpy", "scipy", "pandas", "librosa", "resampy", "numba", "soxr", "soundfile", "torch", "matplotlib",
            "seaborn", "ipython", "ipykernel", "papermill", "nbformat")  # fmt: skip


def _output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def git_commit() -> str:
    """Return the commit of the code, plus "-modified" if files outside figures/ differ from it; "unknown" without git."""
    git = ("git", "-C", str(paths.REPOSITORY))
    try:
        commit = _output_of(*git, "rev-parse", "HEAD")
        changed = _output_of(*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!figures")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("-modified" if changed else "")


def cpu_name() -> str:
    """Return the name of the processor and the number of cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = platform.processor() or platform.machine()
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        name = found[1].strip() if found else name
    except OSError:
        pass
    return f"{name}, {cores} cores"


def device_description() -> dict[str, str]:
    """Return processor, threads, system and, if there is a GPU, its name, CUDA version and driver version."""
    import torch

    described = {"cpu": cpu_name(), "torch_threads": str(torch.get_num_threads()), "system": platform.system()}
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name(0)
        described["cuda"] = str(torch.version.cuda)
        try:
            described["driver"] = _output_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").split("\n")[0]
        except (OSError, subprocess.CalledProcessError):
            described["driver"] = "unknown"
    return described


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect the results."""
    return {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in PACKAGES}
