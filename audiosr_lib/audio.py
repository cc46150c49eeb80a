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
    sf.write(buffer, x, sr, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


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
