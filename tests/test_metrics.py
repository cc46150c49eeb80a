"""SNR, SI-SDR, LSD, the bootstrap and the comparison of systems against auraloss, librosa and SciPy.

Tolerances: 1e-4 dB against auraloss, which computes in float32 and adds an epsilon; 1e-9 against float64 oracles.
"""

import auraloss
import librosa
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from audiosr_lib import metrics, resampling, signals

SR = 44100


@pytest.fixture
def pair(speech):
    noise = np.random.default_rng(3).standard_normal(len(speech))
    return 0.9 * speech + 0.01 * noise, speech


def as_batch(x):
    return torch.from_numpy(np.asarray(x, dtype=np.float64))[None, None]


def test_snr_is_auraloss(pair):
    y_hat, y = pair
    loss = auraloss.time.SNRLoss(zero_mean=False, eps=0.0)
    assert metrics.snr_db(y_hat, y) == pytest.approx(-loss(as_batch(y_hat), as_batch(y)).item(), abs=1e-4)


def test_si_sdr_is_auraloss(pair):
    y_hat, y = pair
    loss = auraloss.time.SISDRLoss(zero_mean=False, eps=0.0)
    assert metrics.si_sdr_db(y_hat, y) == pytest.approx(-loss(as_batch(y_hat), as_batch(y)).item(), abs=1e-4)


def test_snr_closed_forms(speech):
    assert metrics.snr_db(0.5 * speech, speech) == pytest.approx(20 * np.log10(2))
    assert metrics.snr_db(speech, speech) == np.inf
    assert metrics.si_sdr_db(0.5 * speech, speech) > 250  # scale does not count, except for rounding
    assert metrics.si_sdr_db(np.zeros_like(speech), speech) == -np.inf


@pytest.mark.parametrize("base", [np.e, 10.0])
def test_lsd_is_the_formula_on_librosas_spectra(pair, base):
    y_hat, y = pair

    def log_power(x):
        return np.log(np.maximum(np.abs(librosa.stft(x, n_fft=2048, hop_length=512, pad_mode="reflect")) ** 2, 1e-8)) / np.log(base)

    wanted = np.mean(np.sqrt(np.mean((log_power(y) - log_power(y_hat)) ** 2, axis=0)))
    assert metrics.lsd(y_hat, y, base=base) == pytest.approx(wanted, rel=1e-9)


def test_lsd_closed_forms(speech):
    assert metrics.lsd(speech, speech) == 0
    loud = np.random.default_rng(0).standard_normal(SR)  # far above the clamp in every bin
    assert metrics.lsd(loud / 10, loud) == pytest.approx(2.0)  # -20 dB is a power ratio of 10^-2
    assert metrics.lsd(loud / 10, loud, base=np.e) == pytest.approx(2.0 * np.log(10))


def test_bands_split_the_whole(pair):
    """The mean square over all bins is the bin-weighted mean of the two bands', frame by frame; so the whole lies between."""
    result = metrics.evaluate(*pair)
    low, high = sorted((result["lsd_low_log10"], result["lsd_high_log10"]))
    assert low < result["lsd_log10"] < high
    assert result["lsd_high_log10"] == pytest.approx(metrics.lsd(*pair, band_hz=(11025, 1e9)))
    assert set(result) == set(metrics.MEASURES)


def test_band_error_shows_in_its_band():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(SR)
    spectrum = np.fft.rfft(y)
    spectrum[np.fft.rfftfreq(SR, 1 / SR) > 11500] *= 0.1
    result = metrics.evaluate(np.fft.irfft(spectrum, SR), y)
    assert result["lsd_high_log10"] > 1.8
    assert result["lsd_low_log10"] < 0.1


def test_errors(speech):
    with pytest.raises(ValueError, match="one length"):
        metrics.snr_db(speech[:-1], speech)
    with pytest.raises(ValueError, match="silent"):
        metrics.snr_db(speech, np.zeros_like(speech))
    with pytest.raises(ValueError, match="NaN"):
        metrics.lsd(np.full_like(speech, np.nan), speech)
    with pytest.raises(ValueError, match="at least one"):
        metrics.bootstrap_interval(np.array([]))


