"""The names of the findings: numbers that notebook 11 measures and judges read. data-findings.csv has a note on each one."""

from enum import StrEnum

# fmt: off
Finding = StrEnum("Finding", [
    "lsd_clamps_of_kaiser_apart_decades", "lsd_best_minus_fast_today", "lsd_best_minus_fast_2021", "snr_best_hypothesis_rms",
    "snr_hypotheses_inside_all_three", "joint_largest_kaiser_difference", "joint_largest_difference",
    "snr_log_spectra_rms_with_printed_lsds", "snr_faulty_pairs_rms", "snr_of_odd_starts_with_rule", "snr_lost_without_rule",
    "levels_16_bit", "levels_32_bit", "reconstruct_error_8k", "reconstruct_error_16k", "reconstruct_error_8k_above",
    "reconstruct_error_16k_above", "rate_gain_db", "hann_error", "stft_error", "frames_formula_error_centred",
    "share_of_lengths_formula_right_plain", "last_frame_index_error", "bins_of_2048", "step_slope_largest", "sigmoid_largest_output",
    "relu_largest_output", "mse_as_printed_over_mse", "gradient_error", "adam_printed_steps_until_nan", "adam_epsilon_ratio",
    "adam_rate_ratio_steep_over_shallow", "adam_average_at_start", "share_of_zero_weights_at_start", "conv1d_minus_convolution",
    "conv1d_minus_correlation", "shift_equivariance_error", "shift_invariance_error", "length_100_padded_by_2", "pooling_removes_2d",
    "pooling_removes_1d", "transposed_convolution_error", "batch_norm_error", "batch_norm_error_batch_only", "parameters_unfolded",
    "parameters_folded", "folding_error", "sc_error", "mag_error", "mag_natural_over_log10", "mae_shuffled_difference",
    "table1_differs_from_auraloss", "kaiser_error", "kaiser_concentration", "dpss_concentration", "snr_formula_error",
    "lsd_formula_error", "crop_samples_high", "crop_samples_low", "concatenated_channels", "added_channels", "weight_norms",
    "transposed_layers", "printed_argparse_line_parses", "upscale_name_defined", "printed_block_relus", "dataloader_in_scope",
    "writer_in_scope", "configurations_in_scope", "validation_loss_accumulates", "validation_mse_weight", "training_mse_weight",
    "shadowed_argument_files_left", "filtered_by_sample_rate", "low_length_taken_from_high", "filtered_by_length", "short_file_raises",
    "reserve_seconds", "share_of_odd_starts_left", "validation_crops_change", "loader_shuffles", "batches_from_printed_reader",
    "stft_without_return_complex_runs", "stft_with_return_complex_equals_ours", "window_moves_with_module",
    "printed_gradient_norm_at_step", "training_clips_gradient", "macs_unet_over_kaiser_best", "has_unseen_corpora", "has_visqol",
    "has_vctk", "recorded_rate",
])

# Findings that notebook 11 shows and no judge reads.
FOR_INFORMATION = frozenset({
    Finding.lsd_clamps_of_kaiser_apart_decades, Finding.snr_best_hypothesis_rms, Finding.snr_hypotheses_inside_all_three,
    Finding.joint_largest_kaiser_difference, Finding.joint_largest_difference, Finding.snr_log_spectra_rms_with_printed_lsds,
    Finding.snr_faulty_pairs_rms, Finding.snr_of_odd_starts_with_rule, Finding.rate_gain_db, Finding.mag_natural_over_log10,
    Finding.transposed_layers, Finding.printed_block_relus, Finding.configurations_in_scope, Finding.reserve_seconds,
    Finding.batches_from_printed_reader, Finding.training_clips_gradient,
})
# fmt: on
