"""Players that compare versions of a clip by ear, with one gain for all versions.

IPython's player scales every clip to full level, which hides differences in level. Here the clips of one comparison share a gain and are
stored as lossless FLAC. Where scripts run, one player switches between the versions at the same place, shows their spectrograms and
offers a blind test (web/player.js). Where they do not run, the page has a table of plain audio elements.
"""

from __future__ import annotations

import base64
import functools
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from audiosr_lib import signals
from audiosr_lib.base.kernel import kernel_shell

WEB = Path(__file__).with_name("web")  # style and script of the player
PEAK_DB = -1.0  # level of the loudest sample of a comparison, re full scale
ABOVE_HZ = 11025.0  # the player's "only above" keeps frequencies above it: the band that a rate of 22.05 kHz cannot hold
NOTEBOOK_BYTES = 1_500_000  # largest total size of the players in one executed notebook
GRID_S = 0.02  # excerpts start at its multiples, where a signal has a sample at 44.1 kHz and at 22.05 kHz


@dataclass(frozen=True)
class Version:
    """One version of a clip: a label, the samples (T,) and their rate in Hz."""

    label: str
    x: np.ndarray
    sr: int


def shared_gain(versions: Sequence[Version], peak_db: float = PEAK_DB) -> float:
    """Return the factor that brings the loudest sample of all versions to `peak_db` re full scale. Raises ValueError if all are silent."""
    peak = max((float(np.abs(v.x).max()) for v in versions if len(v.x)), default=0.0)
    if peak == 0:
        raise ValueError("all versions are silent: give at least one that is not")
    return 10 ** (peak_db / 20) / peak


def flac_bytes(x: np.ndarray, sr: int) -> bytes:
    """Return a mono signal as the bytes of a 16-bit FLAC file. Raises ValueError if a sample exceeds full scale."""
    if (peak := np.abs(x).max(initial=0.0)) > 1.0:
        raise ValueError(f"the peak {peak:.3g} exceeds full scale, 1: apply `shared_gain` first")
    buffer = io.BytesIO()
    sf.write(buffer, x, sr, format="FLAC", subtype="PCM_16", compression_level=1.0)  # the smallest file; every level is lossless
    return buffer.getvalue()


def loudest_s(x: np.ndarray, sr: int, seconds: float, above_hz: float = 0.0) -> float:
    """Return the start, in s, of those `seconds` of a signal (T,) that have the most energy at `above_hz` and above.

    The start is a multiple of `GRID_S`; it is 0 if the signal is not longer. Raises ValueError if `seconds` is not positive.
    """
    if seconds <= 0:
        raise ValueError(f"seconds must be positive, got {seconds}")
    length = round(seconds * sr)
    energy = np.concatenate([[0.0], np.cumsum(signals.band(x, sr, above_hz, sr) ** 2)])
    starts = np.arange(0, max(len(x) - length, 0) + 1, round(GRID_S * sr))
    ends = np.minimum(starts + length, len(x))
    return float(starts[np.argmax(energy[ends] - energy[starts])] / sr)


def excerpt(x: np.ndarray, sr: int, start_s: float, seconds: float, fade_s: float = 0.005) -> np.ndarray:
    """Return a copy of a part of a signal to listen to, faded in and out so that the cuts do not click.

    Parameters
    ----------
    x : (T,).
    sr : sample rate in Hz.
    start_s : start of the part.
    seconds : length of the part, which ends earlier if the signal does.
    fade_s : length of each fade, half a period of a cosine.

    Raises
    ------
    ValueError : if the part starts outside of the signal or is shorter than its fades.
    """
    start, length, fade = (round(s * sr) for s in (start_s, seconds, fade_s))
    part = np.array(x[max(start, 0) : max(start, 0) + length], dtype=np.float64)
    if not 0 <= start < len(x) or len(part) < 2 * fade:
        raise ValueError(f"no excerpt of {seconds} s at {start_s} s with fades of {fade_s} s in a signal of {len(x) / sr:.2f} s")
    ramp = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / fade) ** 2
    part[:fade] *= ramp
    part[len(part) - fade :] *= ramp[::-1]
    return part


