"""Players for comparing versions of a clip by ear, with one gain for all of them.

IPython's player scales every clip to full level by itself, which hides exactly the differences one listens for. Here the
clips of one comparison share a gain, are stored without loss as FLAC, and their levels stand beside the players.
"""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass

import numpy as np

from audiosr_lib import signals

PEAK_DB = -1.0  # the loudest sample of a comparison
GRID_S = 0.02  # excerpts start at its multiples, where a signal has a sample at 44.1 kHz and at 22.05 kHz


@dataclass(frozen=True)
class Version:
    """One version of a clip: a label, the samples, and their rate in Hz."""

    label: str
    x: np.ndarray
    sr: int


def shared_gain(versions: list[Version], peak_db: float = PEAK_DB) -> float:
    """The one factor that brings the loudest sample of all versions to `peak_db` re full scale.

    ValueError if there is nothing to hear.
    """
    peak = max((float(np.abs(v.x).max()) for v in versions if len(v.x)), default=0.0)
    if peak == 0:
        raise ValueError("all versions are silent")
    return 10 ** (peak_db / 20) / peak


def flac_bytes(x: np.ndarray, sr: int) -> bytes:
    """A mono signal as a 16-bit FLAC file in memory; ValueError beyond full scale."""
    import soundfile as sf

    if np.abs(x).max(initial=0.0) > 1.0:
        raise ValueError("the signal exceeds full scale: apply a shared gain first")
    buffer = io.BytesIO()
    sf.write(buffer, x, sr, format="FLAC", subtype="PCM_16", compression_level=1.0)  # the smallest file; no loss at any level
    return buffer.getvalue()


def loudest_s(x: np.ndarray, sr: int, seconds: float, above_hz: float = 0.0) -> float:
    """Where the stretch of `seconds` with the most energy at `above_hz` and above starts, in s, a multiple of `GRID_S`.

    For a signal (T,) that is not longer it is 0. ValueError if `seconds` is not positive.
    """
    if seconds <= 0:
        raise ValueError(f"a stretch of {seconds} s is none")
    energy = np.concatenate([[0.0], np.cumsum(signals.band(x, sr, above_hz, sr) ** 2)])
    starts = np.arange(0, max(len(x) - round(seconds * sr), 0) + 1, round(GRID_S * sr))
    ends = np.minimum(starts + round(seconds * sr), len(x))
    return float(starts[np.argmax(energy[ends] - energy[starts])] / sr)


def excerpt(x: np.ndarray, sr: int, start_s: float, seconds: float, fade_s: float = 0.005) -> np.ndarray:
    """A stretch to listen to: `seconds` from `start_s` on, or as much as there is, faded in and out so that the cuts do not click.

    Parameters
    ----------
    x : (T,). sr : its rate in Hz. fade_s : length of each fade, half a period of a cosine.

    Returns
    -------
    A new array, (round(seconds * sr),) at most. Measure on the signal itself, not on this.

    Raises
    ------
    ValueError : if the stretch starts outside of the signal or is shorter than its fades.
    """
    start, length, fade = (round(s * sr) for s in (start_s, seconds, fade_s))
    part = np.array(x[max(start, 0) : max(start, 0) + length], dtype=np.float64)
    if not 0 <= start < len(x) or len(part) < 2 * fade:
        raise ValueError(f"no excerpt of {seconds} s at {start_s} s in a signal of {len(x) / sr:.2f} s")
    ramp = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / fade) ** 2
    part[:fade] *= ramp
    part[len(part) - fade :] *= ramp[::-1]
    return part


def players(versions: list[Version], title: str = ""):
    """A table of audio players for a notebook: label, player, rate, level; one gain for all, stated below.

    Returns an IPython.display.HTML object.
    """
    from IPython.display import HTML

    gain = shared_gain(versions)
    rows = []
    for v in versions:
        data = base64.b64encode(flac_bytes(gain * v.x, v.sr)).decode()
        level = signals.db(signals.rms(gain * v.x))
        label = html.escape(v.label)
        rows.append(
            f'<tr><th scope="row" style="text-align:left">{label}</th>'
            f'<td><audio controls preload="metadata" aria-label="{label}" src="data:audio/flac;base64,{data}"></audio></td>'
            f"<td>{v.sr / 1000:g} kHz</td><td>{float(level):.1f} dB</td></tr>"
        )
    caption = f"<caption style='text-align:left'>{html.escape(title)}</caption>" if title else ""
    head = "<tr><th>version</th><th>listen</th><th>rate</th><th>RMS level</th></tr>"
    note = f"<p>One gain for all versions: {float(signals.db(gain)):+.1f} dB. Levels are re full scale.</p>"
    return HTML(f"<table>{caption}{head}{''.join(rows)}</table>{note}")
