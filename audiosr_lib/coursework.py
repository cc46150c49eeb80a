"""What the coursework claims: one entry a claim, with what it prints and the judge that computes its verdict.

The text of a claim is short and in our words; `printed` is what the source has. Findings named here are measured in notebook 11, tables
in the notebooks before it. Nothing in this file says whether a claim holds.
"""

from __future__ import annotations

from audiosr_lib.claims import (
    NOT_REPRODUCED,
    Claim,
    fact,
    formula,
    lsd_with_clamp,
    paired,
    printed_number,
    snr_hypothesis,
    speed,
    speed_quotient,
    table2,
)
from audiosr_lib.judges import (
    PRINTED_LSD,
    PRINTED_SNR,
    PRINTED_SPEED,
    PROGRAM_CLAMP,
    QUOTIENTS,
    SYSTEM_NAMES,
    aligned_crops,
    batch_norm,
    best_minus_fast,
    both_totals_are_one,
    cheap_to_run,
    clipped_at_ten,
    convolution_as_printed,
    curves_turn_up,
    energy_concentration,
    equal,
    fast_is_the_fastest,
    fast_is_the_worst,
    fast_over_best,
    folding_saves,
    frames_of_a_signal,
    gains_in_both_bands,
    higher_rate_is_more_precise,
    large_margin,
    layer_wise,
    levels_of_speech,
    lsd_ratio,
    mse_is_small,
    much_faster_than_real_time,
    other_corpora,
    padding_expands,
    pooling_removes,
    program,
    range_is_limited,
    reads_above_kaiser,
    residual_arrows,
    shift_invariant,
    sounds_better,
    starts_at_zero,
    steeper_is_faster,
    stft_call,
    stops_by_validation,
    vctk_rate,
)


def table_2_claims() -> list[Claim]:
    """Six printed numbers: LSD also with the program's clamp; SNR as defined, with the best candidate of chapter 11 beside it."""
    claims = []
    for system, name in SYSTEM_NAMES.items():
        log_spectra = snr_hypothesis("log_spectra", system, "candidate, fitted, log-power spectra in its place")
        snr = printed_number(PRINTED_SNR[system], [table2("snr_db", system, "as defined")], log_spectra)
        plain = table2("lsd_ln", system, "natural logarithm, power clamped at 1e-08")
        lsd = printed_number(PRINTED_LSD[system], [plain, lsd_with_clamp(system, PROGRAM_CLAMP)])
        claims += [
            Claim(f"table-2-snr-{system}", "2.7", f"SNR of {name}", f"{PRINTED_SNR[system]:.3f} dB", snr, headline=True),
            Claim(f"table-2-lsd-{system}", "2.7", f"LSD of {name}", f"{PRINTED_LSD[system]:g}", lsd, headline=True),
        ]
    return claims


def table_3_claims() -> list[Claim]:
    return [
        Claim(f"table-3-{s}", "2.7", f"real-time ratio of {name}", f"{PRINTED_SPEED[s]:g}", speed(s, PRINTED_SPEED[s]), headline=True)
        for s, name in SYSTEM_NAMES.items()
    ]


