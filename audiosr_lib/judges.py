"""How each claim of the coursework is judged: functions that read a record's numbers and compare them with what is printed.

General judges are in `claims`; these know what one claim means. Nothing here says whether a claim holds. Notebook 11.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audiosr_lib.claims import (
    NOT_REPRODUCED,
    NOT_TESTABLE,
    OTHER_CONVENTION,
    REPRODUCED,
    SPEED_FACTOR,
    WRONG,
    Evidence,
    Judge,
    Judgement,
    fact,
    graded,
    paired,
    turns_up,
    when,
)

PRINTED_SNR = {"kaiser_fast": 6.091, "kaiser_best": 6.165, "unet": 11.067}
PRINTED_LSD = {"kaiser_fast": 6.272, "kaiser_best": 6.119, "unet": 2.6916}
PRINTED_SPEED = {"kaiser_fast": 170.0, "kaiser_best": 22.8, "unet": 55.5}
PROGRAM_CLAMP = 1e-7  # of the printed program's stft(), on power
SYSTEM_NAMES = {"kaiser_fast": "Kaiser fast", "kaiser_best": "Kaiser best", "unet": "the U-Net"}
QUOTIENTS = {above: PRINTED_SPEED[above] / PRINTED_SPEED["kaiser_best"] for above in ("unet", "kaiser_fast")}


def levels_of_speech(e: Evidence) -> Judgement:
    levels = (e.finding("levels_16_bit"), e.finding("levels_32_bit"))
    return Judgement(f"16 bit: {levels[0]:,.0f}, 32 bit: {levels[1]:,.0f}", when(32767 in levels, WRONG), shown="finding:levels_16_bit")


def higher_rate_is_more_precise(e: Evidence) -> Judgement:
    """True of a sound that the lower rate cannot hold, not of one that it can."""
    gains = {
        where: e.finding(f"reconstruct_error_8k{where}") > 1e-6 > e.finding(f"reconstruct_error_16k{where}") for where in ("", "_above")
    }
    words = ", ".join(f"{kind}: {'a gain' if gains[where] else 'no gain'}" for where, kind in (("", "below 4 kHz"), ("_above", "above")))
    verdict = graded(all(gains.values()), any(gains.values()))
    return Judgement(words, verdict, "for sounds beyond half the lower rate", shown="finding:reconstruct_error_16k_above")


def reads_above_kaiser(e: Evidence) -> Judgement:
    """Spectral convergence and the higher frequencies: the share of its square that comes from above 11.025 kHz."""
    file = "data-loss-bands.csv"
    share = e.number(file, "of its square, above 11 kHz (%)", estimate="U-Net")
    return Judgement(
        f"{share:.0f} % from above 11 kHz", when(share > 50, NOT_REPRODUCED), "share of its square, U-Net, validation crops", shown=file
    )


def mse_is_small(e: Evidence) -> Judgement:
    file = "data-training-log.csv"
    mse, sc, mag = (np.median(e.numbers(file, c)) for c in ("mse_loss", "spectral_convergence", "log_magnitude"))
    return Judgement(f"median ratio {mse / (sc + mag):.1g}", when(mse < 0.1 * (sc + mag), NOT_REPRODUCED), "without its weight", shown=file)


def curves_turn_up(e: Evidence) -> Judgement:
    """Does the validation's spectral convergence rise at the end? A training that nobody let end cannot deny it."""
    file = "data-validation-log.csv"
    values = e.numbers(file, "spectral_convergence")[1:]  # without step 0: its running statistics are not yet measured
    words = f"last {values[-1]:.4f}, lowest {values.min():.4f}"
    if turns_up(values):
        return Judgement(words, REPRODUCED, "raw and smoothed, by 2 %", shown=file)
    return Judgement(words, NOT_REPRODUCED if e.has("patience") else NOT_TESTABLE, "needs a training to its end", shown=file)


