"""Artefacts: what a listener notices in an estimate of the upper band, as a few numbers in dB.

SNR and LSD sum up all errors in one number. Each of these measures names one fault: a band that is too loud or too soft, energy that is
smeared before an onset, hiss in the pauses, and sound above the edge of a recording that has none there.

Levels, pauses and the edge come from the frames of LSD, 46 ms long. Onsets need short frames: 256 samples, 5.8 ms, with hop 64, 1.5 ms.
Frames are in the plain convention, because reflected ends have sound at all frequencies. The upper band is the one above 11.025 kHz.
Signals ``(T,)`` at 44.1 kHz.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d

from audiosr_lib import spectral
from audiosr_lib.base.constants import METRIC_CLAMP, SR_HIGH, SR_LOW
from audiosr_lib.metrics import HOP_LENGTH, N_FFT, check_pair

BANDS_KHZ = ((9, 11), (11, 13), (13, 16), (16, 19), (19, 22))
# Name of each measure, and its words for tables. All are in dB, and 0 is best except for the last, which is best at its lowest.
MEASURES = {
    **{f"level_{low}_{high}_db": f"level error, {low}-{high} kHz (dB)" for low, high in BANDS_KHZ},
    "onset_db": "energy before onsets, re target (dB)",
    "pause_db": "level error in pauses (dB)",
    "beyond_edge_db": "energy above the original's edge (dB)",
}
TOP_HZ = 21500.0  # an edge above this leaves no band to measure
NO_POWER = 1e-12  # share of the whole power, -120 dB: below it a band of a 16-bit recording is empty except for rounding
# A pause is a frame this far below the loudest one. In most recordings of the corpus tuxpaint no frame is 40 dB below.
PAUSE_DB = 35.0
SHORT_FFT, SHORT_HOP, AROUND = 256, 64, 5  # samples, samples, frames; the windows of 5 frames cover 512 samples, 11.6 ms
ONSET_DB = 15.0  # at an onset the level rises at least by this
FAINT_DB = 30.0  # a rise to a level this far below the loudest frame is no onset
MISSING_DB = 20.0  # an onset that is this much weaker in the estimate is missing there, so it says nothing about smearing
LOWEST_DB = 60.0  # a level this far below the loudest frame counts as the same as any lower one


def _power(x: np.ndarray, n_fft: int, hop_length: int) -> np.ndarray:
    return np.abs(spectral.stft(x, n_fft=n_fft, hop_length=hop_length, center=False)) ** 2


def _db(ratio: np.ndarray | float) -> np.ndarray:
    """Return a ratio of powers in dB, at least -120."""
    return 10 * np.log10(np.maximum(ratio, NO_POWER))


def _pause_error(power_hat: np.ndarray, power: np.ndarray, upper: np.ndarray) -> float:
    """Return the mean over the pauses of the upper band's level, estimate minus target; NaN if there is no pause.

    The mean of levels in dB, unlike the level of the mean power, is not dominated by a single breath. The power in a bin counts as at least
    that of LSD's clamp, so digital silence has a level.
    """
    whole = power.sum(axis=0)
    pauses = whole < whole.max() * 10 ** (-PAUSE_DB / 10)
    if not pauses.any():
        return float("nan")
    levels = [_db(np.maximum(p[upper][:, pauses], METRIC_CLAMP).sum(axis=0)) for p in (power_hat, power)]
    return float(np.mean(levels[0] - levels[1]))


def _around(upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean power in the 5 frames before and in the 5 frames after each time, from the middle of frame 6 on.

    The last window before the middle of frame m is that of frame m - 2, the first one after it is that of frame m + 2.
    """
    gap = SHORT_FFT // 2 // SHORT_HOP
    means = np.convolve(upper, np.ones(AROUND) / AROUND, mode="valid")  # means[i] is that of frames i .. i + 4
    distance = AROUND - 1 + 2 * gap
    return means[:-distance], means[distance:]


