"""Claims of sections 2.4 to 2.7 and of the conclusion, each with the judge that computes its verdict."""

from __future__ import annotations

import numpy as np

from audiosr_lib.base.labels import LABELS
from audiosr_lib.claims import judging
from audiosr_lib.claims.evidence import Evidence
from audiosr_lib.claims.findings import Finding
from audiosr_lib.claims.judging import NOT_REPRODUCED, NOT_TESTABLE, OTHER_CONVENTION, REPRODUCED, WRONG, Judgement, graded, when
from audiosr_lib.claims.printed import NAMES, PRINTED_LSD, PRINTED_SNR, PRINTED_SPEED, PROGRAM_CLAMP, QUOTIENTS

CLAIMS = judging.ClaimList()
add, claim = CLAIMS.add, CLAIMS.claim
FAIR = "data-fair-paired.csv"  # paired comparisons of notebook 11: the corpus of the run first, then other corpora
LONG_LOG = "data-long-run.csv"  # validations of the training that made the trained U-Net

# --- 2.4 and 2.5: network and training -----------------------------------------------------------


@claim("residual", "2.4", "the grey arrows of Figure 2.2 are residual connections", "statement")
def residual_arrows(e: Evidence) -> Judgement:
    channels, if_added = e.finding(Finding.concatenated_channels), e.finding(Finding.added_channels)
    words, verdict = f"{channels:.0f} channels in, {if_added:.0f} if added", graded(channels == if_added, channels == 2 * if_added)
    return Judgement(words, verdict, "skip connections that concatenate", shown=Finding.concatenated_channels)


nine_equal = judging.equal(Finding.table1_differs_from_auraloss, 0, otherwise=NOT_REPRODUCED, form="{:g} of 9 differ")
add("table-1", "2.5", "Table 1: three resolutions of the STFT loss, those of the method's authors", "9 numbers", nine_equal)


@claim("mse-small", "2.5", "the MSE is significantly lower than the STFT loss", "statement")
def mse_is_small(e: Evidence) -> Judgement:
    file = "data-training-log.csv"
    mse, sc, mag = (np.median(e.numbers(file, c)) for c in ("mse_loss", "spectral_convergence", "log_magnitude"))
    return Judgement(
        f"median ratio {mse / (sc + mag):.1g}",
        when(mse < 0.1 * (sc + mag), NOT_REPRODUCED),
        "without its weight, in the training of this run",
        shown=file,
    )


NORM = Finding.printed_gradient_norm_at_step
is_clipped = judging.fact(NORM, lambda v: v <= 10.001, form="norm {:g} reaches the step", convention="printed training loop")
add("clipping", "2.5", "the gradient's norm is clipped at 10", "10", is_clipped)


@claim("fast-enough", "2.5", "Kaiser fast works much faster than real time", "statement")
def much_faster_than_real_time(e: Evidence) -> Judgement:
    ratio = e.number("table-3.csv", "real_time_ratio", method="kaiser_fast")
    return Judgement(f"{ratio:.0f} times", when(ratio > 10, NOT_REPRODUCED), "more than 10 times", shown="table-3.csv")


def own_corpus(e: Evidence) -> str:
    """Return the corpus of the run, in the table of fair comparisons."""
    return str(e.frame(FAIR).corpus.iloc[0])


@claim("higher-and-lower", "2.5", "the network adds detail in the higher and the lower frequencies", "statement", headline=True)
def gains_in_both_bands(e: Evidence) -> Judgement:
    where = {"system": "unet", "against": "kaiser_best", "sign": -1, "file": FAIR, "corpus": own_corpus(e)}
    high, low = judging.paired("lsd_high", **where)(e), judging.paired("lsd_pass", **where)(e)
    words = f"LSD {high.ours} above 11 kHz, {low.ours} below 9.1 kHz, which the filters pass"
    return Judgement(
        words, when(REPRODUCED == high.verdict == low.verdict, NOT_REPRODUCED), "the trained U-Net, paired differences, log10", shown=FAIR
    )


# --- 2.6: validation -----------------------------------------------------------------------------


