"""Claims of sections 1.1 to 2.3, from sound to Kaiser windows, each with the judge that computes its verdict."""

from __future__ import annotations

from audiosr_lib.claims.evidence import Evidence
from audiosr_lib.claims.findings import Finding
from audiosr_lib.claims.judging import NOT_TESTABLE, WRONG, ClaimList, Judgement, equal, fact, formula, graded, when

CLAIMS = ClaimList()
add, claim = CLAIMS.add, CLAIMS.claim
RATE_RATIO = Finding.adam_rate_ratio_steep_over_shallow

# --- 1.1 to 1.2: sound and spectra ---------------------------------------------------------------


@claim("levels", "1.1", "32 bit for speech, a total of 32,767 values", "32767")
def levels_of_speech(e: Evidence) -> Judgement:
    of_16, of_32 = e.finding(Finding.levels_16_bit), e.finding(Finding.levels_32_bit)
    return Judgement(f"16 bit: {of_16:,.0f}, 32 bit: {of_32:,.0f}", when(32767 in (of_16, of_32), WRONG), shown=Finding.levels_16_bit)


@claim("higher-rate", "1.1", "the higher the sample rate, the more precise", "statement")
def higher_rate_is_more_precise(e: Evidence) -> Judgement:
    at_8k, at_16k = e.finding(Finding.reconstruct_error_8k), e.finding(Finding.reconstruct_error_16k)
    above_8k, above_16k = e.finding(Finding.reconstruct_error_8k_above), e.finding(Finding.reconstruct_error_16k_above)
    below, above = at_8k > 1e-6 > at_16k, above_8k > 1e-6 > above_16k
    words = f"below 4 kHz: {'a gain' if below else 'no gain'}, above: {'a gain' if above else 'no gain'}"
    verdict = graded(below and above, below or above)
    return Judgement(words, verdict, "for sounds beyond half the lower rate", shown=Finding.reconstruct_error_16k_above)


add("stft", "1.2", "the formula of the STFT", "formula", formula(Finding.stft_error, 1e-5, "frames from the first sample on"))


@claim("frames", "1.2", "number of frames is floor(length / hop)", "formula")
def frames_of_a_signal(e: Evidence) -> Judgement:
    centred, plain = e.finding(Finding.frames_formula_error_centred), e.finding(Finding.share_of_lengths_formula_right_plain)
    words = f"{centred:+.0f} frame if centred; right for {100 * plain:.0f} % of the lengths if not"
    return Judgement(words, graded(centred == 0, plain == 1), shown=Finding.frames_formula_error_centred)


add("last-frame", "1.2", "the last frame has the index floor((L - N) / H)", "formula", equal(Finding.last_frame_index_error, 0))
add("bins", "1.2", "a frame is a vector of length K = N/2", "1024 of 2048", equal(Finding.bins_of_2048, 1024))
add("hann", "1.2", "the formula of the Hann window, N = length - 1", "formula", formula(Finding.hann_error, 1e-9, "symmetric window"))

# --- 1.5 to 1.9: networks and learning -----------------------------------------------------------

has_a_slope = fact(Finding.step_slope_largest, lambda v: v > 0, form="slope {:g} wherever it has one")
add("step", "1.5", "the step function must be differentiable to learn by it", "statement", has_a_slope)


@claim("limited-range", "1.7", "activation functions limit the range of a layer", "statement")
def range_is_limited(e: Evidence) -> Judgement:
    relu, sigmoid = e.finding(Finding.relu_largest_output), e.finding(Finding.sigmoid_largest_output)
    words = f"of a million, ReLU makes {relu:,.0f}, a sigmoid {sigmoid:g}"
    verdict = graded(max(relu, sigmoid) <= 1, min(relu, sigmoid) <= 1)
    return Judgement(words, verdict, "sigmoid and its kin, not ReLU", shown=Finding.relu_largest_output)


is_the_mean = equal(Finding.mse_as_printed_over_mse, 1, form="{:g} times the mean")
add("mse-sum", "1.8", "MSE: sum from 0 to n, divided by n", "formula", is_the_mean)
add("gradient", "1.8", "the vectorised gradient of the MSE", "formula", formula(Finding.gradient_error, 1e-6))
adam_runs = fact(Finding.adam_printed_steps_until_nan, lambda v: v > 1000, form="not a number after {:g} step(s)")
add("adam", "1.9", "the five steps of Adam as printed", "formula", adam_runs)
same_step = fact(Finding.adam_epsilon_ratio, lambda v: abs(v - 1) < 0.01, form="a step {:.2g} times as large", convention="gradient 1e-6")
add("adam-epsilon", "1.9", "epsilon stands inside the root", "formula", same_step)


@claim("adam-layers", "1.9", "Adam adapts the learning rate layer by layer", "statement")
def layer_wise(e: Evidence) -> Judgement:
    ratio = e.finding(RATE_RATIO)
    words = f"rates differ {1 / ratio:.0f}-fold inside one layer"
    return Judgement(words, when(abs(ratio - 1) < 0.01, WRONG), "two weights of one tensor", shown=RATE_RATIO)


steeper_is_faster = fact(RATE_RATIO, lambda v: v > 1, form="rate {:.2g} times that of the shallow one", convention="gradients 1 and 0.01")
add("adam-steep", "1.9", "Adam's rate is higher where the slope is steeper", "statement", steeper_is_faster)


@claim("adam-zero", "1.9", "the parameters are 0 at the beginning of training", "statement")
def starts_at_zero(e: Evidence) -> Judgement:
    """The weights of the network do not start at zero; the averages that Adam keeps do, and may be what the source means."""
    share, average = e.finding(Finding.share_of_zero_weights_at_start), e.finding(Finding.adam_average_at_start)
    words = f"{share:.0%} of the weights are 0; Adam's average starts at {average:g}"
    return Judgement(words, graded(share > 0.99, average == 0), "if Adam's own averages are meant", shown=Finding.adam_average_at_start)


