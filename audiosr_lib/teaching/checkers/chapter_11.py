"""Checkers of chapter 11, the claims of the coursework."""

from __future__ import annotations

import numpy as np

from audiosr_lib.claims import hypotheses
from audiosr_lib.teaching.exercises import checker, close, expect, mistake


@checker("11.1")
def two_slips(answer) -> None:
    """Halved decibels, and nepers of energy."""
    expect(answer(20.0) is not None, "return a pair: how do norms that are not squared, and the natural logarithm, change the number?")
    for snr in (20.0, 28.3, -3.0):
        got = answer(snr)
        expect(np.shape(got) == (2,), f"return two numbers; yours has shape {np.shape(got)}")
        mistake(got[0], 2 * snr, "the first: a norm is the root of its square, so its logarithm is half of it, not twice")
        mistake(got[1], snr * np.log(10), "the second: this still has the factor 10")
        close(got[0], snr / 2, "the first: the logarithm of a root is half the logarithm")
        close(
            got[1], snr / 10 * np.log(10), "the second: undo the decibels first (divide by 10), then change the base: ln r = ln(10) log10 r"
        )


@checker("11.2")
def louder_spectra(answer) -> None:
    """The SNR formula on log-power spectra, at a level."""
    rng = np.random.default_rng(11)
    x, y = rng.normal(-8, 3, (2, 40, 30))
    expect(answer(x, y, 0.0) is not None, "start without the level: two sums over all bins and frames, their ratio in dB")
    close(answer(x, y, 0.0), hypotheses.log_spectrum_snr_db(x, y), "at level 0 it is 10 log10 of sum Y^2 over sum (Y - X)^2")
    for level in (-20.0, 6.0):
        got, wanted = answer(x, y, level), hypotheses.log_spectrum_snr_db(x, y, level)
        mistake(
            got,
            hypotheses.log_spectrum_snr_db(x, y, 2 * level),
            "a level in dB is 10 log10 of a factor on power, not 20: how much does it add to ln of power?",
        )
        mistake(got, hypotheses.log_spectrum_snr_db(x, y), "the level must enter the numerator: it adds a constant to every Y")
        close(got, wanted, "a gain adds the constant level ln(10) / 10 to X and to Y; it cancels in Y - X and not in Y")


@checker("11.3")
def judge(answer) -> None:
    """A decided improvement."""
    expect(answer(1.0, 2.0, 1) is not None, 'return one of the two words, "reproduced" or "not reproduced"')
    for low, high, sign, wanted, hint in (
        (1.0, 2.0, 1, "reproduced", "an interval wholly above zero is a decided improvement if higher is better"),
        (1.0, 2.0, -1, "not reproduced", "above zero is a loss if lower is better"),
        (-2.0, -1.0, -1, "reproduced", "an interval wholly below zero is a decided improvement if lower is better"),
        (-2.0, -1.0, 1, "not reproduced", "below zero is a loss if higher is better"),
        (-1.0, 2.0, 1, "not reproduced", "an interval that contains zero decides nothing, even if its middle is positive"),
        (-2.0, 1.0, -1, "not reproduced", "an interval that contains zero decides nothing, even if its middle is negative"),
        (0.0, 2.0, 1, "not reproduced", "an interval that ends at zero contains it"),
        (-2.0, 0.0, -1, "not reproduced", "an interval that ends at zero contains it"),
    ):
        expect(answer(low, high, sign) == wanted, f"{low:g} to {high:g} with sign {sign:+d}: {hint}")
