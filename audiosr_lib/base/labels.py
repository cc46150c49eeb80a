"""Display names of systems and measures for figures, tables, claims and pages."""

from __future__ import annotations

import re

SYSTEMS = ("kaiser_fast", "kaiser_best", "unet")  # the columns of Tables 2 and 3; "unet" is the network that the study judges
PILOT = "unet_pilot"  # the network that a short run trains itself, beside them
CONTROLS = ("noise", "folding", "replication")  # simple methods that fill the upper band, beside them

LABELS = {
    "original": "original, 44.1 kHz",
    "low": "input, 22.05 kHz",
    "kaiser_fast": "Kaiser fast",
    "kaiser_best": "Kaiser best",
    "unet_pilot": "U-Net, this run",
    "unet": "U-Net, trained",
    "soxr_vhq": "soxr VHQ",
    "noise": "shaped noise",
    "folding": "spectral folding",
    "replication": "band replication",
}
VARIANTS = {
    "unet_soxr_input": "U-Net, trained, soxr input",
    "kaiser_fast_low_kept": "Kaiser fast, low band kept",
    "unet_low_kept": "U-Net, trained, low band kept",
}
COMPARED = {s: LABELS[s] for s in (*SYSTEMS, PILOT, *CONTROLS)} | VARIANTS  # the columns of the fair Table 2

WORDS = {k: v for k, v in LABELS.items() if "_" in k or k == "unet"} | VARIANTS | {
    "unet_bfloat16": "U-Net, trained, bfloat16", "unet_float16": "U-Net, trained, float16",
    "kaiser_fast_2021": "Kaiser fast of 2021", "kaiser_best_2021": "Kaiser best of 2021",
    "times_kaiser_best": "times Kaiser best", "coursework_times_kaiser_best": "coursework: times Kaiser best",
    "real_time_ratio": "real-time ratio", "gmac_per_second": "GMAC for a second of audio", "memory_mb": "memory (MB)",
    "mse": "MSE", "snr_db": "SNR (dB)", "si_sdr_db": "SI-SDR (dB)", "snr_pass_db": "SNR where the filters pass (dB)",
    "lsd": "LSD (log10)", "lsd_log10": "LSD (log10)", "lsd_ln": "LSD (natural logarithm)",
    "lsd_low_log10": "LSD (log10) below 11.025 kHz", "lsd_high_log10": "LSD (log10) above 11.025 kHz",
    "lsd_high": "LSD (log10) above 11.025 kHz", "lsd_pass": "LSD (log10) where the filters pass",
    "lsd_pass_log10": "LSD (log10) where the filters pass", "lsd_valid_log10": "LSD (log10) below the original's own edge",
    "lsd_sibilant": "LSD (log10), sibilant frames", "lsd_high_sibilant": "LSD (log10) above 11.025 kHz, sibilant frames",
    "lsd_rest": "LSD (log10), other frames", "lsd_high_rest": "LSD (log10) above 11.025 kHz, other frames",
}  # fmt: skip


def words(name: str) -> str:
    """Return `name` with its identifiers replaced by display names: "resampy, kaiser_fast" becomes "resampy, Kaiser fast"."""
    return re.sub(r"\b[a-z]\w*", lambda found: WORDS.get(found[0], found[0]), name)
