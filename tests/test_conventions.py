"""Each convention of the LSD against the formula of its source on the spectra of another library.

Tolerance 1e-9: everything is float64, and the bins of the pair are far above the rounding of a transform.
"""

import dataclasses

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from audiosr_lib import conventions, metrics

SR = 44100


@pytest.fixture
def pair(speech):
    """Speech with faint noise, and an estimate of it that is 40 dB too soft above 11 kHz, so that clamps matter."""
    rng = np.random.default_rng(3)
    y = 0.5 * speech + 1e-5 * rng.standard_normal(len(speech))
    spectrum = np.fft.rfft(y)
    spectrum[len(spectrum) // 2 :] *= 0.01
    return np.fft.irfft(spectrum, len(y)), y


def torch_lsd(y_hat, y, n_fft, hop, clamp):
    """log10 of clamped power on torch's spectra (bins, frames)."""
    window = torch.hann_window(n_fft, dtype=torch.float64)
    stfts = [torch.stft(torch.from_numpy(x), n_fft, hop, window=window, return_complex=True) for x in (y_hat, y)]
    p_hat, p = (torch.view_as_real(s).square().sum(dim=-1).clamp(min=clamp).log10() for s in stfts)
    return torch.linalg.vector_norm(p - p_hat, dim=0).div(p.shape[0] ** 0.5).mean().item()


def scipy_lsd(y_hat, y, n_fft, hop, clamp, base):
    """The same with any base, on frames that SciPy cuts out of reflected signals."""
    stft = scipy.signal.ShortTimeFFT(scipy.signal.get_window("hann", n_fft), hop, fs=1)
    magnitudes = []
    for x in (y_hat, y):
        padded = np.r_[x[n_fft // 2 : 0 : -1], x, x[-2 : -n_fft // 2 - 2 : -1]]
        first = n_fft // 2 // hop  # SciPy centres slice p on sample p * hop of the padded signal
        magnitudes.append(np.abs(stft.stft(padded, p0=first, p1=first + 1 + len(x) // hop)))
    logs = [2 * np.log(np.maximum(m, clamp**0.5)) / np.log(base) for m in magnitudes]
    return np.sqrt(np.square(logs[1] - logs[0]).mean(axis=0)).mean()


def librosa_lsd(y_hat, y, sr):
    """The formula of ssr_eval: frames first, bins last."""
    eps, settings = 1e-12, {"hop_length": int(sr / 100), "n_fft": int(2048 / (44100 / sr))}
    est, target = (np.abs(librosa.stft(x, **settings)).T for x in (y_hat, y))
    return ((np.log10(target**2 / ((est + eps) ** 2) + eps) ** 2).mean(axis=1) ** 0.5).mean()


@pytest.mark.parametrize("sr", [44100, 48000])
def test_every_convention_is_its_oracle(pair, sr):
    y_hat, y = pair
    peak = max(y.max(), -y.min())
    wanted = {
        "coursework": scipy_lsd(y_hat, y, 2048, 512, 1e-8, np.e),
        "NU-Wave": torch_lsd(y_hat / peak, y / peak, 2048, 512, 1e-8),
        "AP-BWE": torch_lsd(y_hat, y, 2048, 512, 1e-8),
        "ssr_eval": librosa_lsd(y_hat, y, sr),
        "UniverSR": torch_lsd(y_hat, y, 1024, 256, 1e-6),
    }
    assert conventions.lsd_by_convention(y_hat, y, sr) == pytest.approx(wanted, rel=1e-9)
    assert len({round(v, 3) for v in wanted.values()}) == len(wanted)  # no two agree on this pair, so none can stand for another


def test_the_studys_own_lsd_is_one_of_them(pair):
    values = conventions.lsd_by_convention(*pair)
    assert values["AP-BWE"] == pytest.approx(metrics.lsd(*pair), rel=1e-12)
    assert values["coursework"] == pytest.approx(metrics.lsd(*pair, base=np.e), rel=1e-12)
    assert values["coursework"] / values["AP-BWE"] == pytest.approx(np.log(10), rel=1e-12)


def test_equal_signals(speech):
    values = conventions.lsd_by_convention(speech, speech)
    assert values.pop("ssr_eval") == pytest.approx(0, abs=1e-6)  # its epsilons are tiny against every bin of the speech
    assert set(values.values()) == {0.0}


def test_silence_in_both_is_far_apart_for_ssr_eval_alone(speech):
    """The formula says log10(0 / eps^2 + eps) = -12 in every bin."""
    values = conventions.lsd_by_convention(np.zeros(SR), np.zeros(SR))
    assert values.pop("ssr_eval") == pytest.approx(12, rel=1e-12)
    assert np.isnan(values.pop("NU-Wave"))  # 0 / 0
    assert set(values.values()) == {0.0}


def test_a_gain_on_loud_noise(speech):
    """No bin is near an epsilon: every difference is log(g^2)."""
    noise = np.random.default_rng(0).standard_normal(SR)
    values = conventions.lsd_by_convention(0.5 * noise, noise)
    assert values.pop("coursework") == pytest.approx(np.log(4), rel=1e-6)
    assert list(values.values()) == pytest.approx([np.log10(4)] * len(values), rel=1e-6)


def test_a_softer_pair_moves_only_what_has_a_clamp_and_no_peak(pair):
    before, after = (conventions.lsd_by_convention(*(g * x for x in pair)) for g in (1.0, 0.1))
    assert after["NU-Wave"] == pytest.approx(before["NU-Wave"], rel=1e-9)
    assert after["ssr_eval"] == pytest.approx(before["ssr_eval"], rel=1e-6)
    for name in ("coursework", "AP-BWE", "UniverSR"):
        assert after[name] < 0.99 * before[name], name


def test_names_are_unique_and_conventions_frozen():
    assert len({c.name for c in conventions.CONVENTIONS}) == len(conventions.CONVENTIONS) == 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        conventions.CONVENTIONS[0].base = 2.0


def test_bad_pairs_are_refused(speech):
    with pytest.raises(ValueError, match="one length"):
        conventions.lsd_by_convention(speech[:-1], speech)
    with pytest.raises(ValueError, match="1024 samples are too few for the LSD of coursework: it needs more than 1024"):
        conventions.lsd_by_convention(speech[:1024], speech[:1024])
    with pytest.raises(ValueError, match="finite"):
        conventions.lsd_by_convention(np.full(4096, np.nan), speech[:4096])
    assert len(conventions.lsd_by_convention(speech[:1025], speech[:1025])) == 5