def loudness(x: np.ndarray, sr: int) -> float:
    """Return the integrated loudness of a mono signal (T,) in LUFS; nan if it is shorter than 0.4 s or below the gate of -70 LUFS.

    Source: ITU-R BS.1770-4, computed by pyloudnorm.
    """
    import pyloudnorm

    measured = pyloudnorm.Meter(sr).integrated_loudness(np.asarray(x, dtype=np.float64)) if len(x) >= 0.4 * sr else np.nan
    return float(measured) if np.isfinite(measured) else float("nan")


@dataclass(frozen=True)
class Encoded:
    """One version in a player: a label and the bytes of a FLAC file."""

    label: str
    flac: bytes

    def row(self) -> str:
        """Return an HTML table row: label, audio element, sample rate, RMS level re full scale, loudness."""
        x, sr = sf.read(io.BytesIO(self.flac), dtype="float64")
        label, lufs, rms = html.escape(self.label), loudness(x, sr), f"{signals.db(signals.rms(x)):.1f}"
        exact, shown = ("", "") if np.isnan(lufs) else (f"{lufs:.3f}", f"{lufs:.1f}")
        return (
            f'<tr><th scope="row" style="text-align:left">{label}</th>'
            f'<td><audio controls preload="metadata" aria-label="{label}" data-label="{label}" data-rms="{rms}" '
            f'data-lufs="{exact}" src="data:audio/flac;base64,{base64.b64encode(self.flac).decode()}"></audio></td>'
            f"<td>{sr / 1000:g} kHz</td><td>{rms} dB</td><td>{shown}</td></tr>"
        )


@functools.cache
def _code() -> str:
    """Return the style and script of the player, without indentation and comment lines."""
    style = re.sub(r"\s+", " ", (WEB / "player.css").read_text(encoding="utf-8"))
    script = re.sub(r"^\s*(//.*\n)?", "", (WEB / "player.js").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return f"<style>{style}</style><script>{script}</script>"


def player_html(clips: Sequence[Encoded], title: str, gain_db: float, *, with_code: bool = True) -> str:
    """Return one player as HTML.

    Parameters
    ----------
    clips : the versions, encoded with one gain.
    title : caption of the player, may be empty.
    gain_db : the gain of the clips in dB, which the player shows.
    with_code : False if another player on the page has the code, which starts all players, also those added later.
    """
    caption = f"<caption style='text-align:left'>{html.escape(title)}</caption>" if title else ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("version", "listen", "rate", "RMS level", "LUFS"))
    note = f'<p class="audiosr-note">One gain for all versions: {gain_db:+.1f} dB. Levels are re full scale.</p>'
    start = _code() if with_code else "<script>window.audiosrStart && window.audiosrStart()</script>"
    return (
        f'<div class="audiosr-player" aria-label="{html.escape(title)}" data-above="{ABOVE_HZ:g}" data-gain="{gain_db:.3f}">'
        f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(c.row() for c in clips)}</tbody></table>{note}</div>{start}"
    )


_carrier: str | None = None  # the notebook cell whose outputs have the player's code


def _this_cell() -> str | None:
    """Return the id of the running notebook cell, or its source if the front end sends no id; None outside of a notebook."""
    if (shell := kernel_shell()) is None:
        return None
    asked = shell.kernel.get_parent()  # the request that runs the cell; IPython's history may be switched off
    return asked.get("metadata", {}).get("cellId") or asked.get("content", {}).get("code")


def players(versions: Sequence[Version], title: str = ""):
    """Return a player of several versions of a clip, as an IPython.display.HTML object. Raises ValueError if all versions are silent.

    Only the players of the first cell that shows one include the player's code, which keeps the notebook small.
    """
    from IPython.display import HTML

    global _carrier
    gain = shared_gain(versions)
    clips = [Encoded(v.label, flac_bytes(gain * v.x, v.sr)) for v in versions]
    cell = _this_cell()
    with_code = cell is None or _carrier in (None, cell)
    if with_code:
        _carrier = cell
    return HTML(player_html(clips, title, float(signals.db(gain)), with_code=with_code))
