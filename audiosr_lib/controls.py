"""Controls: three simple methods that fill the upper band without a network.

A network is worth its cost only if it beats them. All three keep the input x below `start_hz` and add a band from there on:

    noise         Gaussian noise; its level in each bin is a straight line of the level of the known band, a[k] + b[k] g[m]
    folding       the mirror image of the known band, (-1)^n x[n], times a gain that falls by so many dB per kHz
    replication   the top of the known band, copied upwards, times one gain for each bin

The parameters come from pairs (x, y) of the training speakers, by least squares in log10 of the power in the bins of LSD, which is the
error that LSD scores. x is a 22.05 kHz signal interpolated by kaiser_fast, y the original. Signals ``(T,)`` at 44.1 kHz.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from audiosr_lib import metrics, resampling, signals, spectral
from audiosr_lib.base.constants import SR_HIGH, SR_LOW
from audiosr_lib.base.labels import CONTROLS  # noqa: F401 - the names of the controls
from audiosr_lib.metrics import HOP_LENGTH, N_FFT

# Width in bins of the band below `start_hz` that both the level of the noise and the copies come from: 2.4 kHz. On training speakers,
# wider bands give a larger LSD. From one frame to the next, a shift by S bins turns the phase by 2 pi S HOP_LENGTH / N_FFT = 2 pi S / 4:
# whole turns if S is a multiple of 4, so a copied tone is a pure tone.
WIDTH = 112
# A bin of noise has an exponentially distributed power. The mean of its log10 is this much below the log10 of its mean.
LOG_OF_MEAN = np.euler_gamma / np.log(10)  # 0.2507, which is 2.5 dB


def start_hz() -> float:
    """Return the cut-off of kaiser_fast in Hz, 9572: from there on the input is faded and has to be filled."""
    return resampling.shipped_filter("kaiser_fast").rolloff * SR_LOW / 2


def first_bin() -> int:
    """Return the first bin at or above `start_hz`."""
    return int(np.ceil(start_hz() * N_FFT / SR_HIGH))


def _checked(x: np.ndarray) -> np.ndarray:
    """Return a signal as float64. Raises ValueError if it is not mono, too short for one frame, or not finite."""
    if x.ndim != 1 or len(x) <= N_FFT // 2:
        raise ValueError(f"expected a mono signal of more than {N_FFT // 2} samples, got the shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("the signal has NaN or infinite samples: all must be finite")
    return np.asarray(x, dtype=np.float64)


class Control:
    """A method that fills the upper band; the subclasses define `upper`."""

    def __call__(self, x: np.ndarray, index: int = 0) -> np.ndarray:
        """Return the estimate of the original, (T,) float64, equal to `x` below `start_hz` except for rounding.

        Parameters
        ----------
        x : (T,) with T > 1024.
        index : of the utterance; it seeds the noise, so the same index gives the same estimate.

        Raises
        ------
        ValueError : if `x` is too short, not mono or not finite.
        """
        x = _checked(x)
        return x + signals.band(self.upper(x, np.random.default_rng(index)), SR_HIGH, start_hz(), SR_HIGH)

    def upper(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the signal whose band from `start_hz` on is added to `x`."""
        raise NotImplementedError


def known_level(log_power: np.ndarray) -> np.ndarray:
    """Return the mean log10 power of each frame in the `WIDTH` bins below `start_hz`, ``(1025, M) -> (M,)``.

    The mean of logarithms predicts the upper band better than the logarithm of the mean.
    """
    return log_power[first_bin() - WIDTH : first_bin()].mean(axis=0)


