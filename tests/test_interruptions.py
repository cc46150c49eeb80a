"""A study that is killed at random moments, also while it prepares, publishes or makes the report: nothing is lost, and it goes on.

The notebooks and the report are small stand-ins; runner, preparation, training and record are the real ones. AUDIOSR_KILLS=20 kills
twenty times.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from helpers import OPENED, SMALL_TRAINING, write_notebook, write_speaker

from audiosr_lib.base import checkpoints, files, paths
from audiosr_lib.data import corpora
from audiosr_lib.data.dataset import PairedSplit
from audiosr_lib.study import record

KILLS = int(os.environ.get("AUDIOSR_KILLS", "2"))
SMALL = """
import dataclasses
from audiosr_lib.base import profiles
profiles.PROFILES["smoke"] = dataclasses.replace(profiles.get("smoke"), **{small})
"""
TABLE = "import pandas\nfor i in range(3):\n    run.table(pandas.DataFrame({'seed': [run.seed]}), f'{run.notebook}-{i}', 'A table')"
TRAIN = """
from audiosr_lib.training import TrainingConfig, train
config = TrainingConfig.of(run.profile, run.corpus, run.seed)
result = train(config, run.training_directory)
"""
DRIVER = """
import dataclasses, shutil, sys
from pathlib import Path
from audiosr_lib.base import files, paths, profiles
from audiosr_lib.study import report, runner

def build(folder):
    with files.atomic_folder(folder / "report") as new:
        for i in range(20):
            shutil.copy(folder / "manifest.json", new / f"page-{{i}}.html")
    return folder / "report" / "page-0.html"

report.build = build
paths.notebooks = lambda: sorted(Path({notebooks!r}).glob("*.ipynb"))
profiles.PROFILES["smoke"] = dataclasses.replace(profiles.get("smoke"), **{small})
sys.exit(runner.main(sys.argv[1:]))
"""


@pytest.fixture
def command(tmp_path, recordings):
    """The study of three notebooks on a folder of recordings; returns the words of its command."""
    small = SMALL_TRAINING | {"validate_every": 1, "checkpoint_every": 1}
    (tmp_path / "notebooks").mkdir()
    for name, *cells in (("02_one", TABLE), ("03_two", TABLE), ("08_three", TRAIN, TABLE)):
        cells[0] = SMALL.format(small=small) + OPENED.format(name) + cells[0]
        write_notebook(tmp_path / "notebooks", name, *cells)
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER.format(notebooks=str(tmp_path / "notebooks"), small=small))
    voices = tmp_path / "voices"
    shutil.copytree(recordings, voices)
    return [sys.executable, str(driver), "--profile", "smoke", "--device", "cpu", "--corpus", str(voices)], voices


def state(corpus: str) -> dict:
    """Hashes of a finished training and of the prepared pairs, and the problems of the record."""
    (training,) = checkpoints.trainings("smoke")
    files.restore(paths.figures("smoke"))
    return {
        "training": [files.sha256_of(training / name) for name in ("last.pt", "best.pt")],
        "pairs": [len(PairedSplit(corpus, split)) for split in corpora.SPLITS],
        "record": record.verify(paths.figures("smoke")),
    }


def test_killed_at_random_moments_nothing_is_lost_and_it_goes_on(command, home):
    words, voices = command
    environment = os.environ | {"PYTHONPATH": str(paths.REPOSITORY)}
    started = time.monotonic()
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    whole = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    corpus = corpora.open_corpus(str(voices)).name
    before = state(corpus)
    assert before["record"] == []

    chance, ended = random.Random(1), []
    for i in range(KILLS):
        for recording in voices.rglob("*.wav"):  # as if they were new, so that they are prepared again
            recording.touch()
        sign = (signal.SIGINT, signal.SIGKILL)[i % 2]
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(whole * (i + chance.random()) / KILLS)
            process.send_signal(sign)
            sent = time.monotonic()
            said = process.communicate(timeout=120)[1]
        ended.append(process.returncode)
        if process.returncode == 130:
            assert said.startswith("\nInterrupted. Kept: Downloads and prepared recordings") and "Traceback" not in said
            assert time.monotonic() - sent < 30
        assert state(corpus) == before, f"killed by {sign.name}, part {i + 1} of {KILLS}"
    assert set(ended) <= {0, 130, -signal.SIGKILL, -signal.SIGINT} and len(set(ended)) > 1  # Python's own start is not ours to guard

    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert state(corpus) == before
    assert not [p.name for p in paths.figures("smoke").parent.iterdir() if p.name != "smoke"]  # nothing half-made is left


def test_new_recordings_replace_the_prepared_pairs_only_when_they_are_whole(home, tmp_path, monkeypatch):
    """Killed after the work and before the last renaming, the pairs are taken from the folder that is whole."""
    from audiosr_lib.data import preparation

    for speaker in ("ann", "ben", "cat"):
        write_speaker(tmp_path / "voices", speaker, 2, seconds=1.1)
    corpus = corpora.open_corpus(str(tmp_path / "voices"))
    preparation.prepare(corpus, workers=1, progress=False)
    write_speaker(tmp_path / "voices", "ann", 3, seconds=1.1)

    def killed(new, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr(files, "swap", killed)
        preparation.prepare(corpus, workers=1, progress=False)
    assert sum(len(PairedSplit(corpus.name, split)) for split in corpora.SPLITS) == 6
    monkeypatch.setattr(preparation, "process", None)  # nothing is computed again
    preparation.prepare(corpus, workers=1, progress=False)
    assert sum(len(PairedSplit(corpus.name, split)) for split in corpora.SPLITS) == 7
