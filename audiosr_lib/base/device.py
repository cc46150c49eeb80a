"""The device on which networks run."""

from __future__ import annotations

from audiosr_lib.base.errors import StudyError

DEVICES = ("auto", "cpu", "cuda")


class NoGPU(StudyError):
    """CUDA is requested on a machine without a CUDA GPU."""


def device_for(wanted: str) -> str:
    """Return "cpu" or "cuda".

    Parameters
    ----------
    wanted : "auto" (CUDA if there is a GPU), "cpu" or "cuda".

    Raises
    ------
    NoGPU : `wanted` is "cuda" and there is no GPU.
    """
    import torch

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        why = "this PyTorch is built without CUDA" if torch.version.cuda is None else "no GPU or driver was found"
        raise NoGPU(f"--device cuda: no CUDA GPU is available ({why}). Use --device cpu, or auto, which uses a GPU if there is one.")
    if not available or wanted == "cpu":
        return "cpu"
    torch.backends.cudnn.allow_tf32 = False  # TF32 rounding adds noise to near-silent bins, which LSD measures
    return "cuda"