@dataclass(frozen=True)
class ShapedNoise(Control):
    """Gaussian noise with the mean spectrum of the training speakers and, in each frame, a level that follows the known band."""

    intercept: np.ndarray  # (580,) a[k] of the bins from first_bin on
    slope: np.ndarray  # (580,) b[k]

    def upper(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        known = spectral.stft(x, n_fft=N_FFT, hop_length=HOP_LENGTH)
        level = known_level(spectral.power_db(known) / 10)
        wanted = 10 ** (self.intercept[:, None] + self.slope[:, None] * level + LOG_OF_MEAN)
        missing = np.zeros(known.shape)
        missing[first_bin() :] = np.maximum(wanted - np.abs(known[first_bin() :]) ** 2, 0)
        noise = rng.standard_normal(len(x)) / np.sqrt(np.sum(spectral.hann_window(N_FFT) ** 2))  # mean power 1 in each bin
        shaped = spectral.stft(noise, n_fft=N_FFT, hop_length=HOP_LENGTH) * np.sqrt(missing)
        return spectral.istft(shaped, hop_length=HOP_LENGTH, length=len(x))


@dataclass(frozen=True)
class SpectralFolding(Control):
    """The mirror image of the known band, which maps f to 22.05 kHz - f, times a gain that is a straight line in dB."""

    offset_db: float  # gain at 11.025 kHz
    slope_db_per_khz: float

    def upper(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        mirrored = x * (-1.0) ** np.arange(len(x))
        gain_db = self.offset_db + self.slope_db_per_khz * (np.fft.rfftfreq(len(x), 1 / SR_HIGH) - SR_LOW / 2) / 1000
        return np.fft.irfft(np.fft.rfft(mirrored) * 10 ** (gain_db / 20), n=len(x))


def copied_bins() -> np.ndarray:
    """Return the bin that replication copies into each bin from `first_bin` on."""
    return first_bin() - WIDTH + np.arange(N_FFT // 2 + 1 - first_bin()) % WIDTH


@dataclass(frozen=True)
class BandReplication(Control):
    """The band of `WIDTH` bins below `start_hz`, shifted by multiples of its width up to the top, times one gain for each bin."""

    envelope_db: np.ndarray  # (580,) of the bins from first_bin on

    def upper(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        spectrum = spectral.stft(x, n_fft=N_FFT, hop_length=HOP_LENGTH)
        copied = np.zeros_like(spectrum)
        copied[first_bin() :] = spectrum[copied_bins()] * 10 ** (self.envelope_db[:, None] / 20)
        return spectral.istft(copied, hop_length=HOP_LENGTH, length=len(x))


def _pair_logs(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log10 power of x and of y. Raises ValueError if one is unusable or their lengths differ."""
    if x.shape != y.shape:
        raise ValueError(f"a pair has two signals of one length, got {x.shape} and {y.shape}")
    return metrics.log_power(_checked(x)), metrics.log_power(_checked(y))


def fit_all(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, Control]:
    """Return the fitted control of each name in `CONTROLS`; it reads the pairs once and keeps only sums over frames.

    Parameters
    ----------
    pairs : x and y of each training utterance, (T,) at 44.1 kHz each, T > 1024.

    Raises
    ------
    ValueError : there is no pair, a pair is unusable, or the known band has the same level in all frames.
    """
    count, x_sum, y_sum, g_sum, gg_sum, gy_sum = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for x, y in pairs:
        x_log, y_log = _pair_logs(x, y)
        g = known_level(x_log)
        count += len(g)
        x_sum, y_sum = x_sum + x_log.sum(axis=1), y_sum + y_log.sum(axis=1)
        g_sum, gg_sum, gy_sum = g_sum + g.sum(), gg_sum + g @ g, gy_sum + y_log @ g
    if not count:
        raise ValueError("there are no pairs to fit the controls on: give at least one pair (x, y)")
    x_mean, y_mean, g_mean = x_sum / count, y_sum / count, g_sum / count
    variance = gg_sum / count - g_mean**2
    if variance < 1e-6:  # a standard deviation of 0.01 dB: the clamp's level throughout, except for rounding
        raise ValueError("the level below the cut-off is the same in all frames, as in silence: give pairs whose level varies")
    slope = (gy_sum / count - g_mean * y_mean) / variance

    # Bin k of the mirror image has the power of bin N_FFT / 2 - k of x. The line is fitted to all bins from 11.025 kHz on, although up to
    # 12.5 kHz they mirror the fade of kaiser_fast. Without them the image is about 7 dB weaker at 12.5 kHz: the SNR is higher, but the LSD,
    # the error that all three controls are fitted to, is larger.
    beyond_khz = spectral.bin_frequencies(N_FFT, SR_HIGH) / 1000 - SR_LOW / 2000
    high = beyond_khz >= 0
    slope_db, offset_db = np.polyfit(beyond_khz[high], 10 * (y_mean - x_mean[::-1])[high], 1)
    return {
        "noise": ShapedNoise((y_mean - slope * g_mean)[first_bin() :], slope[first_bin() :]),
        "folding": SpectralFolding(float(offset_db), float(slope_db)),
        "replication": BandReplication(10 * (y_mean[first_bin() :] - x_mean[copied_bins()])),
    }