# fmt: off
CLAIMS: tuple[Claim, ...] = (
    # 1.1 to 1.2: sound and spectra
    Claim("levels", "1.1", "32 bit for speech, a total of 32,767 values", "32767", levels_of_speech),
    Claim("higher-rate", "1.1", "the higher the sample rate, the more precise", "statement", higher_rate_is_more_precise),
    Claim("stft", "1.2", "the formula of the STFT", "formula", formula("stft_error", 1e-5, "frames from the first sample on")),
    Claim("frames", "1.2", "number of frames is floor(length / hop)", "formula", frames_of_a_signal),
    Claim("last-frame", "1.2", "the last frame has the index floor((L - N) / H)", "formula", equal("last_frame_index_error", 0)),
    Claim("bins", "1.2", "a frame is a vector of length K = N/2", "1024 of 2048", equal("bins_of_2048", 1024)),
    Claim("hann", "1.2", "the formula of the Hann window, N = length - 1", "formula", formula("hann_error", 1e-9, "symmetric window")),
    # 1.5 to 1.9: networks and learning
    Claim("step", "1.5", "the step function must be differentiable to learn by it", "statement",
          fact("step_slope_largest", lambda v: v > 0, form="slope {:g} wherever it has one")),
    Claim("limited-range", "1.7", "activation functions limit the range of a layer", "statement", range_is_limited),
    Claim("mse-sum", "1.8", "MSE: sum from 0 to n, divided by n", "formula",
          equal("mse_as_printed_over_mse", 1, form="{:g} times the mean")),
    Claim("gradient", "1.8", "the vectorised gradient of the MSE", "formula", formula("gradient_error", 1e-6)),
    Claim("adam", "1.9", "the five steps of Adam as printed", "formula",
          fact("adam_printed_steps_until_nan", lambda v: v > 1000, form="not a number after {:g} step(s)")),
    Claim("adam-epsilon", "1.9", "epsilon stands inside the root", "formula",
          fact("adam_epsilon_ratio", lambda v: abs(v - 1) < 0.01, form="a step {:.2g} times as large", convention="gradient 1e-6")),
    Claim("adam-layers", "1.9", "Adam adapts the learning rate layer by layer", "statement", layer_wise),
    Claim("adam-steep", "1.9", "Adam's rate is higher where the slope is steeper", "statement", steeper_is_faster),
    Claim("adam-zero", "1.9", "the parameters are 0 at the beginning of training", "statement", starts_at_zero),
    # 1.10 to 1.13: convolutional networks
    Claim("convolution", "1.10", "a layer computes the printed convolution", "formula", convolution_as_printed),
    Claim("shift", "1.10", "convolutional networks are shift-invariant", "statement", shift_invariant),
    Claim("padding", "1.10", "padding of k expands the input by a factor of k", "200 of 100", padding_expands),
    Claim("pooling", "1.10", "pooling removes 75 % of the outputs", "75 %", pooling_removes),
    Claim("transposed", "1.11", "transposed convolution: insert zeros, then convolve", "statement",
          formula("transposed_convolution_error", 1e-5)),
    Claim("batch-norm", "1.12", "the formulas of batch normalisation, over the batch", "formula", batch_norm),
    Claim("folding", "1.12", "folding batch norm reduces the parameters", "statement", folding_saves),
    # 1.14: the loss
    Claim("spectral-convergence", "1.14", "the formula of spectral convergence", "formula", formula("sc_error", 1e-5)),
    Claim("log-magnitude", "1.14", "the formula of the log-magnitude loss", "formula",
          formula("mag_error", 1e-5, "natural logarithm, mean over all bins and frames")),
    Claim("shuffled", "1.14", "an absolute difference of samples sees nothing of time", "statement",
          fact("mae_shuffled_difference", lambda v: v < 1e-9, form="changes by {:.0e} when shuffled")),
    # 2.2 and 2.3: data and Kaiser
    Claim("vctk", "2.2", "VCTK holds recordings at 48 kHz", "48 kHz", vctk_rate),
    Claim("crop-low", "2.2", "2 seconds are 44,100 samples at 22.05 kHz", "44100", equal("crop_samples_low", 44100)),
    Claim("crop-high", "2.2", "2 seconds are 88,200 samples at 44.1 kHz", "88200", equal("crop_samples_high", 88200)),
    Claim("kaiser", "2.3", "the formula of the Kaiser window", "formula", formula("kaiser_error", 1e-9, "beta = pi alpha")),
    Claim("concentration", "2.3", "the Kaiser window maximises the energy in the main lobe", "statement", energy_concentration),
    # 2.4 and 2.5: network and training
    Claim("residual", "2.4", "the grey arrows of Figure 2.2 are residual connections", "statement", residual_arrows),
    Claim("table-1", "2.5", "Table 1: three resolutions of the STFT loss, those of the method's authors", "9 numbers",
          equal("table1_differs_from_auraloss", 0, otherwise=NOT_REPRODUCED, form="{:g} of 9 differ")),
    Claim("mse-small", "2.5", "the MSE is significantly lower than the STFT loss", "statement", mse_is_small),
    Claim("clipping", "2.5", "the gradient's norm is clipped at 10", "10", clipped_at_ten),
    Claim("fast-enough", "2.5", "Kaiser fast works much faster than real time", "statement", much_faster_than_real_time),
    Claim("higher-and-lower", "2.5", "the network adds detail in the higher and the lower frequencies", "statement",
          gains_in_both_bands, headline=True),
    # 2.6: validation
    Claim("same-losses", "2.6", "all the same losses are calculated in validation", "statement", both_totals_are_one),
    Claim("weight-norms", "2.6", "weight norms are removed for validation", "statement",
          fact("weight_norms", lambda v: v > 0, form="{:g} in the network")),
    Claim("turns-up", "2.6", "spectral convergence starts to rise towards the end", "statement", curves_turn_up, headline=True),
    Claim("high-frequencies", "2.6", "spectral convergence measures the higher frequencies", "statement",
          reads_above_kaiser, headline=True),
    Claim("stop", "2.6", "validation says when to stop", "statement", stops_by_validation),
    # 2.7: results
    Claim("snr-formula", "2.7", "the formula of SNR", "formula", formula("snr_formula_error", 1e-3, "log10")),
    Claim("lsd-formula", "2.7", "the formula of LSD", "formula", formula("lsd_formula_error", 1e-6, "natural logarithm, clamped")),
    *table_2_claims(),
    Claim("lsd-difference", "2.7", "LSD of Kaiser best minus that of Kaiser fast",
          f"{PRINTED_LSD['kaiser_best'] - PRINTED_LSD['kaiser_fast']:+.3f}", best_minus_fast),
    Claim("lsd-ratio", "2.7", "LSD of the U-Net over LSD of Kaiser fast", f"{PRINTED_LSD['unet'] / PRINTED_LSD['kaiser_fast']:.3f}",
          lsd_ratio),
    Claim("unet-snr", "2.7", "the U-Net beats Kaiser best on SNR", "+4.9 dB",
          paired("snr_db", "unet", "kaiser_best", +1, unit=" dB"), headline=True),
    Claim("unet-lsd", "2.7", "the U-Net beats Kaiser best on LSD", "-3.43", paired("lsd_ln", "unet", "kaiser_best", -1), headline=True),
    Claim("large-margin", "2.7", "it outperforms classical methods on both functions", "statement", large_margin),
    Claim("best-snr", "2.7", "Kaiser best beats Kaiser fast on SNR", "+0.07 dB",
          paired("snr_db", "kaiser_best", "kaiser_fast", +1, unit=" dB")),
    Claim("best-lsd", "2.7", "Kaiser best beats Kaiser fast on LSD", "-0.15", paired("lsd_ln", "kaiser_best", "kaiser_fast", -1)),
    Claim("fast-worst", "2.7", "Kaiser fast is the worst of the three", "statement", fast_is_the_worst),
    Claim("unseen", "2.7", "it generalises to speech of other origin, by LSD", "statement", other_corpora),
    Claim("perception", "2.5", "the result is perceptually better", "statement", sounds_better, headline=True),
    *table_3_claims(),
    Claim("fast-fastest", "2.7", "Kaiser fast is the fastest algorithm", "statement", fast_is_the_fastest),
    Claim("unet-speed", "2.7", "the U-Net is twice as fast as Kaiser best", f"{QUOTIENTS['unet']:.2f} times",
          speed_quotient("unet", "kaiser_best", QUOTIENTS["unet"]), headline=True),
    Claim("fast-speed", "2.7", f"Kaiser fast is {QUOTIENTS['kaiser_fast']:.1f} times as fast as Kaiser best",
          f"{QUOTIENTS['kaiser_fast']:.2f} times", fast_over_best),
    Claim("requirements", "Conclusion", "it needs less computation than the classical methods", "statement", cheap_to_run, headline=True),
    # the printed program
    Claim("program-options", "Appendix A", "the line that names the configuration file parses", "program",
          program("printed_argparse_line_parses", 1, "a word is missing")),
    Claim("program-upscale", "Appendix A", "the network's class has one name", "program",
          program("upscale_name_defined", 1, "two spellings")),
    Claim("program-files", "Appendix A", "the reader returns the files it was given", "program",
          program("shadowed_argument_files_left", 3, "none: its argument is overwritten")),
    Claim("program-rate", "Appendix A", "files of a wrong sample rate are left out", "program",
          program("filtered_by_sample_rate", 1, "as the function's name says")),
    Claim("program-length", "Appendix A", "files that are too short are left out", "program",
          program("filtered_by_length", 1, "as the function's name says")),
    Claim("program-short", "Appendix A", "a file of 2.5 s can give a crop of 2 s", "program",
          program("short_file_raises", 0, "an error: 3 s are asked for")),
    Claim("program-low-length", "Appendix A", "the low-rate length is read from the low-rate file", "program",
          program("low_length_taken_from_high", 0, "from the other one; never used")),
    Claim("program-stft", "Appendix A", "torch.stft works as called", "program", stft_call),
    Claim("program-window", "Appendix A", "the window of the loss moves to the GPU with its module", "program",
          program("window_moves_with_module", 1, "it stays on the CPU")),
    Claim("program-loader", "Appendix A", "the data loader is imported", "program", program("dataloader_in_scope", 1)),
    Claim("program-writer", "Appendix A", "the writer is known where validation writes", "program", program("writer_in_scope", 1)),
    Claim("program-validate", "Appendix A", "validation adds up its loss", "program",
          program("validation_loss_accumulates", 1, "a name is misspelt")),
    Claim("program-aligned", "Appendix A", "crops of both rates start at the same instant", "program", aligned_crops),
    Claim("program-shuffle", "Appendix A", "the training loader shuffles", "program",
          program("loader_shuffles", 1, "one order in all epochs")),
    Claim("program-validation-crops", "Appendix A", "validation measures the same crops each time", "program",
          program("validation_crops_change", 0, "random ones, a mean of 30 rounds")),
)
# fmt: on
