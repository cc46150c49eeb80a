"""Kaiser windows and windowed-sinc interpolation against SciPy, resampy and soxr.

Tolerances: 1e-12 for float64 windows; 1e-9 for our polyphase filter against resampy in float64, which adds the same
products in another order; -80 dB of level for a tone through kaiser_best, -50 dB through kaiser_fast (their stop bands).
"""

import numpy as np
import pytest
import resampy
import scipy.signal

from audiosr_lib import resampling, signals
from audiosr_lib.base.constants import SR_HIGH, SR_LOW


@pytest.mark.parametrize("length", [1, 2, 51, 512])
@pytest.mark.parametrize("beta", [0.0, 2.5, 8.555, 14.77])
def test_kaiser_window_is_scipys(length, beta):
    np.testing.assert_allclose(resampling.kaiser_window(length, beta), scipy.signal.windows.kaiser(length, beta), atol=1e-12)


@pytest.mark.parametrize("attenuation", [0, 20.9, 21.1, 35, 50, 50.1, 96])
def test_kaiser_beta_is_scipys(attenuation):
    assert resampling.kaiser_beta(attenuation) == pytest.approx(scipy.signal.kaiser_beta(attenuation))


def test_kaiser_errors():
    with pytest.raises(ValueError, match="length"):
        resampling.kaiser_window(0, 1.0)
    with pytest.raises(ValueError, match="beta"):
        resampling.kaiser_window(8, -1.0)
    with pytest.raises(ValueError, match="attenuation"):
        resampling.kaiser_beta(-1)


@pytest.mark.parametrize("method", ["kaiser_fast", "kaiser_best"])
@pytest.mark.parametrize("length", [64, 301, 5000])
def test_polyphase_filter_is_resampy(method, length):
    x = np.random.default_rng(length).standard_normal(length)
    ours = resampling.upsample_by_two(x, resampling.shipped_filter(method))
    theirs = resampy.resample(x, SR_LOW, SR_HIGH, filter=method)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("method", ["kaiser_fast", "kaiser_best"])
@pytest.mark.parametrize("length", [2, 64, 302, 20000])
def test_round_trip_is_resampys(method, length):
    y = np.random.default_rng(length).standard_normal(length)
    theirs = resampling.interpolate(resampling.degrade(y, method), method)
    np.testing.assert_allclose(resampling.round_trip(y, resampling.shipped_filter(method)), theirs, atol=1e-9)


def test_sinc_filter_is_resampys_window_function():
    ours = resampling.sinc_filter(num_zeros=16, precision=512, rolloff=0.9, beta=8.0)
    theirs = resampy.filters.sinc_window(num_zeros=16, precision=9, rolloff=0.9, window=lambda n: scipy.signal.windows.kaiser(n, 8.0))
    np.testing.assert_allclose(ours.wing, theirs[0], atol=1e-12)


@pytest.mark.parametrize("method", resampling.METHODS)
def test_unit_gain_at_dc(method):
    middle = resampling.interpolate(np.ones(4000), method)[2000:6000]
    assert middle.mean() == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("method", resampling.METHODS)
@pytest.mark.parametrize("length", [1000, 1001])
def test_length_doubles(method, length):
    assert len(resampling.interpolate(np.random.default_rng(0).standard_normal(length), method)) == 2 * length


@pytest.mark.parametrize(("method", "limit_db"), [("kaiser_fast", -50), ("kaiser_best", -80), ("soxr_vhq", -100)])
def test_tone_survives_a_round_trip(method, limit_db):
    tone = signals.sine(3000, 1.0, SR_HIGH, 0.5)
    back = resampling.interpolate(resampling.degrade(tone, method), method)
    error = (back - tone)[4000:-4000]
    assert signals.db(signals.rms(error) / signals.rms(tone)) < limit_db


def test_linear():
    a, b = np.random.default_rng(2).standard_normal((2, 500))
    f = resampling.shipped_filter("kaiser_fast")
    np.testing.assert_allclose(
        resampling.upsample_by_two(2 * a - b, f), 2 * resampling.upsample_by_two(a, f) - resampling.upsample_by_two(b, f), atol=1e-12
    )


def test_resample_errors():
    with pytest.raises(ValueError, match="choose one of"):
        resampling.resample(np.zeros(100), SR_LOW, SR_HIGH, "linear")
    with pytest.raises(ValueError, match="mono"):
        resampling.resample(np.zeros((2, 100)), SR_LOW, SR_HIGH)


def test_the_way_back_may_have_another_filter(speech):
    y = speech[: len(speech) // 2 * 2]
    fast, best = (resampling.shipped_filter(m) for m in ("kaiser_fast", "kaiser_best"))
    ours = resampling.round_trip(y, fast, best)
    theirs = resampling.interpolate(resampling.degrade(y, "kaiser_fast"), "kaiser_best")
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    np.testing.assert_array_equal(resampling.round_trip(y, fast, fast), resampling.round_trip(y, fast))


@pytest.mark.parametrize("method", ["kaiser_fast", "kaiser_best"])
def test_filters_of_2021_are_what_resampy_makes_of_their_numbers(method, speech):
    """resampy's own window design, given the same three numbers, resamples alike."""
    from scipy.signal.windows import kaiser

    z, rolloff, beta = resampling.FILTERS_2021[method]
    x = speech[:4000]
    theirs = resampy.resample(
        x, 22050, 44100, filter="sinc_window", num_zeros=z, precision=9, rolloff=rolloff, window=lambda n: kaiser(n, beta)
    )
    np.testing.assert_allclose(resampling.upsample_by_two(x, resampling.filter_2021(method)), theirs, atol=1e-9)
    assert resampling.filter_2021(method).rolloff != resampling.shipped_filter(method).rolloff


@pytest.mark.parametrize(
    ("method", "at_1_5", "at_9_77", "total"),
    [
        ("kaiser_fast", -0.1557509303598279, 0.005035849414836481, 256.42786280595936),
        ("kaiser_best", -0.20496383789250586, -0.01973830271925152, 256.4737964902581),
    ],
)
def test_filters_of_2021_are_those_of_resampy_0_2_2(method, at_1_5, at_9_77, total):
    """Two values and the sum of half_window in that package's data files."""
    wing = resampling.filter_2021(method).wing
    np.testing.assert_allclose([wing[768], wing[5000], wing.sum()], [at_1_5, at_9_77, total], rtol=1e-12)