def test_bootstrap_is_scipys():
    values = np.random.default_rng(1).gamma(2.0, size=80)
    ours = metrics.bootstrap_interval(values, resamples=20000)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=20000, method="percentile", rng=0).confidence_interval
    spread = theirs.high - theirs.low
    assert ours == pytest.approx(tuple(theirs), abs=0.03 * spread)  # both are random


def test_bootstrap_over_groups_is_wider_when_groups_differ():
    groups = np.repeat(np.arange(10), 30)
    values = groups + 0.1 * np.random.default_rng(0).standard_normal(300)
    low, high = metrics.bootstrap_interval(values, groups=groups)
    low_single, high_single = metrics.bootstrap_interval(values)
    assert high - low > 3 * (high_single - low_single)
    assert metrics.bootstrap_interval(values, groups=groups) == (low, high)  # the same seed, the same interval


def results(values: dict[str, dict[str, float]], measure: str = "lsd_log10") -> pd.DataFrame:
    """Return a table as in notebook 10, shuffled; the speaker of an utterance is its first letter."""
    rows = [{"utterance": u, "speaker": u[0], "system": s, measure: v} for s, column in values.items() for u, v in column.items()]
    return pd.DataFrame(rows).sample(frac=1.0, random_state=0)


@pytest.fixture
def two_systems():
    """A measure of two systems on 24 utterances, the differences, and the speakers. Utterances differ more than systems."""
    rng = np.random.default_rng(5)
    names = [f"{speaker}{i}" for i in range(8) for speaker in "abc"]
    hard = rng.normal(0, 5, 24)
    unet, kaiser = hard + rng.normal(-0.5, 1.0, 24), hard + rng.normal(0, 0.1, 24)
    return dict(zip(names, unet, strict=True)), dict(zip(names, kaiser, strict=True)), unet - kaiser, np.array([n[0] for n in names])


@pytest.mark.parametrize("by_speaker", [False, True])
@pytest.mark.parametrize("measure", ["lsd_log10", "snr_db"])
def test_paired_difference_is_scipys(two_systems, measure, by_speaker):
    unet, kaiser, d, speakers = two_systems
    frame = results({"unet": unet | {"a99": 70.0}, "kaiser": kaiser | {"d1": -70.0}, "other": {"a0": 1.0}}, measure)
    got = metrics.paired_difference(frame, measure, "unet", "kaiser", by_speaker=by_speaker, resamples=500, seed=3)

    assert (got["measure"], got["system"], got["against"]) == (measure, "unet", "kaiser")
    assert (got["utterances"], got["speakers"]) == (24, 3)  # a99 and d1 have no partner
    assert got["mean"] == pytest.approx(d.mean(), rel=1e-12)
    assert got["p_wilcoxon"] == pytest.approx(scipy.stats.wilcoxon(d).pvalue, rel=1e-12)
    assert got["share_better"] == np.mean(d > 0 if measure == "snr_db" else d < 0)
    means = [d[speakers == s].mean() for s in "abc"]
    wanted = scipy.stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert (got["low_speakers"], got["high_speakers"]) == pytest.approx(tuple(wanted), rel=1e-9)
    order = np.argsort(list(unet))  # the bootstrap draws from the utterances in the order of their names
    drawn = metrics.bootstrap_interval(d[order], groups=speakers[order] if by_speaker else None, resamples=500, seed=3)
    assert (got["low"], got["high"]) == pytest.approx(drawn, rel=1e-9)
    back = metrics.paired_difference(frame, measure, "kaiser", "unet")
    assert (back["mean"], back["share_better"]) == pytest.approx((-got["mean"], 1 - got["share_better"]))


@pytest.mark.filterwarnings("error::RuntimeWarning")  # of SciPy, for differences that are all 0
def test_paired_difference_needs_two_pairs():
    unet = {"a1": 1.0, "a2": 2.0, "b1": 3.0}
    assert metrics.paired_difference(results({"unet": unet, "kaiser": {"a1": 1.0, "b9": 2.0}}), "lsd_log10", "unet", "kaiser") is None
    missing = {"a1": 1.0, "a2": np.nan, "b1": np.nan}
    assert metrics.paired_difference(results({"unet": unet, "kaiser": missing}), "lsd_log10", "unet", "kaiser") is None
    same = metrics.paired_difference(results({"unet": unet, "kaiser": unet}), "lsd_log10", "unet", "kaiser")
    assert (same["mean"], same["low"], same["high"], same["p_wilcoxon"], same["share_better"]) == (0, 0, 0, 1, 0)
    assert np.isnan(same["low_speakers"]) and metrics.decision(same) == "not decided"
    one = metrics.paired_difference(
        results({"unet": {"a1": 1.0, "a2": 2.0}, "kaiser": {"a1": 0.0, "a2": 0.0}}), "lsd_log10", "unet", "kaiser"
    )
    assert (one["utterances"], one["speakers"]) == (2, 1) and np.isnan([one["low_speakers"], one["high_speakers"]]).all()