def two_readings(
    first: str,
    second: str,
    plain: Callable[[float, float], bool],
    other: Callable[[float, float], bool],
    words: str,
    convention: str,
    shown: str,
) -> Judge:
    """A claim about two findings: reproduced if `plain` holds of them, under another convention if `other` does, else wrong."""

    def judge(e: Evidence) -> Judgement:
        a, b = e.finding(first), e.finding(second)
        return Judgement(words.format(a, b), graded(plain(a, b), other(a, b)), convention, shown=f"finding:{shown}")

    return judge


convolution_as_printed = two_readings(
    "conv1d_minus_convolution",
    "conv1d_minus_correlation",
    lambda convolution, _: convolution < 1e-5,
    lambda _, correlation: correlation < 1e-5,
    "{:.2g} from convolution, {:.0e} from correlation",
    "cross-correlation: the kernel is not flipped",
    "conv1d_minus_correlation",
)


shift_invariant = two_readings(
    "shift_invariance_error",
    "shift_equivariance_error",
    lambda invariance, _: invariance < 1e-5,
    lambda _, equivariance: equivariance < 1e-5,
    "invariance error {:.2g}, equivariance error {:.0e}",
    "in the sense of equivariance",
    "shift_invariance_error",
)


def pooling_removes(e: Evidence) -> Judgement:
    two, one = e.finding("pooling_removes_2d"), e.finding("pooling_removes_1d")
    verdict = OTHER_CONVENTION if abs(two - 0.75) < 1e-9 and abs(one - 0.75) > 1e-9 else when(abs(one - 0.75) < 1e-9, WRONG)
    return Judgement(
        f"{100 * one:.0f} % in audio, {100 * two:.0f} % in images", verdict, "two dimensions, stride 2", shown="finding:pooling_removes_2d"
    )


def folding_saves(e: Evidence) -> Judgement:
    before, after = e.finding("parameters_unfolded"), e.finding("parameters_folded")
    equal = e.finding("folding_error") < 1e-4
    return Judgement(
        f"{before:,.0f} to {after:,.0f}",
        when(after < before and equal, WRONG),
        f"{100 * (1 - after / before):.1g} % fewer",
        shown="finding:parameters_folded",
    )


energy_concentration = two_readings(
    "kaiser_concentration",
    "dpss_concentration",
    lambda kaiser, dpss: kaiser >= dpss,
    lambda kaiser, dpss: kaiser > dpss - 1e-4,
    "Kaiser {:.8f}, DPSS {:.8f}",
    "nearly: DPSS has the maximum",
    "kaiser_concentration",
)


residual_arrows = two_readings(
    "concatenated_channels",
    "added_channels",
    lambda channels, if_added: channels == if_added,
    lambda channels, if_added: channels == 2 * if_added,
    "{:.0f} channels in, {:.0f} if added",
    "skip connections that concatenate",
    "concatenated_channels",
)


def both_totals_are_one(e: Evidence) -> Judgement:
    training, validation = e.finding("training_mse_weight"), e.finding("validation_mse_weight")
    return Judgement(
        f"MSE weighs {training:g} in training, {validation:g} in validation",
        when(training == validation, WRONG),
        "printed program",
        shown="finding:validation_mse_weight",
    )


FAIR = "data-fair-paired.csv"  # paired comparisons of notebook 11: the run's own test speakers first, then other corpora


def own_corpus(e: Evidence) -> str:
    """The corpus of the run, in the table of fair comparisons."""
    return str(e.frame(FAIR).corpus.iloc[0])


def gains_in_both_bands(e: Evidence) -> Judgement:
    """The network is to add detail above *and* below: both paired differences of LSD must be gains."""
    where = {"system": "unet", "against": "kaiser_best", "sign": -1, "file": FAIR, "corpus": own_corpus(e)}
    high, low = paired("lsd_high", **where)(e), paired("lsd_pass", **where)(e)
    words = f"LSD {high.ours} above 11 kHz, {low.ours} below 9.1 kHz, which the filters pass"
    return Judgement(words, when(REPRODUCED == high.verdict == low.verdict, NOT_REPRODUCED), "paired differences, log10", shown=FAIR)


