"""Hypotheses about a printed SNR: each against a closed form or brute force, and the fit against a case with a known answer."""

import numpy as np
import pytest

from audiosr_lib import metrics, signals
from audiosr_lib.claims import hypotheses
from audiosr_lib.claims.hypotheses import Hypothesis

SR = 44100


@pytest.fixture
def pair(speech):
    """An estimate with a small error, and its target."""
    return speech + 0.01 * np.random.default_rng(1).standard_normal(len(speech)), speech


def test_a_gain_is_what_scaling_gives(pair):
    e, y = pair
    gains = np.array([0.1, 0.5, 1.0, 1.7])
    assert hypotheses.gained_snr_db(e, y, gains) == pytest.approx([metrics.snr_db(g * e, y) for g in gains], abs=1e-9)
    assert hypotheses.gained_snr_db(y, y, np.array([0.5])) == pytest.approx(20 * np.log10(2))


def test_whole_delays_are_what_shifting_gives(pair):
    e, y = pair
    delays, snr = hypotheses.delayed_snr_db(e, y, longest=12, per_sample=1)
    assert delays.tolist() == list(range(13))
    for d in (0, 1, 7, 12):
        late = np.concatenate([np.zeros(d), e])
        wanted = 10 * np.log10(np.sum(y**2) / np.sum((np.append(y, np.zeros(d)) - late) ** 2))
        assert snr[d] == pytest.approx(wanted, abs=1e-8)


@pytest.mark.parametrize("length", [4000, 4001, 4093])  # even, odd, and a prime, which is padded to a length that transforms fast
def test_fractions_of_a_sample_follow_the_sine(length):
    """A tone under a smooth envelope, so that its ends do not count."""
    n = np.arange(length)
    y = np.sin(2 * np.pi * 1000 * n / SR) * np.hanning(length)
    delays, snr = hypotheses.delayed_snr_db(y, y, longest=6, per_sample=4)
    closed = -20 * np.log10(2 * np.abs(np.sin(np.pi * 1000 * delays[1:] / SR)))
    assert snr[1:] == pytest.approx(closed, abs=0.02)


def test_segments_average_decibels(pair):
    e, y = pair
    pieces = [metrics.snr_db(e[k : k + 4096], y[k : k + 4096]) for k in range(0, len(y) - 4095, 4096)]
    assert hypotheses.segmental_snr_db(e, y, 4096) == pytest.approx(np.mean(pieces))
    assert hypotheses.segmental_snr_db(e, y, 10 * len(y)) == pytest.approx(metrics.snr_db(e, y))  # shorter than a segment: one


def test_silent_and_perfect_segments_are_left_out():
    y, e = np.ones(300), np.ones(300)
    y[:100], e[:100] = 0.0, 0.5  # silence with an error
    e[200:] = 0.9  # the last: an SNR of 20 dB; the middle one is perfect
    assert hypotheses.segmental_snr_db(e, y, 100) == pytest.approx(20)
    with pytest.raises(ValueError, match="no segment"):
        hypotheses.segmental_snr_db(y, y, 100)


def test_log_spectra_know_the_level_but_not_the_base():
    rng = np.random.default_rng(2)
    y = rng.normal(-8, 3, (30, 40))
    x = y + rng.normal(0, 1, y.shape)
    plain = 10 * np.log10(np.sum(y**2) / np.sum((x - y) ** 2))
    assert hypotheses.log_spectrum_snr_db(x, y) == pytest.approx(plain)
    assert hypotheses.log_spectrum_snr_db(x / np.log(10), y / np.log(10)) == pytest.approx(plain)  # base 10
    shift = np.log(10.0)  # ten times the power: 10 dB
    assert hypotheses.log_spectrum_snr_db(x, y, 10.0) == pytest.approx(hypotheses.log_spectrum_snr_db(x + shift, y + shift))


def line(slope):
    """A hypothesis that predicts value * slope for each of three systems, plus 1 for the second group of utterances."""
    return Hypothesis("line", "a line", "value", np.arange(5.0), lambda v, members: v * np.array(slope) + np.mean(members >= 2))


def test_fit_takes_the_nearest_value_and_tells_what_is_left():
    found = hypotheses.fit(line([1.0, 2.0, 3.0]), [3.5, 6.5, 8.5], ["a", "a", "b", "b"])
    assert found.value == 3.0
    assert found.predicted == pytest.approx([3.5, 6.5, 9.5])
    assert found.errors == pytest.approx([0, 0, 1])
    assert found.rms == pytest.approx(np.sqrt(1 / 3))
    assert found.low == pytest.approx([3, 6, 9]) and found.high == pytest.approx([4, 7, 10])
    assert found.inside(np.array([3.5, 6.5, 8.5])).tolist() == [True, True, False]


def test_fit_refuses_what_it_cannot_judge():
    with pytest.raises(ValueError, match="at least one"):
        hypotheses.fit(line([1, 2, 3]), [1, 2, 3], [])
    broken = Hypothesis("broken", "", "", np.array([np.nan]), lambda v, m: np.array([1.0, np.nan, 2.0]))
    with pytest.raises(ValueError, match="finite"):
        hypotheses.fit(broken, [1, 2, 3], ["a"])
    with pytest.raises(ValueError, match="finite predictions of shape"):
        hypotheses.fit(line([1, 2]), [1, 2, 3], ["a"])


def test_halved_decibels_are_recognised():
    """A made-up truth: printed numbers that are halves of true SNRs must be traced back to that slip and no other."""
    y = signals.synthetic_speech(1.0, SR, np.random.default_rng(3))
    estimates = [y + s * np.random.default_rng(4).standard_normal(len(y)) for s in (0.02, 0.015, 0.005)]
    snr = np.array([[metrics.snr_db(e, y)] for e in estimates])
    gains = np.arange(0.1, 2, 0.05)
    by_gain = np.array([[hypotheses.gained_snr_db(e, y, gains)] for e in estimates])
    none = np.array([np.nan])
    rivals = {
        "plain": Hypothesis("plain", "", "", none, lambda _, m: snr[:, m].mean(axis=1)),
        "halved": Hypothesis("halved", "", "", none, lambda _, m: snr[:, m].mean(axis=1) / 2),
        "gain": Hypothesis("gain", "", "g", gains, lambda v, m: by_gain[:, m, int(np.argmin(np.abs(gains - v)))].mean(axis=1)),
    }
    errors = {name: hypotheses.fit(h, snr[:, 0] / 2, ["a"]).rms for name, h in rivals.items()}
    assert min(errors, key=errors.get) == "halved" and errors["halved"] < 1e-9


def test_nothing_comes_round_at_the_ends():
    """Noise that does not fade out: a circular shift would bring its end in at the beginning."""
    y = np.random.default_rng(5).standard_normal(64)
    _, snr = hypotheses.delayed_snr_db(y, y, longest=8, per_sample=1)
    late = np.concatenate([np.zeros(8), y])
    assert snr[8] == pytest.approx(10 * np.log10(np.sum(y**2) / np.sum((np.append(y, np.zeros(8)) - late) ** 2)))
