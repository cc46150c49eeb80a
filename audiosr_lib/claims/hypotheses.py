"""Slips that could explain the printed SNRs (coursework section 2.7, Table 2). Notebook 11.

A *hypothesis* is a possible slip: a wrong logarithm, a gain, a delay, another signal in the formula. It predicts one number per system from
the measured signals and has at most one free parameter. `fit` finds the parameter with the least error over all printed numbers. Systems
are the columns of Table 2, in the order of `inference.SYSTEMS`. Signals are ``(T,)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Hypothesis:
    """A slip, and the numbers that it predicts from the measured signals."""

    name: str
    words: str
    parameter: str  # name of the free parameter, with its unit; "" without one
    grid: np.ndarray  # (P,) values of the parameter; a single NaN without one
    predict: Callable[[float, np.ndarray], np.ndarray]  # value, indices of utterances -> the printed numbers, (systems,)


@dataclass(frozen=True)
class Fit:
    """The best fit of a hypothesis to the printed numbers."""

    value: float  # of the parameter, NaN without one
    predicted: np.ndarray  # (systems,)
    errors: np.ndarray  # (systems,), predicted minus printed
    low: np.ndarray  # (systems,), least prediction over the groups at that value
    high: np.ndarray  # (systems,), greatest prediction over the groups

    @property
    def rms(self) -> float:
        """Root mean square of the errors, in the unit of the printed numbers."""
        return float(np.sqrt(np.mean(self.errors**2)))

    def inside(self, printed: np.ndarray) -> np.ndarray:
        """Return for each system whether the printed number lies in the range over the groups, ``(systems,)`` bool."""
        return (self.low <= printed) & (printed <= self.high)


def fit(hypothesis: Hypothesis, printed: Sequence[float], groups: Sequence[str]) -> Fit:
    """Return the fit with the least RMS error over all printed numbers.

    Parameters
    ----------
    hypothesis : the slip.
    printed : one number per system.
    groups : (U,) speaker of each utterance. The range over the speakers shows how far other recordings could move a prediction.

    Raises
    ------
    ValueError : there are no utterances, or the predictions are not finite or of the wrong shape.
    """
    printed, groups = np.asarray(printed, float), np.asarray(groups)
    if not len(groups):
        raise ValueError("groups is empty: pass the speaker of at least one utterance")
    everyone = np.arange(len(groups))
    curves = np.array([hypothesis.predict(float(v), everyone) for v in hypothesis.grid])
    wanted = (len(hypothesis.grid), len(printed))
    if curves.shape != wanted or not np.isfinite(curves).all():
        raise ValueError(f"{hypothesis.name}: want finite predictions of shape {wanted}, got {curves}")
    best = int(np.argmin(np.mean((curves - printed) ** 2, axis=1)))
    value = float(hypothesis.grid[best])
    by_group = np.array([hypothesis.predict(value, everyone[groups == g]) for g in sorted(set(groups))])
    return Fit(value, curves[best], curves[best] - printed, by_group.min(axis=0), by_group.max(axis=0))


def gained_snr_db(y_hat: np.ndarray, y: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Return the SNR of ``g * y_hat`` against y for each gain g, ``(G,)`` dB.

    ``||y - g y_hat||^2 = ||y||^2 - 2 g <y, y_hat> + g^2 ||y_hat||^2``: three sums serve every g.
    """
    y_hat, y = np.asarray(y_hat, float), np.asarray(y, float)
    energy = y @ y
    error = energy - 2 * gains * (y @ y_hat) + gains**2 * (y_hat @ y_hat)
    return 10 * np.log10(energy / np.maximum(error, 1e-30))


def delayed_snr_db(y_hat: np.ndarray, y: np.ndarray, longest: int, per_sample: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return the SNR of a delayed y_hat against y for delays of 0, 1/per_sample, 2/per_sample, ... `longest` samples.

    ``||y - delayed y_hat||^2 = ||y||^2 + ||y_hat||^2 - 2 r(d)``: one cross-correlation r serves every delay. It is the inverse transform of
    the product of the two spectra; a longer inverse transform gives the fractions. Zero padding prevents a circular shift.

    Returns
    -------
    delays : (longest * per_sample + 1,) in samples.
    snr : (longest * per_sample + 1,) in dB.

    Oracle: a sine's closed form, ``-20 log10(2 |sin(pi f d / sr)|)``.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    y_hat, y = np.asarray(y_hat, float), np.asarray(y, float)
    n = next_fast_len(len(y) + longest + 1, real=True)
    cross = rfft(y, n) * np.conj(rfft(y_hat, n))
    if n % 2 == 0 and per_sample > 1:
        cross[-1] /= 2  # a longer transform splits the Nyquist bin into two
    steps = longest * per_sample + 1
    r = per_sample * irfft(cross, per_sample * n)[:steps]
    error = np.maximum(y @ y + y_hat @ y_hat - 2 * r, 1e-30)
    return np.arange(steps) / per_sample, 10 * np.log10(y @ y / error)


def segmental_snr_db(y_hat: np.ndarray, y: np.ndarray, length: int) -> float:
    """Return the mean SNR in dB of whole segments of `length` samples; segments with zero error or zero target are left out.

    A signal shorter than a segment counts as one segment. Raises ValueError if no segment is left.
    """
    y_hat, y = np.asarray(y_hat, float), np.asarray(y, float)
    whole = max(1, len(y) // length)
    signal, noise = ((v[: whole * length].reshape(whole, -1) ** 2).sum(axis=1) for v in (y, y - y_hat))
    usable = (signal > 0) & (noise > 0)
    if not usable.any():
        raise ValueError("no segment has both a target and an error: pass longer or other signals")
    return float(np.mean(10 * np.log10(signal[usable] / noise[usable])))


def log_spectrum_snr_db(log_y_hat: np.ndarray, log_y: np.ndarray, level_db: float = 0.0) -> float:
    """Return the formula of SNR applied to *log-power spectra* in place of signals, in dB.

    The base of the logarithm does not change the result. The level does, because the numerator measures how far log power is from zero.

    Parameters
    ----------
    log_y_hat : (F, M) natural logarithm of power of the estimate.
    log_y : (F, M) natural logarithm of power of the target.
    level_db : gain on both signals before the logarithm. It adds a constant to both spectra; the clamp moves with it.
    """
    offset = level_db * np.log(10) / 10
    return float(10 * np.log10(np.sum((log_y + offset) ** 2) / np.sum((log_y - log_y_hat) ** 2)))
