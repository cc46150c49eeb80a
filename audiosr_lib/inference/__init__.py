"""Using a trained network.

systems    the systems that the study compares: Kaiser fast, Kaiser best, the networks
weights    the trained networks there are, published and own
deployed   the networks in a form for recordings
chunks     recordings of any length, in parts without seams
timing     speed and memory
cli        the command audiosr
"""

from audiosr_lib.base.labels import SYSTEMS
from audiosr_lib.inference.deployed import Deployed, deploy
from audiosr_lib.inference.systems import (
    Polyphase,
    all_systems,
    enhance,
    fuse_batch_norm,
    load_model,
    multiply_accumulates,
    super_resolve,
)

__all__ = [
    "SYSTEMS", "Deployed", "Polyphase", "all_systems", "deploy", "enhance", "fuse_batch_norm", "load_model", "multiply_accumulates",
    "super_resolve",
]  # fmt: skip