@claim("same-losses", "2.6", "all the same losses are calculated in validation", "statement")
def both_totals_are_one(e: Evidence) -> Judgement:
    training, validation = e.finding(Finding.training_mse_weight), e.finding(Finding.validation_mse_weight)
    words = f"MSE weighs {training:g} in training, {validation:g} in validation"
    return Judgement(words, when(training == validation, WRONG), "printed program", shown=Finding.validation_mse_weight)


has_weight_norms = judging.fact(Finding.weight_norms, lambda v: v > 0, form="{:g} in the network")
add("weight-norms", "2.6", "weight norms are removed for validation", "statement", has_weight_norms)


@claim("turns-up", "2.6", "spectral convergence starts to rise towards the end", "statement", headline=True)
def curves_turn_up(e: Evidence) -> Judgement:
    """A training that has not passed its best point cannot refute the claim."""
    # without step 0, before batch norm has running statistics
    steps, loss, values = (e.numbers(LONG_LOG, c)[1:] for c in ("step", "loss", "spectral_convergence"))
    words = f"lowest {values.min():.4f} at step {steps[values.argmin()]:,.0f}, last {values[-1]:.4f} at step {steps[-1]:,.0f}"
    if judging.turns_up(values):
        return Judgement(words, REPRODUCED, "raw and smoothed, by 2 %", shown=LONG_LOG)
    best = f"the total loss is lowest at step {steps[loss.argmin()]:,.0f}"
    if judging.past_best(loss):
        return Judgement(words, NOT_REPRODUCED, f"{best}: trained past it", shown=LONG_LOG)
    return Judgement(words, NOT_TESTABLE, f"{best}: not trained past it", shown=LONG_LOG)


@claim("high-frequencies", "2.6", "spectral convergence measures the higher frequencies", "statement", headline=True)
def reads_above_kaiser(e: Evidence) -> Judgement:
    file = "data-loss-bands.csv"
    share = e.number(file, "of its square, above 11 kHz (%)", estimate=LABELS["unet"])
    convention = "share of its square, the trained U-Net, validation crops"
    return Judgement(f"{share:.0f} % from above 11 kHz", when(share > 50, NOT_REPRODUCED), convention, shown=file)


@claim("stop", "2.6", "validation says when to stop", "statement")
def stops_by_validation(e: Evidence) -> Judgement:
    """Not testable while the loss falls; not reproduced if it has levelled off without a lowest point before the end."""
    steps, loss = (e.numbers(LONG_LOG, c)[1:] for c in ("step", "loss"))
    words = f"lowest total loss {loss.min():.3f} at step {steps[loss.argmin()]:,.0f} of {steps[-1]:,.0f}"
    if judging.past_best(loss):
        return Judgement(words, REPRODUCED, "a fifth of the validations, or 20, before the last", shown=LONG_LOG)
    if judging.levelled_off(loss):
        return Judgement(words, NOT_REPRODUCED, "levelled off: less than 2 % in the last fifth", shown=LONG_LOG)
    return Judgement(words, NOT_TESTABLE, "still falls at the end: needs a longer training", shown=LONG_LOG)


# --- 2.7: results --------------------------------------------------------------------------------

add("snr-formula", "2.7", "the formula of SNR", "formula", judging.formula(Finding.snr_formula_error, 1e-3, "log10"))
add("lsd-formula", "2.7", "the formula of LSD", "formula", judging.formula(Finding.lsd_formula_error, 1e-6, "natural logarithm, clamped"))

for s, name in NAMES.items():  # SNR with the best hypothesis of notebook 11 beside it; LSD also with the clamp of the program
    candidate = judging.snr_hypothesis("log_spectra", s, "candidate, fitted, log-power spectra in its place")
    whose = "the trained U-Net, " if s == "unet" else ""
    snr = judging.printed_number(PRINTED_SNR[s], [judging.table2("snr_db", s, f"{whose}as defined")], candidate)
    plain = judging.table2("lsd_ln", s, f"{whose}natural logarithm, power clamped at 1e-08")
    lsd = judging.printed_number(PRINTED_LSD[s], [plain, judging.lsd_with_clamp(s, PROGRAM_CLAMP)])
    add(f"table-2-snr-{s}", "2.7", f"SNR of {name}", f"{PRINTED_SNR[s]:.3f} dB", snr, headline=True)
    add(f"table-2-lsd-{s}", "2.7", f"LSD of {name}", f"{PRINTED_LSD[s]:g}", lsd, headline=True)

