"""Fixtures: a small corpus of WAV files in a temporary home, so that no test writes to the repository or needs a network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from helpers import SMALL_TRAINING, SR, write_speaker

from audiosr_lib import signals
from audiosr_lib.data import corpora, preparation


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """A fresh AUDIOSR_HOME for every test."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("AUDIOSR_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> Path:
    """Four speakers with three utterances each."""
    folder = tmp_path_factory.mktemp("recordings") / "voices"
    for speaker in ("ann", "ben", "cat", "dan"):
        write_speaker(folder, speaker, 3)
    return folder


@pytest.fixture
def prepared(recordings) -> corpora.Corpus:
    """The recordings, prepared in this test's home."""
    corpus = corpora.open_corpus(str(recordings))
    preparation.prepare(corpus, workers=1, progress=False)
    return corpus


@pytest.fixture
def speech() -> np.ndarray:
    """One second of synthetic speech at 44.1 kHz, (T,) float64."""
    return signals.synthetic_speech(1.0, SR, np.random.default_rng(5))


@pytest.fixture
def small_training(prepared):
    """The config of a training of four small steps on the prepared recordings."""
    from audiosr_lib.base import profiles
    from audiosr_lib.training.config import TrainingConfig

    return TrainingConfig.of(dataclasses.replace(profiles.get("smoke"), **SMALL_TRAINING), prepared.name, seed=3)
