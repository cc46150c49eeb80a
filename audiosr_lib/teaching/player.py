"""Players for comparing versions of a clip by ear, with one gain for all of them.

IPython's player scales every clip to full level by itself, which hides exactly the differences one listens for. Here the
clips of one comparison share a gain, are stored without loss as FLAC, and their levels stand beside them. Where scripts run, one
player switches between the versions without moving, shows their spectrograms, and holds a blind test (web/player.js); where
they do not, a table of plain audio elements remains.
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

from audiosr_lib import signals
from audiosr_lib.base.kernel import kernel_shell

WEB = Path(__file__).with_name("web")  # style and script of the player
PEAK_DB = -1.0  # the loudest sample of a comparison
ABOVE_HZ = 11025.0  # what the player's "only above" keeps: the band that 22.05 kHz cannot hold
NOTEBOOK_BYTES = 1_500_000  # of players in one executed notebook; a test holds the record to it
GRID_S = 0.02  # excerpts start at its multiples, where a signal has a sample at 44.1 kHz and at 22.05 kHz


@dataclass(frozen=True)
class Version:
    """One version of a clip: a label, the samples, and their rate in Hz."""

    label: str
    x: np.ndarray
    sr: int


def shared_gain(versions: Sequence[Version], peak_db: float = PEAK_DB) -> float:
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


def loudness(x: np.ndarray, sr: int) -> float:
    """Integrated loudness of a mono signal (T,) in LUFS; nan if it is shorter than a block of 0.4 s or below the gate of -70 LUFS.

    Source: ITU-R BS.1770-4, by pyloudnorm.
    """
    import pyloudnorm

    if len(x) < 0.4 * sr:
        return float("nan")
    measured = pyloudnorm.Meter(sr).integrated_loudness(np.asarray(x, dtype=np.float64))
    return float(measured) if np.isfinite(measured) else float("nan")


@dataclass(frozen=True)
class Encoded:
    """A version as a player carries it: a label and the bytes of a FLAC file."""

    label: str
    flac: bytes

    def row(self) -> str:
        """A row of the table of plain audio elements: label, element, rate, RMS level re full scale, loudness."""
        import soundfile as sf

        x, sr = sf.read(io.BytesIO(self.flac), dtype="float64")
        label, lufs, rms = html.escape(self.label), loudness(x, sr), f"{float(signals.db(signals.rms(x))):.1f}"
        loud = "" if np.isnan(lufs) else f"{lufs:.1f}"
        return (
            f'<tr><th scope="row" style="text-align:left">{label}</th>'
            f'<td><audio controls preload="metadata" aria-label="{label}" data-label="{label}" data-rms="{rms}" '
            f'data-lufs="{"" if np.isnan(lufs) else f"{lufs:.3f}"}" '
            f'src="data:audio/flac;base64,{base64.b64encode(self.flac).decode()}"></audio></td>'
            f"<td>{sr / 1000:g} kHz</td><td>{rms} dB</td><td>{loud}</td></tr>"
        )


@functools.cache
def _code() -> str:
    """Style and script of the player, without indentation and lines of comment."""
    style = re.sub(r"\s+", " ", (WEB / "player.css").read_text(encoding="utf-8"))
    script = re.sub(r"^\s*(//.*\n)?", "", (WEB / "player.js").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return f"<style>{style}</style><script>{script}</script>"


def player_html(clips: Sequence[Encoded], title: str, gain_db: float, *, with_code: bool = True) -> str:
    """One player as HTML.

    Parameters
    ----------
    clips : the versions, encoded with one gain for all. gain_db : that gain, which is shown. with_code : False where the page
    carries the player's code already, from another player; the code starts every player that it finds and those that come later.
    """
    caption = f"<caption style='text-align:left'>{html.escape(title)}</caption>" if title else ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("version", "listen", "rate", "RMS level", "LUFS"))
    note = f'<p class="audiosr-note">One gain for all versions: {gain_db:+.1f} dB. Levels are re full scale.</p>'
    start = _code() if with_code else "<script>window.audiosrStart && window.audiosrStart()</script>"
    return (
        f'<div class="audiosr-player" aria-label="{html.escape(title)}" data-above="{ABOVE_HZ:g}" data-gain="{gain_db:.3f}">'
        f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(c.row() for c in clips)}</tbody></table>{note}</div>{start}"
    )


_carrier: str | None = None  # the cell of this kernel whose outputs carry the player's code


def _this_cell() -> str | None:
    """The running notebook cell: its id where the notebook's program tells it, as JupyterLab does, else its source."""
    shell = kernel_shell()
    if shell is None:
        return None
    asked = shell.kernel.get_parent()  # the message that runs the cell; its history may be switched off
    return asked.get("metadata", {}).get("cellId") or asked.get("content", {}).get("code")


def players(versions: Sequence[Version], title: str = ""):
    """A player for a notebook that compares versions of a clip, with one gain for all; returns an IPython.display.HTML object.

    The first cell that shows a player carries its code, and carries it again when it is run again; the others stay small.
    ValueError if all versions are silent.
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
