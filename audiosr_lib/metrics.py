"""Objective measures of section 2.7, and statistics that compare systems by them.

    SNR      10 log10( ||y||^2 / ||y - y^||^2 )                        dB, higher is better
    SI-SDR   the same after the best gain on y, so errors of level do not count
    LSD      mean over frames of sqrt( mean over bins of (log|Y|^2 - log|Y^|^2)^2 ), lower is better

LSD depends on conventions that papers seldom state. Here: centred Hann frames of 2048 samples with hop 512, power clamped at 1e-8,
signals in [-1, 1]. The coursework's numbers fit the natural logarithm, which gives ln 10 = 2.3026 times the values of the usual log10.
Signals ``(T,)`` at 44.1 kHz. Notebooks 06 and 10.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import pandas as pd

from audiosr_lib import spectral
from audiosr_lib.base.constants import SR_HIGH, SR_LOW

N_FFT, HOP_LENGTH = 2048, 512
LN10 = float(np.log(10.0))
MEASURES = ("snr_db", "si_sdr_db", "lsd_ln", "lsd_log10", "lsd_low_log10", "lsd_high_log10")
HIGHER_IS_BETTER = {"snr_db", "si_sdr_db", "snr_pass_db", "visqol"}  # for all other measures, lower is better


def check_pair(y_hat: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both signals as float64. Raises ValueError if they are not two finite mono signals of one length."""
    if y_hat.shape != y.shape or y.ndim != 1:
        raise ValueError(f"expected two mono signals of one length, got {y_hat.shape} and {y.shape}")
    if not (np.isfinite(y_hat).all() and np.isfinite(y).all()):
        raise ValueError("a signal has NaN or infinite samples: all must be finite")
    return np.asarray(y_hat, np.float64), np.asarray(y, np.float64)


def snr_db(y_hat: np.ndarray, y: np.ndarray) -> float:
    """Return the signal-to-noise ratio in dB; inf for equal signals, ValueError for a silent target.

    Source: coursework section 2.7. Oracle: auraloss.time.SNRLoss. Notebook 06.
    """
    y_hat, y = check_pair(y_hat, y)
    if not y.any():
        raise ValueError("the target is silent: its SNR is not defined")
    noise = np.sum((y - y_hat) ** 2)
    return float("inf") if noise == 0 else float(10 * np.log10(np.sum(y**2) / noise))


def si_sdr_db(y_hat: np.ndarray, y: np.ndarray) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB: the SNR against the multiple of y nearest to y_hat.

    Source: Le Roux et al. (2019). Oracle: auraloss.time.SISDRLoss. Notebook 06.
    """
    y_hat, y = check_pair(y_hat, y)
    if not y.any():
        raise ValueError("the target is silent: its SI-SDR is not defined")
    scaled = (np.dot(y_hat, y) / np.dot(y, y)) * y
    return snr_db(y_hat, scaled) if scaled.any() else float("-inf")


def log_power(x: np.ndarray) -> np.ndarray:
    """Return log10 of the clamped power spectrogram, ``(T,) -> (1025, M)``."""
    return spectral.power_db(spectral.stft(x, n_fft=N_FFT, hop_length=HOP_LENGTH)) / 10.0


def _lsd(difference: np.ndarray) -> float:
    return float(np.mean(np.sqrt(np.mean(difference**2, axis=0))))


def lsd(y_hat: np.ndarray, y: np.ndarray, *, base: float = 10.0, band_hz: tuple[float, float] | None = None) -> float:
    """Return the log-spectral distance in units of log_base of power.

    Parameters
    ----------
    y_hat, y : (T,) with T > 1024.
    base : base of the logarithm; usually 10, e in the coursework.
    band_hz : (low, high) restricts the mean over bins to low <= f < high.

    Source: coursework section 2.7. Oracle: librosa.stft and the formula. Notebook 06.
    """
    y_hat, y = check_pair(y_hat, y)
    difference = log_power(y) - log_power(y_hat)
    if band_hz is not None:
        f = spectral.bin_frequencies(N_FFT, SR_HIGH)
        difference = difference[(f >= band_hz[0]) & (f < band_hz[1])]
    return _lsd(difference) * LN10 / float(np.log(base))


def evaluate(y_hat: np.ndarray, y: np.ndarray, bands_hz: dict[str, tuple[float, float]] | None = None) -> dict[str, float]:
    """Return a dictionary of all `MEASURES` of an estimate. "low" and "high" are the bands below and above 11.025 kHz.

    `bands_hz` adds the LSD (log10) of further bands, by their names: (low, high) is low <= f < high in Hz.
    """
    y_hat, y = check_pair(y_hat, y)
    difference = log_power(y) - log_power(y_hat)
    f = spectral.bin_frequencies(N_FFT, SR_HIGH)
    high = f >= SR_LOW / 2
    whole = _lsd(difference)
    return {
        "snr_db": snr_db(y_hat, y),
        "si_sdr_db": si_sdr_db(y_hat, y),
        "lsd_ln": whole * LN10,
        "lsd_log10": whole,
        "lsd_low_log10": _lsd(difference[~high]),
        "lsd_high_log10": _lsd(difference[high]),
        **{name: _lsd(difference[(f >= low) & (f < top)]) for name, (low, top) in (bands_hz or {}).items()},
    }


VISQOL_RATE = 48000  # sample rate of ViSQOL's audio mode in Hz
VISQOL_SECONDS = 1.2  # shortest signal: ViSQOL compares patches of half a second and needs more than one


def has_visqol() -> bool:
    """Return whether ViSQOL is installed; it is optional because its installation needs a compiler."""
    return importlib.util.find_spec("visqol") is not None


@cache
def _visqol():
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="audio")
    return api


def visqol(y_hat: np.ndarray, y: np.ndarray) -> float:
    """Return the mean opinion score that ViSQOL's audio mode predicts for y_hat, from 1 (bad) to about 4.7 (equal to y).

    ViSQOL compares the two in 32 bands up to 20 kHz and maps the similarity to listeners' scores of coded music.

    Parameters
    ----------
    y_hat, y : (T,) at 44.1 kHz, at least `VISQOL_SECONDS` long.

    Raises
    ------
    ValueError : if the signals are shorter.
    ImportError : if visqol-python is not installed.

    Source: Hines et al. (2015), Chinen et al. (2020). Notebook 11.
    """
    import soxr

    y_hat, y = check_pair(y_hat, y)
    if len(y) < VISQOL_SECONDS * SR_HIGH:
        raise ValueError(f"ViSQOL needs at least {VISQOL_SECONDS} s, got {len(y) / SR_HIGH:.2f} s")
    at_48k = [soxr.resample(v, SR_HIGH, VISQOL_RATE, quality="VHQ") for v in (y, y_hat)]
    return float(_visqol().measure_from_arrays(*at_48k, VISQOL_RATE).moslqo)


def bootstrap_interval(
    values: np.ndarray, *, groups: np.ndarray | None = None, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the ends of the percentile bootstrap interval of a mean. Raises ValueError if there is no value or one is not finite.

    Parameters
    ----------
    values : (n,).
    groups : (n,) labels; if given, whole groups are drawn instead of single values. Utterances of one speaker are alike, so draw
        whole speakers if there are many. With three speakers the interval is unreliable.
    resamples : number of draws.
    level : probability of the interval.
    seed : of the random draws.

    Source: Efron (1979). Oracle: scipy.stats.bootstrap. Notebook 10.
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"an interval needs at least one value, all finite; got {np.isfinite(values).sum()} finite of {len(values)}")
    rng = np.random.default_rng(seed)
    if groups is None:
        sums, counts = values, np.ones(len(values))
    else:
        _, member = np.unique(np.asarray(groups), return_inverse=True)
        sums, counts = np.bincount(member, weights=values), np.bincount(member).astype(float)
    drawn = rng.integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def speaker_interval(values: np.ndarray, speakers: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of Student's t interval of a mean over speakers, each of whom counts once; NaN for a single speaker.

    It says where the mean would lie for other people, and is wide if there are few.

    Parameters
    ----------
    values : (n,), one for each utterance.
    speakers : (n,) labels.
    level : probability of the interval.

    Source: Student (1908). Oracle: scipy.stats.ttest_1samp. Notebook 10.
    """
    import scipy.stats

    means = pd.Series(np.asarray(values, dtype=np.float64)).groupby(np.asarray(speakers)).mean().to_numpy()
    if len(means) < 2 or means.std(ddof=1) == 0:
        return np.nan, np.nan
    low, high = scipy.stats.t.interval(level, len(means) - 1, means.mean(), means.std(ddof=1) / np.sqrt(len(means)))
    return float(low), float(high)


