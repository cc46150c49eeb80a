"""Constants that several modules share."""

SR_LOW, SR_HIGH = 22050, 44100  # Hz
FULL_SCALE = 32768.0  # a 16-bit sample divided by this is in [-1, 1)
METRIC_CLAMP = 1e-8  # smallest power in LSD and in spectra in dB (-80 dB); without it, digital silence would be -inf
LOSS_CLAMP = 1e-7  # smallest power in the training loss: the clamp of the coursework's program
