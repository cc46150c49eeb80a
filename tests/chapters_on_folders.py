"""Run the smoke profile on folders of recordings that are drawn at random, and print which chapters fail on which.

    python tests/chapters_on_folders.py --draws 6 --seed 0

Every check of a chapter must hold on any folder that the preparation accepts. A draw has 3 to 6 speakers with few, short, quiet, loud
or clipped recordings of speech, noise or tones in several formats; a draw that the preparation refuses is printed and replaced. A draw
takes two to four minutes on two cores. pytest does not collect this file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf

from audiosr_lib import signals
from audiosr_lib.data import corpora, preparation

FORMATS = (("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_24"), ("ogg", "VORBIS"), ("mp3", "MPEG_LAYER_III"))
KINDS = ("speech", "noise", "tones")
LEVELS = ("quiet", "middle", "loud", "clipped")


def sound(kind: str, seconds: float, sr: int, rng: np.random.Generator) -> np.ndarray:
    """Return `seconds` of synthetic speech, coloured noise or tones with an RMS of 1, all with some energy up to 18 kHz."""
    t = np.arange(round(seconds * sr)) / sr
    if kind == "speech":
        x = signals.synthetic_speech(seconds, sr, rng, pitch_hz=rng.uniform(80, 250))
    elif kind == "noise":
        spectrum = np.fft.rfft(rng.standard_normal(len(t)))
        x = np.fft.irfft(spectrum / np.maximum(np.fft.rfftfreq(len(t), 1 / sr), 50) ** rng.uniform(0, 1), len(t))
    else:
        pitches = (rng.uniform(100, 4000), *rng.uniform(100, 18000, 3), 18000)  # chapter 07 measures delays below 8 kHz
        x = sum(rng.uniform(0.05, 1) * np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in pitches)
    return x / signals.rms(x)


def draw_folder(folder: Path, seed: int) -> str:
    """Write a folder of recordings and return its description."""
    rng = np.random.default_rng(seed)
    kinds, level = rng.choice(KINDS, rng.integers(1, 4), replace=False), rng.choice(LEVELS)
    offset, odd_names = float(rng.choice([0, 0, 0.02, -0.2])), bool(rng.integers(2))
    shortest, per_speaker, speakers = float(rng.choice([1.0, 1.2, 2.0])), int(rng.integers(1, 5)), int(rng.integers(3, 7))
    padding = float(rng.choice([0, 0, 0.7]))  # seconds of zeros before and after
    for s in range(speakers):
        where = folder / (f"{s}$x|_ \\é^$" if odd_names else f"speaker{s}")
        where.mkdir(parents=True)
        for r in range(per_speaker + s % 2):
            sr, channels = int(rng.choice([44100, 48000, 96000])), int(rng.integers(1, 3))
            suffix, subtype = FORMATS[rng.integers(len(FORMATS))]
            sr = min(sr, 48000) if suffix in ("mp3", "ogg") else sr
            mono = sound(str(rng.choice(kinds)), shortest * rng.uniform(1, 1.6), sr, rng)
            rms_db = {"quiet": -55, "middle": -26}.get(str(level), -10)
            gain = 10 ** (rms_db / 20) if level in ("quiet", "middle") else {"loud": 1, "clipped": 3}[str(level)] / np.abs(mono).max()
            mono = gain * mono + offset * (1 if level != "quiet" else 0.01)
            mono = np.pad(mono, round(padding * sr))
            both = np.stack([mono, rng.uniform(0.3, 1) * np.roll(mono, 7)], axis=1)[:, :channels]
            sf.write(where / f"{'_$r$' if odd_names else ''}u{r}.{suffix}", np.clip(both, -1, 1 - 2**-15), sr, subtype=subtype)
    about = f"{speakers} speakers, {per_speaker} recordings or more each of {shortest} s or more, {level}, {'+'.join(sorted(kinds))}"
    return about + (f", offset {offset}" if offset else "") + (", padded" if padding else "") + (", odd names" if odd_names else "")


def accepted(folder: Path, home: Path) -> str:
    """Prepare a folder below `home`; return "" if it is accepted, else the reason."""
    os.environ["AUDIOSR_HOME"] = str(home)
    try:
        preparation.prepare(corpora.open_corpus(str(folder)), workers=1, progress=False)
    except corpora.CorpusError as error:
        return str(error)
    return ""


def failures(folder: Path, home: Path, *options: str) -> str:
    """Run the smoke profile on a folder, and return what it printed to standard error if it failed, else ""."""
    command = [sys.executable, "-m", "audiosr_lib.study.runner", "--profile", "smoke", "--device", "cpu", "--corpus", str(folder), *options]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"AUDIOSR_HOME": str(home)})
    return run.stderr[-3000:] or "no message" if run.returncode else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=6, metavar="N", help="accepted folders to run on (default: 6)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the first draw, and of its run (default: 0)")
    options = parser.parse_args()
    failed, seed, done = 0, options.seed, 0
    while done < options.draws:
        with tempfile.TemporaryDirectory() as top:
            folder, home = Path(top, f"draw{seed}"), Path(top, "home")
            print(f"draw {seed}: {draw_folder(folder, seed)}", flush=True)
            if reason := accepted(folder, home):
                print(f"  refused: {reason}", flush=True)
            else:
                done += 1
                message = failures(folder, home, "--seed", str(seed))
                failed += bool(message)
                print(f"  failed:\n{message}" if message else "  every chapter ran", flush=True)
        seed += 1
    print(f"{failed} of {done} draws failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