# --- 1.10 to 1.13: convolutional networks --------------------------------------------------------


@claim("convolution", "1.10", "a layer computes the printed convolution", "formula")
def convolution_as_printed(e: Evidence) -> Judgement:
    convolution, correlation = e.finding(Finding.conv1d_minus_convolution), e.finding(Finding.conv1d_minus_correlation)
    words = f"{convolution:.2g} from convolution, {correlation:.0e} from correlation"
    verdict = graded(convolution < 1e-5, correlation < 1e-5)
    return Judgement(words, verdict, "cross-correlation: the kernel is not flipped", shown=Finding.conv1d_minus_correlation)


@claim("shift", "1.10", "convolutional networks are shift-invariant", "statement")
def shift_invariant(e: Evidence) -> Judgement:
    invariance, equivariance = e.finding(Finding.shift_invariance_error), e.finding(Finding.shift_equivariance_error)
    words = f"invariance error {invariance:.2g}, equivariance error {equivariance:.0e}"
    verdict = graded(invariance < 1e-5, equivariance < 1e-5)
    return Judgement(words, verdict, "in the sense of equivariance", shown=Finding.shift_invariance_error)


@claim("padding", "1.10", "padding of k expands the input by a factor of k", "200 of 100")
def padding_expands(e: Evidence) -> Judgement:
    length = e.finding(Finding.length_100_padded_by_2)
    convention = "k zeros on each side, as the sentence goes on"
    return Judgement(f"{length:g} of 100, k = 2", graded(length == 200, length == 104), convention, shown=Finding.length_100_padded_by_2)


@claim("pooling", "1.10", "pooling removes 75 % of the outputs", "75 %")
def pooling_removes(e: Evidence) -> Judgement:
    two, one = e.finding(Finding.pooling_removes_2d), e.finding(Finding.pooling_removes_1d)
    words = f"{100 * one:.0f} % in audio, {100 * two:.0f} % in images"
    verdict = graded(abs(one - 0.75) < 1e-9, abs(two - 0.75) < 1e-9)
    return Judgement(words, verdict, "two dimensions, stride 2", shown=Finding.pooling_removes_2d)


inserts_zeros = formula(Finding.transposed_convolution_error, 1e-5)
add("transposed", "1.11", "transposed convolution: insert zeros, then convolve", "statement", inserts_zeros)


@claim("batch-norm", "1.12", "the formulas of batch normalisation, over the batch", "formula")
def batch_norm(e: Evidence) -> Judgement:
    batch_only, with_time = e.finding(Finding.batch_norm_error_batch_only), e.finding(Finding.batch_norm_error)
    words = f"difference {batch_only:.2g}, with time {with_time:.0e}"
    return Judgement(words, graded(batch_only < 1e-4, with_time < 1e-4), "statistics over batch and time", shown=Finding.batch_norm_error)


@claim("folding", "1.12", "folding batch norm reduces the parameters", "statement")
def folding_saves(e: Evidence) -> Judgement:
    before, after = e.finding(Finding.parameters_unfolded), e.finding(Finding.parameters_folded)
    same = e.finding(Finding.folding_error) < 1e-4
    convention = f"{100 * (1 - after / before):.1g} % fewer"
    return Judgement(f"{before:,.0f} to {after:,.0f}", when(after < before and same, WRONG), convention, shown=Finding.parameters_folded)


# --- 1.14: the loss ------------------------------------------------------------------------------

add("spectral-convergence", "1.14", "the formula of spectral convergence", "formula", formula(Finding.sc_error, 1e-5))
log_magnitude = formula(Finding.mag_error, 1e-5, "natural logarithm, mean over all bins and frames")
add("log-magnitude", "1.14", "the formula of the log-magnitude loss", "formula", log_magnitude)
sees_no_time = fact(Finding.mae_shuffled_difference, lambda v: v < 1e-9, form="changes by {:.0e} when shuffled")
add("shuffled", "1.14", "an absolute difference of samples sees nothing of time", "statement", sees_no_time)

# --- 2.2 and 2.3: data and Kaiser ----------------------------------------------------------------


@claim("vctk", "2.2", "VCTK holds recordings at 48 kHz", "48 kHz")
def vctk_rate(e: Evidence) -> Judgement:
    if not e.has(Finding.has_vctk):
        return Judgement("not at hand", NOT_TESTABLE, "needs the VCTK recordings", shown=Finding.has_vctk)
    rate = e.finding(Finding.recorded_rate)
    return Judgement(f"{rate:,.0f} Hz", when(rate == 48000, WRONG), shown=Finding.recorded_rate)


add("crop-low", "2.2", "2 seconds are 44,100 samples at 22.05 kHz", "44100", equal(Finding.crop_samples_low, 44100))
add("crop-high", "2.2", "2 seconds are 88,200 samples at 44.1 kHz", "88200", equal(Finding.crop_samples_high, 88200))
add("kaiser", "2.3", "the formula of the Kaiser window", "formula", formula(Finding.kaiser_error, 1e-9, "beta = pi alpha"))


@claim("concentration", "2.3", "the Kaiser window maximises the energy in the main lobe", "statement")
def energy_concentration(e: Evidence) -> Judgement:
    kaiser, dpss = e.finding(Finding.kaiser_concentration), e.finding(Finding.dpss_concentration)
    words, verdict = f"Kaiser {kaiser:.8f}, DPSS {dpss:.8f}", graded(kaiser >= dpss, kaiser > dpss - 1e-4)
    return Judgement(words, verdict, "nearly: DPSS has the maximum", shown=Finding.kaiser_concentration)