def fast_is_the_worst(e: Evidence) -> Judgement:
    """By LSD and by SNR: is Kaiser fast the worst of the three?"""
    lsd, snr = ({s: e.number("table-2.csv", "mean", measure=m, system=s) for s in SYSTEM_NAMES} for m in ("lsd_ln", "snr_db"))
    by_lsd, by_snr = max(lsd, key=lsd.get) == "kaiser_fast", min(snr, key=snr.get) == "kaiser_fast"
    verdict = graded(by_lsd and by_snr, by_lsd or by_snr, NOT_REPRODUCED)
    words = f"worst by LSD: {SYSTEM_NAMES[max(lsd, key=lsd.get)]}; by SNR: {SYSTEM_NAMES[min(snr, key=snr.get)]}"
    return Judgement(words, verdict, "both" if by_lsd and by_snr else "LSD" if by_lsd else "SNR" if by_snr else "", shown="table-2.csv")


def fast_is_the_fastest(e: Evidence) -> Judgement:
    ratios = {m: e.number("table-3.csv", "real_time_ratio", method=m) for m in ("kaiser_fast", "kaiser_best", "unet", "soxr_vhq")}
    fastest = max(ratios, key=ratios.get)
    of_three = max(("kaiser_fast", "kaiser_best", "unet"), key=ratios.get)
    verdict = graded(fastest == "kaiser_fast", of_three == "kaiser_fast", NOT_REPRODUCED)
    words = f"Kaiser fast {ratios['kaiser_fast']:.0f}, soxr {ratios['soxr_vhq']:,.0f}"
    return Judgement(words, verdict, "of the three methods compared", shown="table-3.csv")


def much_faster_than_real_time(e: Evidence) -> Judgement:
    ratio = e.number("table-3.csv", "real_time_ratio", method="kaiser_fast")
    return Judgement(f"{ratio:.0f} times", when(ratio > 10, NOT_REPRODUCED), "more than 10 times", shown="table-3.csv")


def large_margin(e: Evidence) -> Judgement:
    """ "By a large margin on both functions": the U-Net ahead of Kaiser best on SNR and on LSD."""
    judges = [paired("snr_db", "unet", "kaiser_best", +1, unit=" dB"), paired("lsd_ln", "unet", "kaiser_best", -1)]
    snr, lsd = (j(e) for j in judges)
    return Judgement(
        f"SNR {snr.ours}, LSD {lsd.ours}",
        when(REPRODUCED == snr.verdict == lsd.verdict, NOT_REPRODUCED),
        "paired differences",
        shown=snr.shown,
    )


def best_minus_fast(e: Evidence) -> Judgement:
    """How far the two Kaiser columns are apart in LSD: with today's filters, and with those of 2021."""
    printed = PRINTED_LSD["kaiser_best"] - PRINTED_LSD["kaiser_fast"]
    today, old = (e.finding(f"lsd_best_minus_fast_{year}") for year in ("today", "2021"))
    near = [abs(d - printed) <= 0.2 * abs(printed) for d in (today, old)]
    verdict = graded(near[0], near[1], NOT_REPRODUCED)
    return Judgement(
        f"{today:+.3f} today, {old:+.3f} of 2021",
        verdict,
        "resampy's filters of 2021; within 20 %",
        shown="finding:lsd_best_minus_fast_2021",
    )


def lsd_ratio(e: Evidence) -> Judgement:
    """LSD of the U-Net over LSD of Kaiser fast, which no base of the logarithm changes; range over speakers."""
    printed = PRINTED_LSD["unet"] / PRINTED_LSD["kaiser_fast"]
    file = "data-per-speaker.csv"
    by_speaker = e.numbers(file, "lsd_ln", system="unet") / e.numbers(file, "lsd_ln", system="kaiser_fast")
    words = f"{by_speaker.mean():.2f}, speakers {by_speaker.min():.2f} to {by_speaker.max():.2f}"
    return Judgement(
        words, when(by_speaker.min() <= printed <= by_speaker.max(), NOT_REPRODUCED), "free of the base; clamp 1e-08", shown=file
    )


