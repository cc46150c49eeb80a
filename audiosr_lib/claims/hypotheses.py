"""What would have to go wrong for a printed SNR to come out? (coursework section 2.7, Table 2)

A *hypothesis* is a slip that could have happened: a wrong logarithm, a gain, a delay, another signal in the formula. It maps
true signals to a predicted number for each system, and has at most one free parameter. `fit` takes the parameter
that comes nearest to all printed numbers at once; what is left over is the hypothesis' error. Systems are the columns of
Table 2, in the order of `inference.SYSTEMS`. NumPy only; signals ``(T,)``. Notebook 11.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Hypothesis:
    """A slip, and what it makes of the measured signals.

    `predict(value, members)` gives the numbers that would have been printed, ``(systems,)``, for the utterances of those indices.
    `grid` holds the values of the free parameter; a single NaN means that there is none.
    """

    name: str
    words: str
    parameter: str  # what the grid means, with its unit; "" without one
    grid: np.ndarray  # (P,)
    predict: Callable[[float, np.ndarray], np.ndarray]

    def curves(self, members: np.ndarray) -> np.ndarray:
        """Predictions over the grid, ``(P, systems)``."""
        return np.array([self.predict(float(v), members) for v in self.grid])


@dataclass(frozen=True)
class Fit:
    """The best a hypothesis can do against the printed numbers."""

    value: float  # of the parameter, NaN without one
    predicted: np.ndarray  # (systems,)
    errors: np.ndarray  # (systems,), predicted minus printed
    low: np.ndarray  # (systems,), the least and
    high: np.ndarray  # (systems,), the greatest prediction of any group at that value

    @property
    def rms(self) -> float:
        """Root mean square of the errors, in the unit of the printed numbers."""
        return float(np.sqrt(np.mean(self.errors**2)))

    def inside(self, printed: np.ndarray) -> np.ndarray:
        """For each system, whether the printed number lies in the range over the groups, ``(systems,)`` bool."""
        return (self.low <= printed) & (printed <= self.high)


def fit(hypothesis: Hypothesis, printed: Sequence[float], groups: Sequence[str]) -> Fit:
    """The value of the parameter with the least RMS error over all printed numbers.

    Parameters
    ----------
    printed : one number a system. groups : the speaker of each utterance, ``(U,)``; the range over the speakers' own
        predictions says how far other recordings could move a prediction.

    Raises
    ------
    ValueError : no utterances, or predictions that are not finite.
    """
    printed, groups = np.asarray(printed, float), np.asarray(groups)
    if not len(groups):
        raise ValueError("a hypothesis needs at least one utterance")
    everyone = np.arange(len(groups))
    curves = hypothesis.curves(everyone)
    if curves.shape != (len(hypothesis.grid), len(printed)) or not np.isfinite(curves).all():
        raise ValueError(f"{hypothesis.name}: want finite predictions of shape {(len(hypothesis.grid), len(printed))}, got {curves.shape}")
    best = int(np.argmin(np.mean((curves - printed) ** 2, axis=1)))
    value = float(hypothesis.grid[best])
    by_group = np.array([hypothesis.predict(value, everyone[groups == g]) for g in sorted(set(groups))])
    return Fit(value, curves[best], curves[best] - printed, by_group.min(axis=0), by_group.max(axis=0))


def gained_snr_db(y_hat: np.ndarray, y: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """SNR of ``g * y_hat`` against y for many gains g at once, ``(G,)`` dB.

    ``||y - g y_hat||^2 = ||y||^2 - 2 g <y, y_hat> + g^2 ||y_hat||^2``: three sums serve every g.
    """
    y_hat, y = np.asarray(y_hat, float), np.asarray(y, float)
    energy = y @ y
    error = energy - 2 * gains * (y @ y_hat) + gains**2 * (y_hat @ y_hat)
    return 10 * np.log10(energy / np.maximum(error, 1e-30))


def delayed_snr_db(y_hat: np.ndarray, y: np.ndarray, longest: int, per_sample: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """SNR of y_hat, made late by 0, 1/per_sample, 2/per_sample, ... `longest` samples, against y.

    ``||y - delayed y_hat||^2 = ||y||^2 + ||y_hat||^2 - 2 r(d)``: one cross-correlation r serves every delay. It is read off the product of
    the two spectra, and a longer inverse transform fills in the fractions. The signals are padded with zeros, so nothing comes round.

    Returns
    -------
    delays in samples and SNRs in dB, ``(longest * per_sample + 1,)`` each.

    Oracle: a sine's closed form, ``-20 log10(2 |sin(pi f d / sr)|)``.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    y_hat, y = np.asarray(y_hat, float), np.asarray(y, float)
    n = next_fast_len(len(y) + longest + 1, real=True)
    cross = rfft(y, n) * np.conj(rfft(y_hat, n))
    if n % 2 == 0 and per_sample > 1:
        cross[-1] /= 2  # the bin at Nyquist splits into two when the transform gets longer
    steps = longest * per_sample + 1
    r = per_sample * irfft(cross, per_sample * n)[:steps]
    error = np.maximum(y @ y + y_hat @ y_hat - 2 * r, 1e-30)
    return np.arange(steps) / per_sample, 10 * np.log10(y @ y / error)


def segmental_snr_db(y_hat: np.ndarray, y: np.ndarray, length: int) -> float:
    """Mean over whole segments of `length` samples of their own SNR in dB; segments without any error or target are left out.

    A signal shorter than a segment counts as one. ValueError if nothing is left.
    """
    y_hat, y = np.asarray(y_hat, float), np.asarray(y, float)
    whole = max(1, len(y) // length)
    keep = whole * length if len(y) >= length else len(y)
    signal, noise = (v[:keep].reshape(whole, -1) ** 2 for v in (y, y - y_hat))
    signal, noise = signal.sum(axis=1), noise.sum(axis=1)
    usable = (signal > 0) & (noise > 0)
    if not usable.any():
        raise ValueError("no segment has both a target and an error")
    return float(np.mean(10 * np.log10(signal[usable] / noise[usable])))


def log_spectrum_snr_db(log_y_hat: np.ndarray, log_y: np.ndarray, level_db: float = 0.0) -> float:
    """The formula of SNR with *log-power spectra* in place of signals, in dB.

    Parameters
    ----------
    log_y_hat, log_y : (F, M) natural logarithms of power. level_db : gain on both signals before the logarithm, which adds
        a constant to both; the clamp is taken to move along.

    The base of the logarithm does not matter, the level does: the numerator measures how far log power is from zero.
    """
    offset = level_db * np.log(10) / 10
    return float(10 * np.log10(np.sum((log_y + offset) ** 2) / np.sum((log_y - log_y_hat) ** 2)))
