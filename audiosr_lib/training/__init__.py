"""Training the U-Net: sections 2.5 and 2.6 of the coursework.

config        what decides a training, as plain numbers
batches       batches from the memory map, or from the memory of the device
distributed   several processes, one for each GPU
log           the CSV files and TensorBoard scalars of a training
checkpoint    the folder of a training, saved whole and continued
loop          the training step, the validation and the loop around them
cli           training without a notebook
"""

from audiosr_lib.training.config import SWITCHES, TrainingConfig, TrainingResult
from audiosr_lib.training.log import read_log, smooth
from audiosr_lib.training.loop import new_model, train, train_step, validate

__all__ = ["SWITCHES", "TrainingConfig", "TrainingResult", "new_model", "read_log", "smooth", "train", "train_step", "validate"]