@pytest.mark.parametrize(
    ("measure", "mean", "low", "high", "wanted"),
    [
        ("snr_db", 1.5, 1.0, 2.0, "better"),
        ("snr_db", -1.5, -2.0, -1.0, "worse"),
        ("lsd_log10", 1.5, 1.0, 2.0, "worse"),
        ("lsd_log10", -1.5, -2.0, -1.0, "better"),
        ("snr_db", 0.1, 0.05, 0.2, "negligible"),
        ("lsd_log10", 0.1, 0.05, 0.2, "negligible"),
        ("lsd_log10", -0.1, -0.2, -0.05, "negligible"),
        ("snr_db", 0.5, 0.4, 0.6, "better"),  # as large as `negligible`
        ("snr_db", 1.5, -0.1, 3.0, "not decided"),
        ("snr_db", 0.1, -0.1, 0.3, "not decided"),
        ("lsd_log10", 1.5, 0.0, 3.0, "not decided"),
        ("lsd_log10", -1.5, -3.0, 0.0, "not decided"),
    ],
)
def test_decision(measure, mean, low, high, wanted):
    comparison = {"measure": measure, "mean": mean, "low": low, "high": high}
    assert metrics.decision(comparison, negligible=0.5) == metrics.decision(pd.Series(comparison), negligible=0.5) == wanted
    assert metrics.decision(comparison) != "negligible"


def test_levels():
    assert signals.db(0.5) == pytest.approx(-6.0206, abs=1e-4)
    assert signals.rms(signals.sine(441, 1.0, SR, 0.5)) == pytest.approx(0.5 / np.sqrt(2))
    assert signals.rms(np.array([])) == 0
    assert signals.impulse(5, 2).tolist() == [0, 0, 1, 0, 0]


def test_visqol_orders_what_a_listener_would(speech):
    pytest.importorskip("visqol", reason="ViSQOL is optional")
    y = np.concatenate([speech, speech[::-1]])  # two seconds
    noisy = y + 0.05 * np.random.default_rng(4).standard_normal(len(y))
    same, narrow, rough = metrics.visqol(y, y), metrics.visqol(resampling.interpolate(resampling.degrade(y)), y), metrics.visqol(noisy, y)
    assert same > 4.5 > narrow and same > rough > 1
    with pytest.raises(ValueError, match=r"at least 1\.2 s"):
        metrics.visqol(y[:44100], y[:44100])


def test_speaker_interval_is_that_of_the_t_test():
    rng = np.random.default_rng(3)
    speakers = np.repeat(["a", "b", "c", "d"], [3, 8, 5, 2])
    values = rng.normal(2.0, 1.0, len(speakers))
    means = [values[speakers == s].mean() for s in "abcd"]
    expected = scipy.stats.ttest_1samp(means, 0).confidence_interval(0.9)
    assert metrics.speaker_interval(values, speakers, 0.9) == pytest.approx((expected.low, expected.high))
    assert np.isnan(metrics.speaker_interval(values, ["a"] * len(values))).all()
    assert np.isnan(metrics.speaker_interval([1.0, 1.0], ["a", "b"])).all()


def test_further_bands_are_those_of_lsd():
    rng = np.random.default_rng(5)
    y_hat, y = rng.standard_normal((2, 8000))
    bands = {"a": (0, 9000.0), "b": (11_025, 22_051.0)}
    measured = metrics.evaluate(y_hat, y, bands)
    assert {n: measured[n] for n in bands} == pytest.approx({n: metrics.lsd(y_hat, y, band_hz=b) for n, b in bands.items()})
    assert measured["b"] == measured["lsd_high_log10"] and set(measured) == {*metrics.MEASURES, *bands}