def other_corpora(e: Evidence) -> Judgement:
    """LSD against Kaiser best on every corpus of another origin."""
    if not e.has("unseen_corpora"):
        return Judgement("not measured", NOT_TESTABLE, "needs further recordings", shown="finding:has_unseen_corpora")
    names = [c for c in dict.fromkeys(e.frame(FAIR).corpus) if c != own_corpus(e)]
    highs = {c: e.number(FAIR, "high", measure="lsd", system="unet", against="kaiser_best", corpus=c) for c in names}
    words = ", ".join(f"{c}: at most {h:+.2f}" for c, h in highs.items())
    return Judgement(
        words, when(all(h < 0 for h in highs.values()), NOT_REPRODUCED), "upper end of the interval of the paired LSD", shown=FAIR
    )


def sounds_better(e: Evidence) -> Judgement:
    """No listeners here. A model's prediction is another convention at best."""
    if not e.has("visqol"):
        return Judgement("not measured", NOT_TESTABLE, "needs ViSQOL", shown="finding:has_visqol")
    j = paired("visqol", "unet", "kaiser_best", +1, file=FAIR, corpus=own_corpus(e))(e)
    verdict = OTHER_CONVENTION if j.verdict == REPRODUCED else j.verdict
    return Judgement(f"ViSQOL {j.ours}", verdict, "a model's prediction; no listeners were asked", j.low, j.high, j.shown)


def cheap_to_run(e: Evidence) -> Judgement:
    ratio = e.finding("macs_unet_over_kaiser_best")
    return Judgement(
        f"{ratio:,.0f} times the multiplications",
        when(ratio <= 1, WRONG),
        "U-Net over Kaiser best",
        shown="finding:macs_unet_over_kaiser_best",
    )


def vctk_rate(e: Evidence) -> Judgement:
    if not e.has("vctk"):
        return Judgement("not at hand", NOT_TESTABLE, "needs the VCTK recordings", shown="finding:has_vctk")
    rate = e.finding("recorded_rate")
    return Judgement(f"{rate:,.0f} Hz", when(rate == 48000, WRONG), shown="finding:recorded_rate")


def stops_by_validation(e: Evidence) -> Judgement:
    if not e.has("patience"):
        return Judgement("not trained to the end", NOT_TESTABLE, "needs a profile with patience", shown="finding:has_patience")
    return Judgement(
        "stopped early" if (stopped := e.finding("stopped_early")) else "ran to its last step",
        when(stopped > 0, NOT_REPRODUCED),
        shown="finding:stopped_early",
    )


def aligned_crops(e: Evidence) -> Judgement:
    left = e.finding("share_of_odd_starts_left")
    lost = e.finding("snr_lost_without_rule")
    return Judgement(
        f"{100 * left:.0f} % odd starts left",
        when(left == 0 and lost > 0, WRONG),
        f"forgetting the rule would cost {lost:.1f} dB",
        shown="finding:share_of_odd_starts_left",
    )


def clipped_at_ten(e: Evidence) -> Judgement:
    norm = e.finding("printed_gradient_norm_at_step")
    return Judgement(
        f"norm {norm:g} reaches the step",
        when(norm <= 10.001, WRONG),
        "printed training loop",
        shown="finding:printed_gradient_norm_at_step",
    )


def steeper_is_faster(e: Evidence) -> Judgement:
    ratio = e.finding("adam_rate_ratio_steep_over_shallow")
    return Judgement(
        f"rate {ratio:.2g} times that of the shallow one",
        when(ratio > 1, WRONG),
        "gradients 1 and 0.01",
        shown="finding:adam_rate_ratio_steep_over_shallow",
    )


def layer_wise(e: Evidence) -> Judgement:
    ratio = e.finding("adam_rate_ratio_steep_over_shallow")
    return Judgement(
        f"rates differ {1 / ratio:.0f}-fold inside one layer",
        when(abs(ratio - 1) < 0.01, WRONG),
        "two weights of one tensor",
        shown="finding:adam_rate_ratio_steep_over_shallow",
    )