def onsets(upper: np.ndarray) -> np.ndarray:
    """Return the onsets in a short-frame power (M,), as positions in the arrays of `_around`.

    An onset is the largest rise within 7 ms on each side, if it is at least 15 dB and the level after it is not faint.
    """
    before, after = _around(upper)
    rise = _db(after / before)
    peak = rise == maximum_filter1d(rise, 2 * AROUND + 1)
    return np.nonzero(peak & (rise >= ONSET_DB) & (after >= after.max() * 10 ** (-FAINT_DB / 10)))[0]


def _onset_error(y_hat: np.ndarray, y: np.ndarray) -> float:
    """Return the mean over the target's onsets of the level before re after, estimate minus target; NaN if there is none."""
    high = spectral.bin_frequencies(SHORT_FFT, SR_HIGH) > SR_LOW / 2 + 2 * SR_HIGH / SHORT_FFT  # the window spreads over two bins
    power_hat, power = (_power(x, SHORT_FFT, SHORT_HOP) for x in (y_hat, y))
    upper_hat, upper = power_hat[high].sum(axis=0), power[high].sum(axis=0)
    # Digital silence and rounding need a level too.
    floor = max(upper.max() * 10 ** (-LOWEST_DB / 10), power.sum(axis=0).max() * NO_POWER)
    upper_hat, upper = np.maximum(upper_hat, floor), np.maximum(upper, floor)
    where = onsets(upper)
    (before_hat, after_hat), (before, after) = ([part[where] for part in _around(u)] for u in (upper_hat, upper))
    there = after_hat > after * 10 ** (-MISSING_DB / 10)
    error = _db(before_hat / after_hat) - _db(before / after)
    return float(error[there].mean()) if there.any() else float("nan")


def measure(y_hat: np.ndarray, y: np.ndarray, edge_hz: float | None = None) -> dict[str, float]:
    """Return all `MEASURES` of an estimate, in dB.

    Parameters
    ----------
    y_hat, y : estimate and target, (T,) with T >= 2048.
    edge_hz : the frequency above which the original has nothing, for instance because a coder removed it; None if there is no such edge.

    Returns
    -------
    dict with
    level_9_11_db and so on : level of the band, estimate minus target; NaN if the band of the target is empty.
    onset_db : power of the upper band in the 10 ms before the target's onsets re the 10 ms after them, estimate minus target; positive if
        the estimate is smeared before the onset. NaN if the target has no onset, or the estimate none of them.
    pause_db : level of the upper band in the target's pauses, estimate minus target; NaN if no frame is 35 dB below the loudest.
    beyond_edge_db : power of the estimate above the edge re the whole power of the target; NaN if there is no edge below 21.5 kHz.

    Raises
    ------
    ValueError : the signals differ in length, are too short or not finite, or the target is silent.
    """
    y_hat, y = check_pair(y_hat, y)
    if len(y) < N_FFT:
        raise ValueError(f"{len(y)} samples are too few for one frame: give at least {N_FFT}")
    f = spectral.bin_frequencies(N_FFT, SR_HIGH)
    power_hat, power = (_power(x, N_FFT, HOP_LENGTH) for x in (y_hat, y))
    mean_hat, mean = power_hat.mean(axis=1), power.mean(axis=1)
    if not mean.any():
        raise ValueError("the target is silent: no level relative to it is defined")
    result = {}
    for low, high in BANDS_KHZ:
        band = (f >= 1000 * low) & (f < 1000 * high)
        empty = mean[band].sum() < NO_POWER * mean.sum()
        result[f"level_{low}_{high}_db"] = float("nan") if empty else float(_db(mean_hat[band].sum() / mean[band].sum()))
    result["onset_db"] = _onset_error(y_hat, y)
    result["pause_db"] = _pause_error(power_hat, power, f >= SR_LOW / 2)
    result["beyond_edge_db"] = float("nan")
    if edge_hz is not None and edge_hz <= TOP_HZ:
        beyond = f > edge_hz + 2 * SR_HIGH / N_FFT  # as above, two bins
        result["beyond_edge_db"] = float(_db(mean_hat[beyond].sum() / mean.sum()))
    return result