LSD_DIFFERENCE = PRINTED_LSD["kaiser_best"] - PRINTED_LSD["kaiser_fast"]
LSD_RATIO = PRINTED_LSD["unet"] / PRINTED_LSD["kaiser_fast"]


@claim("lsd-difference", "2.7", "LSD of Kaiser best minus that of Kaiser fast", f"{LSD_DIFFERENCE:+.3f}")
def best_minus_fast(e: Evidence) -> Judgement:
    today, old = e.finding(Finding.lsd_best_minus_fast_today), e.finding(Finding.lsd_best_minus_fast_2021)
    near = [abs(d - LSD_DIFFERENCE) <= 0.2 * abs(LSD_DIFFERENCE) for d in (today, old)]
    words, convention = f"{today:+.3f} today, {old:+.3f} of 2021", "resampy's filters of 2021; within 20 %"
    return Judgement(words, graded(*near, NOT_REPRODUCED), convention, shown=Finding.lsd_best_minus_fast_2021)


@claim("lsd-ratio", "2.7", "LSD of the U-Net over LSD of Kaiser fast", f"{LSD_RATIO:.3f}")
def lsd_ratio(e: Evidence) -> Judgement:
    file = "data-per-speaker.csv"
    by_speaker = e.numbers(file, "lsd_ln", system="unet") / e.numbers(file, "lsd_ln", system="kaiser_fast")
    words = f"{by_speaker.mean():.2f}, speakers {by_speaker.min():.2f} to {by_speaker.max():.2f}"
    verdict = when(by_speaker.min() <= LSD_RATIO <= by_speaker.max(), NOT_REPRODUCED)
    return Judgement(words, verdict, "the trained U-Net; free of the base; clamp 1e-08", shown=file)


unet_snr = judging.paired("snr_db", "unet", "kaiser_best", +1, unit=" dB")
unet_lsd = judging.paired("lsd_ln", "unet", "kaiser_best", -1)
add("unet-snr", "2.7", "the U-Net beats Kaiser best on SNR", "+4.9 dB", unet_snr, headline=True)
add("unet-lsd", "2.7", "the U-Net beats Kaiser best on LSD", "-3.43", unet_lsd, headline=True)


@claim("large-margin", "2.7", "it outperforms classical methods on both functions", "statement")
def large_margin(e: Evidence) -> Judgement:
    snr, lsd = unet_snr(e), unet_lsd(e)
    verdict = when(REPRODUCED == snr.verdict == lsd.verdict, NOT_REPRODUCED)
    return Judgement(f"SNR {snr.ours}, LSD {lsd.ours}", verdict, "paired differences", shown=snr.shown)


best_snr = judging.paired("snr_db", "kaiser_best", "kaiser_fast", +1, unit=" dB")
add("best-snr", "2.7", "Kaiser best beats Kaiser fast on SNR", "+0.07 dB", best_snr)
add("best-lsd", "2.7", "Kaiser best beats Kaiser fast on LSD", "-0.15", judging.paired("lsd_ln", "kaiser_best", "kaiser_fast", -1))


@claim("fast-worst", "2.7", "Kaiser fast is the worst of the three", "statement")
def fast_is_the_worst(e: Evidence) -> Judgement:
    """Reproduced if Kaiser fast is the worst by LSD and by SNR; under another convention if by one of them."""
    lsd, snr = ({s: e.number("table-2.csv", "mean", measure=m, system=s) for s in NAMES} for m in ("lsd_ln", "snr_db"))
    by_lsd, by_snr = max(lsd, key=lsd.get) == "kaiser_fast", min(snr, key=snr.get) == "kaiser_fast"
    verdict = graded(by_lsd and by_snr, by_lsd or by_snr, NOT_REPRODUCED)
    words = f"worst by LSD: {NAMES[max(lsd, key=lsd.get)]}; by SNR: {NAMES[min(snr, key=snr.get)]}"
    return Judgement(words, verdict, "both" if by_lsd and by_snr else "LSD" if by_lsd else "SNR" if by_snr else "", shown="table-2.csv")


