"""What a result was made with: the commit, the machine and the packages."""

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


def git_commit() -> str:
    """Commit of the code, with "-modified" if files other than the record differ from it; "unknown" without git."""
    try:
        git = ["git", "-C", str(paths.REPOSITORY)]
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        status = [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!figures"]
        changed = subprocess.run(status, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("-modified" if changed else "")


def cpu_name() -> str:
    """Name of the processor and the number of cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = platform.processor() or platform.machine()
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        name = found[1].strip() if found else name
    except OSError:
        pass
    return f"{name}, {cores} cores"


def device_description() -> dict[str, str]:
    """The machine as the manifest names it: processor, and GPU with its driver where there is one."""
    import torch

    described = {"cpu": cpu_name(), "torch_threads": str(torch.get_num_threads()), "system": platform.system()}
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name(0)
        described["cuda"] = str(torch.version.cuda)
        try:
            query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            described["driver"] = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\n")[0]
        except (OSError, subprocess.CalledProcessError):
            described["driver"] = "unknown"
    return described


def versions() -> dict[str, str]:
    """Python and the packages that decide the numbers."""
    return {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in PACKAGES}