range_is_limited = two_readings(
    "relu_largest_output",
    "sigmoid_largest_output",
    lambda relu, sigmoid: max(relu, sigmoid) <= 1,
    lambda relu, sigmoid: min(relu, sigmoid) <= 1,
    "of a million, ReLU makes {:,.0f}, a sigmoid {:g}",
    "sigmoid and its kin, not ReLU",
    "relu_largest_output",
)


# the network's parameters do not start at zero; Adam's own averages do, and may be what is meant
starts_at_zero = two_readings(
    "share_of_zero_weights_at_start",
    "adam_average_at_start",
    lambda share, _: share > 0.99,
    lambda _, average: average == 0,
    "{:.0%} of the weights are 0; Adam's average starts at {:g}",
    "if Adam's own averages are meant",
    "adam_average_at_start",
)


def padding_expands(e: Evidence) -> Judgement:
    length = e.finding("length_100_padded_by_2")
    verdict = graded(length == 200, length == 104)
    return Judgement(
        f"{length:g} of 100, k = 2", verdict, "k zeros on each side, as the sentence goes on", shown="finding:length_100_padded_by_2"
    )


def frames_of_a_signal(e: Evidence) -> Judgement:
    centred, plain = e.finding("frames_formula_error_centred"), e.finding("share_of_lengths_formula_right_plain")
    words = f"{centred:+.0f} frame if centred; right for {100 * plain:.0f} % of the lengths if not"
    verdict = when(centred == 0, OTHER_CONVENTION if plain == 1 else WRONG)
    return Judgement(words, verdict, shown="finding:frames_formula_error_centred")


def stft_call(e: Evidence) -> Judgement:
    as_printed, mended = e.finding("stft_without_return_complex_runs"), e.finding("stft_with_return_complex_equals_ours")
    verdict = graded(as_printed, mended)
    words = "runs" if as_printed else "an error" + (", right with one argument more" if mended else "")
    return Judgement(words, verdict, "PyTorch of 2021; return_complex is asked for today", shown="finding:stft_without_return_complex_runs")


def equal(name: str, wanted: float, *, otherwise: str = WRONG, form: str = "{:g}", convention: str = "") -> Judge:
    """A statement that a finding equals a number."""
    return fact(name, lambda v: abs(v - wanted) < 1e-9, otherwise=otherwise, form=form, convention=convention)


def program(name: str, wanted: float, note: str = "") -> Judge:
    """A fact of the printed program, "yes" if the finding is what the claim says it should be."""

    def judge(e: Evidence) -> Judgement:
        holds = abs(e.finding(name) - wanted) < 1e-9
        return Judgement("yes" if holds else "no", when(holds, WRONG), "" if holds else note, shown=f"finding:{name}")

    return judge


batch_norm = two_readings(
    "batch_norm_error_batch_only",
    "batch_norm_error",
    lambda batch, _: batch < 1e-4,
    lambda _, whole: whole < 1e-4,
    "difference {:.2g}, with time {:.0e}",
    "statistics over batch and time",
    "batch_norm_error",
)


def fast_over_best(e: Evidence) -> Judgement:
    """How many times as fast Kaiser fast is as Kaiser best: with today's filters, and with those of 2021."""
    printed = QUOTIENTS["kaiser_fast"]
    today = e.number("table-3.csv", "real_time_ratio", method="kaiser_fast") / e.number(
        "table-3.csv", "real_time_ratio", method="kaiser_best"
    )
    old = [e.number("table-3-fair.csv", "real_time_ratio", method=f"resampy, {m} of 2021") for m in ("kaiser_fast", "kaiser_best")]
    near = [printed / SPEED_FACTOR <= q <= printed * SPEED_FACTOR for q in (today, old[0] / old[1])]
    verdict = graded(near[0], near[1], NOT_REPRODUCED)
    words = f"{today:.2f} today, {old[0] / old[1]:.2f} with the filters of 2021"
    return Judgement(words, verdict, f"within a factor of {SPEED_FACTOR}", shown="table-3-fair.csv")