@claim("unseen", "2.7", "it generalises to speech of other origin, by LSD", "statement")
def other_corpora(e: Evidence) -> Judgement:
    if not e.has(Finding.has_unseen_corpora):
        return Judgement("not measured", NOT_TESTABLE, "needs further recordings", shown=Finding.has_unseen_corpora)
    rows = e.frame(FAIR)
    names = [c for c in dict.fromkeys(rows[rows.heard == 0].corpus) if c != own_corpus(e)]
    highs = {c: e.number(FAIR, "high", measure="lsd", system="unet", against="kaiser_best", corpus=c) for c in names}
    words = ", ".join(f"{c}: at most {h:+.2f}" for c, h in highs.items())
    verdict = when(all(h < 0 for h in highs.values()), NOT_REPRODUCED)
    return Judgement(words, verdict, "not trained on; upper end of the interval of the paired LSD", shown=FAIR)


@claim("perception", "2.5", "the result is perceptually better", "statement", headline=True)
def sounds_better(e: Evidence) -> Judgement:
    """No listeners were asked: a model's prediction can show the claim under another convention only."""
    if not e.has(Finding.has_visqol):
        return Judgement("not measured", NOT_TESTABLE, "needs ViSQOL", shown=Finding.has_visqol)
    j = judging.paired("visqol", "unet", "kaiser_best", +1, file=FAIR, corpus=own_corpus(e))(e)
    verdict = OTHER_CONVENTION if j.verdict == REPRODUCED else j.verdict
    return Judgement(f"ViSQOL {j.ours}", verdict, "a model's prediction; no listeners were asked", j.low, j.high, j.shown)


for s, name in NAMES.items():
    speed = judging.speed(s, PRINTED_SPEED[s])
    add(f"table-3-{s}", "2.7", f"real-time ratio of {name}", f"{PRINTED_SPEED[s]:g}", speed, headline=True)


@claim("fast-fastest", "2.7", "Kaiser fast is the fastest algorithm", "statement")
def fast_is_the_fastest(e: Evidence) -> Judgement:
    ratios = {m: e.number("table-3.csv", "real_time_ratio", method=m) for m in ("kaiser_fast", "kaiser_best", "unet", "soxr_vhq")}
    fastest, of_three = max(ratios, key=ratios.get), max(NAMES, key=ratios.get)
    verdict = graded(fastest == "kaiser_fast", of_three == "kaiser_fast", NOT_REPRODUCED)
    words = f"Kaiser fast {ratios['kaiser_fast']:.0f}, soxr {ratios['soxr_vhq']:,.0f}"
    return Judgement(words, verdict, "of the three methods compared", shown="table-3.csv")


twice_as_fast = judging.speed_quotient("unet", "kaiser_best", QUOTIENTS["unet"])
add("unet-speed", "2.7", "the U-Net is twice as fast as Kaiser best", f"{QUOTIENTS['unet']:.2f} times", twice_as_fast, headline=True)
FAST = QUOTIENTS["kaiser_fast"]


@claim("fast-speed", "2.7", f"Kaiser fast is {FAST:.1f} times as fast as Kaiser best", f"{FAST:.2f} times")
def fast_over_best(e: Evidence) -> Judgement:
    pair = ("kaiser_fast", "kaiser_best")
    fast, best = (e.number("table-3.csv", "real_time_ratio", method=m) for m in pair)
    old_fast, old_best = (e.number("table-3-fair.csv", "real_time_ratio", method=f"resampy, {m} of 2021") for m in pair)
    today, old = fast / best, old_fast / old_best
    verdict = graded(judging.is_near(today, FAST), judging.is_near(old, FAST), NOT_REPRODUCED)
    words = f"{today:.2f} today, {old:.2f} with the filters of 2021"
    return Judgement(words, verdict, judging.NEAR, shown="table-3-fair.csv")


MACS = Finding.macs_unet_over_kaiser_best
is_cheap = judging.fact(MACS, lambda v: v <= 1, form="{:,.0f} times the multiplications", convention="U-Net over Kaiser best")
add("requirements", "Conclusion", "it needs less computation than the classical methods", "statement", is_cheap, headline=True)
