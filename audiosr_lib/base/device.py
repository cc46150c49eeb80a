"""The device that networks run on."""

from __future__ import annotations

from audiosr_lib.base.errors import StudyError

DEVICES = ("auto", "cpu", "cuda")


class NoGPU(StudyError):
    """CUDA was asked for on a machine without it."""


def device_for(wanted: str) -> str:
    """Return "cpu" or "cuda".

    Parameters
    ----------
    wanted : "auto" (CUDA where there is a GPU), "cpu" or "cuda".

    Raises
    ------
    NoGPU : "cuda" was asked for and there is no GPU.
    """
    import torch

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        why = "this PyTorch is built without CUDA" if torch.version.cuda is None else "no GPU or driver was found"
        raise NoGPU(f"--device cuda: no CUDA GPU, {why}. Use --device cpu, or auto, which takes a GPU where there is one.")
    if not available or wanted == "cpu":
        return "cpu"
    torch.backends.cudnn.allow_tf32 = False  # the rounding of TF32 fills near-silent bins, and LSD measures them
    return "cuda"
