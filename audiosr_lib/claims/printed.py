"""The numbers that the coursework prints."""

from audiosr_lib.base.constants import LOSS_CLAMP
from audiosr_lib.base.labels import LABELS, SYSTEMS

PRINTED_SNR = {"kaiser_fast": 6.091, "kaiser_best": 6.165, "unet": 11.067}  # dB, Table 2
PRINTED_LSD = {"kaiser_fast": 6.272, "kaiser_best": 6.119, "unet": 2.6916}  # Table 2
PRINTED_SPEED = {"kaiser_fast": 170.0, "kaiser_best": 22.8, "unet": 55.5}  # seconds of audio per second, Table 3
PROGRAM_CLAMP = LOSS_CLAMP  # on power, in stft() of Appendix A
NAMES = {s: LABELS[s] for s in SYSTEMS} | {"unet": "the U-Net"}  # for a sentence about the coursework; measured here is the trained U-Net
QUOTIENTS = {above: PRINTED_SPEED[above] / PRINTED_SPEED["kaiser_best"] for above in ("unet", "kaiser_fast")}
