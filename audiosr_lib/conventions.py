"""The log-spectral distance as five sources compute it.

Papers on audio super-resolution print an LSD, and each computes it in its own way. All five take a periodic Hann window of n_fft samples,
centred frames, the root of the mean over the bins of a frame, and the mean over frames. They differ in what `Convention` lists.

What the sources do before the LSD is left to the caller: NU-Wave trims pauses, AP-BWE rounds the estimate to 16 bit, all of them compute in
float32 (here float64). Their programs were read, not their papers. Notebook 06.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiosr_lib import metrics, spectral
from audiosr_lib.base.constants import METRIC_CLAMP, SR_HIGH


@dataclass(frozen=True)
class Convention:
    """How one source computes the LSD.

    Parameters
    ----------
    name : of the source.
    source : where the source defines it.
    published_hz : sample rate at which the source publishes its numbers.
    base : base of the logarithm, which is always taken of power.
    epsilon : the constant that keeps the logarithm finite.
    of_ratio : False compares ``log max(|Y|^2, epsilon)`` of both signals. True takes ``log(|Y|^2 / (|Y^| + epsilon)^2 + epsilon)``, where Y
        is the target and Y^ the estimate.
    n_fft, hop_length : in samples.
    in_time : True if n_fft and hop_length are meant at 44.1 kHz and grow with the sample rate; False if they are the same at every rate.
    padding : mode of np.pad for the n_fft / 2 samples before and after the signal.
    to_peak : True if both signals are divided by the largest absolute sample of the target.
    """

    name: str
    source: str
    published_hz: int
    base: float = 10.0
    epsilon: float = METRIC_CLAMP
    of_ratio: bool = False
    n_fft: int = 2048
    hop_length: int = 512
    in_time: bool = False
    padding: str = "reflect"
    to_peak: bool = False

    def lsd(self, y_hat: np.ndarray, y: np.ndarray, sr: int) -> float:
        """Return the LSD of a checked pair, as in `lsd_by_convention`."""
        if self.to_peak:
            peak = np.abs(y).max()
            if peak == 0:
                return float("nan")
            y_hat, y = y_hat / peak, y / peak
        estimate, target = self._magnitude(y_hat, sr), self._magnitude(y, sr)
        if self.of_ratio:
            difference = np.log(target**2 / (estimate + self.epsilon) ** 2 + self.epsilon)
        else:
            difference = np.log(np.maximum(target**2, self.epsilon)) - np.log(np.maximum(estimate**2, self.epsilon))
        return float(np.mean(np.sqrt(np.mean((difference / np.log(self.base)) ** 2, axis=0))))

    def _magnitude(self, x: np.ndarray, sr: int) -> np.ndarray:
        n_fft, hop_length = self.n_fft, self.hop_length
        if self.in_time:
            n_fft, hop_length = n_fft * sr // SR_HIGH, hop_length * sr // SR_HIGH
        if len(x) <= n_fft // 2:
            raise ValueError(f"{len(x)} samples are too few for the LSD of {self.name}: it needs more than {n_fft // 2}")
        padded = np.pad(x, n_fft // 2, mode=self.padding)
        return np.abs(spectral.stft(padded, n_fft=n_fft, hop_length=hop_length, center=False))


CONVENTIONS = (
    Convention("coursework", "section 2.7 states 2048 and 512; the rest is this study's reading of its numbers", 44100, base=float(np.e)),
    Convention("NU-Wave", "maum-ai/nuwave: lightning_model.py, utils/stft.py; the peak in dataloader.py", 48000, to_peak=True),
    Convention("AP-BWE", "yxlu-0102/AP-BWE: cal_metrics.py", 48000),
    Convention(
        "ssr_eval", "haoheliu/ssr_eval: ssr_eval/metrics.py; zeros are the padding of librosa from 0.9 on, earlier ones reflect",
        44100, epsilon=1e-12, of_ratio=True, hop_length=441, in_time=True, padding="constant",
    ),
    Convention(
        "UniverSR", "woongzip1/UniverSR: scripts/compute_metrics.py, read in its fork oulianov/UniverSR",
        48000, epsilon=1e-6, n_fft=1024, hop_length=256,
    ),
)  # fmt: skip


def lsd_by_convention(y_hat: np.ndarray, y: np.ndarray, sr: int = SR_HIGH) -> dict[str, float]:
    """Return the LSD of an estimate under each of `CONVENTIONS`, by name.

    n_fft and hop_length are in samples at the rate of the signals, and nothing is resampled. NU-Wave, AP-BWE and UniverSR publish numbers
    at 48 kHz: only signals at 48 kHz give values that compare with them, and only on the same recordings.

    Parameters
    ----------
    y_hat : (T,), the estimate, in [-1, 1].
    y : (T,), the target, with T > 1024 at up to 44.1 kHz. A silent target gives nan for NU-Wave, which divides by its peak.
    sr : sample rate of both in Hz; only ssr_eval's n_fft and hop_length depend on it.

    Raises
    ------
    ValueError : the signals differ in length, are not finite or are too short.

    Source: the programs named in `CONVENTIONS`. Oracles: torch.stft, librosa.stft and scipy.signal.ShortTimeFFT. Notebook 06.
    """
    y_hat, y = metrics.check_pair(y_hat, y)
    return {c.name: c.lsd(y_hat, y, sr) for c in CONVENTIONS}