def paired_difference(frame: pd.DataFrame, measure: str, system: str, against: str, *, key: str = "utterance",
                      by_speaker: bool = False, resamples: int = 2000, seed: int = 0) -> dict | None:  # fmt: skip
    """Return statistics of the difference of two systems on the same utterances; None if fewer than two utterances have both.

    Parameters
    ----------
    frame : one row per utterance and system, with the columns `key`, "speaker", "system" and `measure`.
    measure : the column to compare.
    system, against : names in the column "system"; the difference is the first minus the second.
    key : column that identifies an utterance.
    by_speaker : draw whole speakers, not utterances, for the interval low .. high.
    resamples, seed : of the bootstrap.

    Returns
    -------
    dict with measure, system, against and
    utterances, speakers : their numbers.
    mean, low, high : mean difference and its 95 % bootstrap interval.
    p_wilcoxon : p-value of Wilcoxon's signed-rank test.
    share_better : share of the utterances on which `system` is better.
    low_speakers, high_speakers : 95 % t interval of the mean over the speakers' means.

    Source: Wilcoxon (1945). Oracle: scipy.stats. Notebooks 10 and 11.
    """
    import scipy.stats

    table = frame.pivot(index=key, columns="system", values=measure)[[system, against]].dropna()
    d = (table[system] - table[against]).to_numpy()
    if len(d) < 2:
        return None
    speakers = frame.drop_duplicates(key).set_index(key).speaker.loc[table.index].to_numpy()
    low, high = bootstrap_interval(d, groups=speakers if by_speaker else None, resamples=resamples, seed=seed)
    spread = speaker_interval(d, speakers)
    better = d > 0 if measure in HIGHER_IS_BETTER else d < 0
    return {"measure": measure, "system": system, "against": against, "utterances": len(d), "mean": d.mean(), "low": low, "high": high,
            "p_wilcoxon": scipy.stats.wilcoxon(d).pvalue if d.any() else 1.0, "share_better": better.mean(),
            "speakers": len(set(speakers)), "low_speakers": spread[0], "high_speakers": spread[1]}  # fmt: skip


def decision(comparison: dict | pd.Series, negligible: float = 0.0) -> str:
    """Return what a `paired_difference` decides: "better", "worse", "negligible" or "not decided".

    Parameters
    ----------
    comparison : has at least the measure, mean, low and high.
    negligible : a decided mean difference below this size is negligible, in the unit of the measure.
    """
    if comparison["low"] <= 0 <= comparison["high"]:
        return "not decided"
    if abs(comparison["mean"]) < negligible:
        return "negligible"
    return "better" if (comparison["low"] > 0) == (comparison["measure"] in HIGHER_IS_BETTER) else "worse"
