"""A disk that is full at any writing step: a message that says so, nothing half-made, and the next start goes on.

The disk is a small tmpfs, which only root may mount; elsewhere these tests are skipped.
"""

import os
import re
import shutil
import subprocess

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch

from audiosr_lib.base import checkpoints, files, paths
from audiosr_lib.base.errors import explained
from audiosr_lib.data import corpora, preparation
from audiosr_lib.study import record
from audiosr_lib.training import loop

matplotlib.use("Agg")
SPEECH = 0.1 * np.random.default_rng(0).standard_normal(44100)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A home on a disk of 16 MB, with a prepared corpus; returns a function that fills all of it but some kilobytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    monkeypatch.setenv("AUDIOSR_HOME", str(folder))
    filler = folder / "filler"

    def fill(kilobytes: int) -> None:
        filler.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free - 1024 * kilobytes
        with open(filler, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, free)

    try:
        yield fill
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def everything() -> dict:
    """Contents of the files of the home, without the filler and the note that is written before a clip."""
    return {p: p.read_bytes() for p in paths.home().rglob("*") if p.is_file() and p.name not in ("filler", "SOURCE.md")}


def run_of(corpus: str) -> record.Run:
    return record.Run.open("02_one", profile="smoke", corpus=corpus)


def figure():
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    ax.imshow(np.random.default_rng(0).random((400, 400)))
    return fig


def publish(run: record.Run) -> None:
    files.write_text(run.staging / "notebooks" / "02_one.ipynb", "{}" + " " * 100_000)
    record.publish("smoke", run.parameters(), {"02_one": 1.0}, "cpu", ["02_one"])


def big_network() -> dict:
    return {
        "model": {"w": torch.zeros(100_000)},
        "optimizer": {},
        "state": {"best_step": 1, "best_loss": 1.0},
        "config": {},
        "seed": 0,
        "commit": "",
    }


STEPS = {
    "figure": lambda run, file: run.figure(figure(), "1.1", "A figure"),
    "table": lambda run, file: run.table(pd.DataFrame({"a": np.random.default_rng(0).random(5000)}), "2", "A table"),
    "data": lambda run, file: run.data(pd.DataFrame({"a": np.random.default_rng(0).random(5000)}), "a", "Data"),
    "clip": lambda run, file: run.clip(SPEECH, 44100, "a", "A clip"),
    "weights": lambda run, file: checkpoints.write_weights(run.staging / "unet.safetensors", checkpoints.read(file)["model"]),
    "checkpoint": lambda run, file: checkpoints.write(run.staging / "last.pt", big_network(), 1),
    "publish": lambda run, file: publish(run),
    "json": lambda run, file: files.write_json(run.staging / "a.json", {"a": "x" * 100_000}),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_on_a_full_disk_says_so_and_leaves_nothing_half_made(disk, recordings, tmp_path, monkeypatch, step):
    monkeypatch.setenv(record.BY_COMMAND, "1")
    corpus = corpora.open_corpus(str(recordings))
    preparation.prepare(corpus, workers=1, progress=False)
    checkpoints.write(tmp_path / "best.pt", big_network(), 1)
    run = run_of(str(recordings))
    if step == "publish":
        publish(run)  # an earlier record, which must stay
    before = everything()
    disk(20)
    with pytest.raises(OSError) as caught:
        STEPS[step](run, tmp_path / "best.pt")
    assert re.match(r"[^:]*\.(png|svg|csv|md|flac|safetensors|pt|json|ipynb): the disk is full. Free some space", explained(caught.value))
    left = {p: content for p, content in everything().items() if "notebooks" not in p.parts}
    assert left.keys() <= before.keys() and all(before[p] == content for p, content in left.items()), "something half-made is left"
    (paths.home() / "filler").unlink()
    STEPS[step](run, tmp_path / "best.pt")


def test_preparing_on_a_full_disk_goes_on_later(disk, recordings, monkeypatch):
    corpus = corpora.open_corpus(str(recordings))
    monkeypatch.setattr(preparation, "require_space", lambda *_: None)  # the space goes while it works
    disk(200)
    with pytest.raises((OSError, corpora.CorpusError)) as caught:
        preparation.prepare(corpus, workers=1, progress=False)
    assert "space" in explained(caught.value)
    assert not paths.prepared(corpus.name).exists()
    (paths.home() / "filler").unlink()
    preparation.prepare(corpus, workers=1, progress=False)
    assert preparation.is_prepared(paths.prepared(corpus.name))


def test_training_on_a_full_disk_keeps_what_was_saved(disk, recordings, small_training, monkeypatch):
    """`small_training` is prepared in another home, which is larger."""
    monkeypatch.setenv("AUDIOSR_HOME", str(paths.home()))
    corpus = corpora.open_corpus(str(recordings))
    preparation.prepare(corpus, workers=1, progress=False)
    monkeypatch.setattr(loop, "require_space", lambda *_: None)
    with pytest.raises(OSError) as caught:
        loop.train(small_training, paths.home() / "run")
    assert "the disk is full" in explained(caught.value)
    assert not list((paths.home() / "run").glob("*.pt*"))
