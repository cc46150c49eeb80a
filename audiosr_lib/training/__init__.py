"""Training the networks: the U-Net as in sections 2.5 and 2.6 of the coursework, and the light network.

config        the settings of a training, and its result
networks      how each network is made, scored and optimised
batches       batches from the memory-mapped files or from device memory
variation     random versions of the pairs of the light network
distributed   several processes, one for each GPU
log           the CSV files and TensorBoard scalars of a training
checkpoint    the folder of a training and its checkpoints
loop          the training step, the validation and the loop around them
adaptation    going on from trained weights on a few recordings
cli           training on the command line
"""

from audiosr_lib.training.config import SWITCHES, TrainingConfig, TrainingResult
from audiosr_lib.training.log import read_log, smooth
from audiosr_lib.training.loop import new_model, train, train_step, validate

__all__ = ["SWITCHES", "TrainingConfig", "TrainingResult", "new_model", "read_log", "smooth", "train", "train_step", "validate"]
