"""Interpolation with a Kaiser-windowed sinc, written out and by the libraries that the study compares.

The impulse response of an ideal low-pass is a sinc. Truncated to Z low-rate samples on each side and multiplied by a Kaiser window, it
becomes a finite filter h. The output at a time t between input samples is

    y(t) = sum over k of  x[k] h(t - k),        h(u) = rolloff sinc(rolloff u) kaiser(u / Z)

resampy tabulates the right wing of h, u >= 0, at `precision` points per low-rate sample. For a factor of two, t - k is a multiple of 1/2,
so the table is read without interpolation, and upsampling is a *polyphase* filter: two short FIR filters whose outputs alternate.
The coefficients come from resampy's data files. Signals ``(T,)``, float. Notebook 03.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from audiosr_lib.base.constants import SR_HIGH, SR_LOW

METHODS = ("kaiser_fast", "kaiser_best", "soxr_vhq")


def kaiser_window(length: int, beta: float) -> np.ndarray:
    """Return a symmetric Kaiser window, ``I0(beta sqrt(1 - r^2)) / I0(beta)`` for r from -1 to 1.

    Parameters
    ----------
    length : number of samples, >= 1.
    beta : shape, >= 0, dimensionless; pi alpha in the coursework. 0 gives a rectangular window.

    Raises
    ------
    ValueError : if length < 1 or beta < 0.

    Source: coursework section 2.3. Oracle: scipy.signal.windows.kaiser. Notebook 03.
    """
    if length < 1 or beta < 0:
        raise ValueError(f"a Kaiser window needs length >= 1 and beta >= 0, got {length} and {beta}")
    r = np.linspace(-1.0, 1.0, length) if length > 1 else np.zeros(1)
    return np.i0(beta * np.sqrt(np.maximum(0.0, 1.0 - r * r))) / np.i0(beta)


def kaiser_beta(attenuation_db: float) -> float:
    """Return the Kaiser shape parameter beta for a stop-band attenuation in dB. Raises ValueError if it is negative.

    Source: Kaiser (1974), empirical fit. Oracle: scipy.signal.kaiser_beta. Notebook 03.
    """
    if attenuation_db < 0:
        raise ValueError(f"the attenuation must be >= 0 dB, got {attenuation_db}")
    if attenuation_db > 50:
        return 0.1102 * (attenuation_db - 8.7)
    if attenuation_db > 21:
        return 0.5842 * (attenuation_db - 21) ** 0.4 + 0.07886 * (attenuation_db - 21)
    return 0.0


@dataclass(frozen=True)
class SincFilter:
    """Right wing of a windowed sinc, and its parameters.

    `num_zeros` is resampy's name for the half-length Z in low-rate samples; the wing has only about ``rolloff * num_zeros`` zeros.
    """

    wing: np.ndarray  # (num_zeros * precision + 1,), wing[0] is the peak, `precision` points per low-rate sample
    num_zeros: int
    precision: int
    rolloff: float  # cut-off as a share of the lower Nyquist frequency


def sinc_filter(num_zeros: int, precision: int, rolloff: float, beta: float) -> SincFilter:
    """Return a Kaiser-windowed sinc of `num_zeros` low-rate samples on each side.

    Source: Smith, "Digital Audio Resampling". Oracle: resampy's shipped filters. Notebook 03.
    """
    n = num_zeros * precision
    u = np.arange(n + 1) / precision
    taper = kaiser_window(2 * n + 1, beta)[n:]
    return SincFilter(rolloff * np.sinc(rolloff * u) * taper, num_zeros, precision, rolloff)


@cache
def shipped_filter(method: str) -> SincFilter:
    """Return the filter that resampy ships as "kaiser_fast" or "kaiser_best"; its wing is read-only."""
    import resampy

    wing, precision, rolloff = resampy.filters.get_filter(method)
    wing = np.array(wing)
    wing.flags.writeable = False
    return SincFilter(wing, (len(wing) - 1) // precision, precision, float(rolloff))


# Half-length in low-rate samples, roll-off and beta of the filters in resampy 0.2, the version of 2021; resampy changed them in 2022.
# With these parameters `sinc_filter` equals the data files of resampy 0.2.2 to 4e-16.
FILTERS_2021 = {
    "kaiser_fast": (16, 0.85, 8.555504641634386),
    "kaiser_best": (64, 0.9475937167399596, 14.769656459379492),
}


@cache
def filter_2021(method: str) -> SincFilter:
    """Return the filter that resampy shipped in 2021 as "kaiser_fast" or "kaiser_best". Notebook 11."""
    num_zeros, rolloff, beta = FILTERS_2021[method]
    return sinc_filter(num_zeros, 512, rolloff, beta)


def polyphase_branches(filt: SincFilter) -> tuple[np.ndarray, np.ndarray]:
    """Return the two FIR filters of upsampling by two.

    As in resampy, the odd filter omits the last value of the wing, h(Z - 1/2), which is tiny.

    Returns
    -------
    even : (2 Z - 1,) weights of x[n-Z+1 .. n+Z-1] for the output at input sample n.
    odd : (2 Z - 2,) weights of x[n-Z+2 .. n+Z-1] for the output half-way between n and n + 1.
    """
    p = filt.precision
    whole = filt.wing[:-1:p]  # h(0), h(1), ..., h(Z-1)
    half = filt.wing[p // 2 :: p][: filt.num_zeros - 1]  # h(1/2), h(3/2), ..., h(Z-3/2)
    return np.concatenate([whole[:0:-1], whole]), np.concatenate([half[::-1], half])


def upsample_by_two(x: np.ndarray, filt: SincFilter) -> np.ndarray:
    """Return a signal interpolated by a polyphase filter, ``(T,) -> (2T,)``, with zeros assumed beyond both ends.

    Source: coursework section 2.3. Oracle: resampy.resample. Notebook 03.
    """
    even, odd = polyphase_branches(filt)
    z = filt.num_zeros
    padded = np.pad(np.asarray(x, dtype=np.float64), z - 1)
    y = np.empty(2 * len(x))
    y[0::2] = np.convolve(padded, even, mode="valid")  # the filters are symmetric, so convolution does not reverse them
    y[1::2] = np.convolve(padded[1:], odd, mode="valid")
    return y


def resample(x: np.ndarray, sr_from: int, sr_to: int, method: str = "kaiser_fast") -> np.ndarray:
    """Return a signal at another sample rate, computed by resampy or soxr.

    Parameters
    ----------
    x : (T,) float32 or float64, which is also the type of the result.
    sr_from, sr_to : sample rates in Hz; the result has T sr_to / sr_from samples, rounded down by resampy, to nearest by soxr.
    method : one of `METHODS`.

    Raises
    ------
    ValueError : if the method is unknown or `x` is not one-dimensional.
    """
    if x.ndim != 1:
        raise ValueError(f"expected a mono signal of shape (T,), got {x.shape}")
    if method not in METHODS:
        raise ValueError(f"no resampling method {method!r}: choose one of {', '.join(METHODS)}")
    if sr_from == sr_to:
        return x
    if method == "soxr_vhq":
        import soxr

        return soxr.resample(x, sr_from, sr_to, quality="VHQ")
    import resampy

    return resampy.resample(x, sr_from, sr_to, filter=method)


def degrade(y: np.ndarray, method: str = "kaiser_fast") -> np.ndarray:
    """Return a signal at half the sample rate: ``(T,) at 44.1 kHz -> (T // 2,) at 22.05 kHz``."""
    return resample(y, SR_HIGH, SR_LOW, method)


def interpolate(x_low: np.ndarray, method: str = "kaiser_fast") -> np.ndarray:
    """Return a signal at twice the sample rate: ``(T,) at 22.05 kHz -> (2T,) at 44.1 kHz``."""
    return resample(x_low, SR_LOW, SR_HIGH, method)


def round_trip(y: np.ndarray, filt: SincFilter, up: SincFilter | None = None) -> np.ndarray:
    """Return `interpolate(degrade(y))`, computed by two FIR filters: ``(T,) -> (T,)``, T even.

    scipy.signal.upfirdn computes the same sums several times as fast as resampy.

    Parameters
    ----------
    y : (T,) at 44.1 kHz.
    filt : filter of the way down.
    up : filter of the way back; `filt` by default.

    Oracle: resampy.
    """
    from scipy.signal import upfirdn

    back = filt if up is None else up
    z, z_up = filt.num_zeros, back.num_zeros
    down_wing = 0.5 * filt.wing[:: filt.precision // 2][: 2 * z]  # h(n/2), n = 0 .. 2Z-1: stretched to twice the length
    up_wing = back.wing[:: back.precision // 2][: 2 * z_up - 1]
    y = np.asarray(y, dtype=np.float64)
    low = upfirdn(np.concatenate([down_wing[:0:-1], down_wing]), np.concatenate([[0.0], y]), down=2)[z : z + len(y) // 2]
    return upfirdn(np.concatenate([up_wing[:0:-1], up_wing]), low, up=2)[2 * z_up - 2 : 2 * z_up - 2 + len(y)]
