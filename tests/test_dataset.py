"""Prepared pairs and the crops of a training step: even starts, speakers drawn evenly, batches that depend on (seed, step) alone."""

import dataclasses
import shutil
from collections import Counter

import numpy as np
import pytest
import scipy.signal
from helpers import write_speaker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiosr_lib import resampling, signals
from audiosr_lib.base import paths
from audiosr_lib.data import corpora, dataset, preparation
from audiosr_lib.data.corpora import CorpusError
from audiosr_lib.data.dataset import Crops, NotPrepared, PairedSplit, fixed_crops

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def train(prepared) -> PairedSplit:
    return PairedSplit(prepared.name, "train")


# --- reading -------------------------------------------------------------------------------------


def test_splits_share_no_speaker_and_no_bytes(prepared):
    speakers = {s: {u.speaker for u in PairedSplit(prepared.name, s).utterances} for s in corpora.SPLITS}
    assert sum(map(len, speakers.values())) == len(set.union(*speakers.values())) == 4
    about = dataset.summary(prepared.name)
    assert {s: set(v) for s, v in about["speakers"].items()} == speakers
    assert about["utterances"] == {s: len(PairedSplit(prepared.name, s)) for s in corpora.SPLITS}


def test_utterances_lie_end_to_end(train):
    position = 0
    for u in train.utterances:
        assert u.offset == position and u.length % 2 == 0
        position += u.length


@SETTINGS
@given(data=st.data())
def test_a_part_is_a_slice_of_the_whole(train, data):
    i = data.draw(st.integers(0, len(train) - 1))
    length = train.utterances[i].length
    start = 2 * data.draw(st.integers(0, length // 2))
    count = data.draw(st.integers(0, length - start))
    whole, part = train.read(i), train.read(i, start, count)
    for w, p in zip(whole, part, strict=True):
        assert p.dtype == np.float32 and np.array_equal(p, w[start : start + count])
    assert np.array_equal(train.read(i, start)[0], whole[0][start:])  # without a length: to the end


def test_full_scale(train):
    for i in range(len(train)):
        x, y = train.read(i)
        assert max(np.abs(x).max(), np.abs(y).max()) == np.float32(round(0.999 * 32767) / 32768)


@pytest.mark.parametrize("start", [1, 7, -1])
def test_odd_start_is_refused(train, start):
    with pytest.raises(ValueError, match=f"start {start} is odd: the 22.05 kHz signal has no sample there"):
        train.read(0, start, 100)


@pytest.mark.parametrize(("start", "length"), [(0, 10**6), (-2, 100), (0, -1), (10**6, None), (2, 52_920)])
def test_out_of_range_is_refused(train, start, length):
    with pytest.raises(ValueError, match=r"has 52920 samples: .* is not inside"):
        train.read(0, start, length if length is None else int(length))


def test_unknown_split_and_corpus(prepared):
    with pytest.raises(ValueError, match="no split 'dev': choose one of train, validation, test"):
        PairedSplit(prepared.name, "dev")
    with pytest.raises(NotPrepared, match=r"'vctk' is not prepared on this machine\. Run notebook 07_data_preparation"):
        PairedSplit("vctk", "train")
    with pytest.raises(NotPrepared, match=r"'klettres' is not prepared .*used only for testing, in notebook 10: \./run_all\.sh --only 10"):
        PairedSplit("klettres", "test")


@pytest.mark.parametrize("damage", ["shorter", "longer", "odd", "empty", "missing"])
@pytest.mark.parametrize("file", ["train_x.i16", "train_y.i16"])
def test_damaged_files_are_refused(prepared, file, damage):
    path = paths.prepared(prepared.name) / file
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"shorter": whole[:-2], "longer": whole + b"\0\0", "odd": whole[:-1], "empty": b""}[damage])
    with pytest.raises(NotPrepared, match=r"do not match their index: delete data/prepared/.* and prepare again"):
        PairedSplit(prepared.name, "train")
    PairedSplit(prepared.name, "test")  # the others are as good as before


def test_by_speaker_and_spread(train):
    table = train.by_speaker()
    assert sorted(i for v in table.values() for i in v) == list(range(len(train)))
    assert all(train.utterances[i].speaker == s for s, v in table.items() for i in v)
    assert sorted(train.spread(None)) == list(range(len(train)))
    assert Counter(train.utterances[i].speaker for i in train.spread(1)) == dict.fromkeys(table, 1)
    assert train.spread(2, min_length=10**6) == []


@pytest.mark.parametrize("per_speaker", [5, 8, 10, 20])
def test_emotions_are_drawn_evenly(train, per_speaker):
    """The layout of RAVDESS: each actor has 4 neutral files, and 8 of each of seven other emotions, sorted."""
    emotions = ["01"] * 4 + [f"{e:02d}" for e in range(2, 9) for _ in range(8)]
    train.utterances = [dataset.Utterance(f"{e}-{i}", f"actor{a}", 0, 9000) for a in range(6) for i, e in enumerate(emotions)]
    drawn = Counter(train.utterances[i].name[:2] for i in train.spread(per_speaker))
    for emotion, files in Counter(emotions).items():
        assert drawn[emotion] == pytest.approx(6 * per_speaker * files / 60, abs=2)


# --- crops ---------------------------------------------------------------------------------------


def test_speakers_are_drawn_by_the_square_root_of_their_length_and_utterances_evenly(train):
    long, short = "long", "short"
    train.utterances = [dataset.Utterance(f"{long}{i}", long, 0, 9000) for i in range(9)] + [dataset.Utterance("one", short, 0, 9000)]
    crops = Crops(train, 100, 2000, seed=3)
    drawn = Counter(i for step in range(40) for i, _ in crops.places(step))
    assert crops.chances == pytest.approx([0.75, 0.25])  # square roots of 9 and 1
    assert drawn[9] == pytest.approx(1000, abs=5 * np.sqrt(4000 * 0.25 * 0.75))  # five standard deviations
    for i in range(9):
        assert drawn[i] == pytest.approx(3000 / 9, abs=5 * np.sqrt(3000 / 9))


@SETTINGS
@given(seed=st.integers(0, 2**31), steps=st.lists(st.integers(0, 10**6), min_size=1, max_size=4), length=st.integers(1, 17_640))
def test_a_batch_depends_on_seed_and_step_alone(train, seed, steps, length):
    crops = Crops(train, 2, 2 * length, seed)
    first = [crops.batch(s) for s in steps]
    np.random.seed(1)  # noqa: NPY002 - global state must not matter
    again = Crops(PairedSplit(train.corpus, "train"), 2, 2 * length, seed)
    for step, batch in reversed(list(zip(steps, first, strict=True))):  # nor the order in which steps are asked for
        for got, wanted in zip(again.batch(step), batch, strict=True):
            assert got.shape == (2, 1, 2 * length) and got.dtype == np.float32
            assert np.array_equal(got, wanted)


def test_other_seeds_and_steps_give_other_batches(train):
    batches = [Crops(train, 2, 4000, seed).batch(step)[1].tobytes() for seed in range(4) for step in range(4)]
    assert len(set(batches)) == 16


def test_starts_are_even_and_reach_both_ends(train, monkeypatch):
    starts = []
    read = PairedSplit.read
    monkeypatch.setattr(PairedSplit, "read", lambda self, i, start=0, length=None: starts.append(start) or read(self, i, start, length))
    crops = Crops(train, 8, 52_920 - 4, seed=0)
    for step in range(8):
        crops.batch(step)
    assert set(starts) == {0, 2, 4}


def test_input_and_target_of_a_crop_belong_together(train):
    x, y = Crops(train, 4, 8000, seed=0).batch(5)
    low = scipy.signal.butter(6, 8000, fs=44100, output="sos")  # both hold the same speech there
    for a, b in zip(*(scipy.signal.sosfiltfilt(low, side[:, 0])[:, 200:-200] for side in (x, y)), strict=True):
        assert np.corrcoef(a, b)[0, 1] > 0.99  # less than 1 by the rounding to 16 bits, most in a pause


def test_crops_longer_than_every_utterance_are_refused(train):
    message = r"no utterance of .*/train is as long as a crop of 2\.00 s; the longest has 1\.20 s\. "
    message += "Add longer recordings, or choose a profile with shorter crops"
    with pytest.raises(ValueError, match=message):
        Crops(train, 2, 88_200, seed=0)


def test_shorter_utterances_are_counted_and_not_drawn(train):
    train.utterances[0] = dataset.Utterance("short", "ann", 0, 1000)
    crops = Crops(train, 1, 2000, seed=0)
    assert crops.too_short == 1 and 0 not in {i for step in range(50) for i, _ in crops.places(step)}


@pytest.mark.parametrize("length", [0, -2])
def test_a_crop_has_samples(train, length):
    with pytest.raises(ValueError, match=f"must be even and at least 2 samples, got {length}"):
        Crops(train, 1, length, seed=0)


def test_odd_crops_are_refused(train):
    with pytest.raises(ValueError, match="must be even and at least 2 samples, got 2001"):
        Crops(train, 2, 2001, seed=0)


def test_fixed_crops_are_always_the_same(prepared, train):
    x, y = fixed_crops(train, 3, 4000)
    assert x.shape == y.shape == (3, 1, 4000)
    again = fixed_crops(PairedSplit(prepared.name, "train"), 3, 4000)
    assert np.array_equal(x, again[0]) and np.array_equal(y, again[1])
    assert len(fixed_crops(train, 10**6, 4000)[0]) == len(train)  # no more than there are
    middle = (train.utterances[0].length - 4000) // 4 * 2
    assert np.array_equal(fixed_crops(train, len(train), 4000)[1][0, 0], train.read(0, middle, 4000)[1])


def test_fixed_crops_are_spread_over_the_speakers(train):
    train.utterances = [dataset.Utterance(f"{s}{i}", s, 0, 9000) for s, n in (("a", 50), ("b", 2), ("c", 9)) for i in range(n)]
    names = [train.utterances[i].speaker for i, _ in dataset.fixed_places(train, 12, 2000)]
    assert Counter(names) == {"a": 5, "b": 2, "c": 5}  # b has no more


# --- noise floor ---------------------------------------------------------------------------------


def test_a_noise_floor_is_that_of_a_pair_made_from_a_target_with_noise(train):
    """Interpolation is linear: what `floors` adds to x is what the preparation makes of the noise that it adds to y."""
    train.utterances = [dataclasses.replace(u, lossy=True) for u in train.utterances]
    crops = Crops(train, 2, 8000, seed=1, floor_db=-40.0)
    x_floor, y_floor = crops.floors(3)
    plain, floored = Crops(train, 2, 8000, seed=1).batch(3), crops.batch(3)
    for side, floor, with_floor in zip(plain, (x_floor, y_floor), floored, strict=True):
        np.testing.assert_array_equal(side + floor, with_floor)
    again = resampling.round_trip(y_floor[0, 0], resampling.shipped_filter("kaiser_fast"))
    inner = slice(200, -200)  # the filters reach beyond the ends of the crop
    np.testing.assert_allclose(x_floor[0, 0][inner], again[inner], atol=1e-6)
    assert signals.db(signals.rms(y_floor)) == pytest.approx(-40, abs=0.3)  # 16,000 samples: 0.05 dB by chance
    assert not np.array_equal(crops.floors(3)[1][0], crops.floors(4)[1][0])


def test_lossless_recordings_get_no_floor(train):
    train.utterances = [dataclasses.replace(u, lossy=i > 0) for i, u in enumerate(train.utterances)]
    crops = Crops(train, 16, 4000, seed=0, floor_db=-60.0)
    for (i, _), y in zip(crops.places(0), crops.floors(0)[1], strict=True):
        assert y.any() == (i > 0)


# --- corpora that combine ------------------------------------------------------------------------


@pytest.fixture
def two(home, tmp_path, monkeypatch):
    """Two prepared corpora of other speakers, and the name of both together."""
    names = []
    for part, speakers in (("first", ("ann", "ben", "cat")), ("second", ("dan", "eve", "gus"))):
        for speaker in speakers:
            write_speaker(tmp_path / part, speaker, 2, seconds=1.6)
        corpus = corpora.open_corpus(str(tmp_path / part))
        preparation.prepare(corpus, workers=1, progress=False)
        names.append(corpus.name)
    return names


def test_corpora_combine(two):
    both = corpora.open_corpus("+".join(two))
    assert preparation.make_ready(both, progress=False) == paths.prepared("")
    assert preparation.prepare(both, progress=False) == paths.prepared("")
    assert {r.speaker for r in corpora.list_recordings(both)} == {"ann", "ben", "cat", "dan", "eve", "gus"}
    assert both.name == "+".join(two) and [p.name for p in both.parts] == two
    about, parts = dataset.summary(both.name), [dataset.summary(n) for n in two]
    for split in corpora.SPLITS:
        together = PairedSplit(both.name, split)
        alone = [PairedSplit(n, split) for n in two]
        assert [u.name for u in together.utterances] == [u.name for s in alone for u in s.utterances]
        read = [s.read(i) for s in alone for i in range(len(s))]
        for i, wanted in enumerate(read):
            assert all(np.array_equal(a, b) for a, b in zip(together.read(i), wanted, strict=True))
        assert about["utterances"][split] == len(together) == sum(p["utterances"][split] for p in parts)
        assert about["speakers"][split] == sorted(s for p in parts for s in p["speakers"][split])
    assert about["parts"] == parts and about["content_sha256"] not in {p["content_sha256"] for p in parts}
    crops = Crops(PairedSplit(both.name, "train"), 8, 4000, seed=0)
    assert {crops.split.utterances[i].part for step in range(5) for i, _ in crops.places(step)} == {0, 1}


def test_recordings_of_a_corpus_that_passed_a_codec_are_lossy(two, monkeypatch):
    entries = corpora.entries()
    monkeypatch.setattr(corpora, "entries", lambda: entries | {two[1]: {"lossy": "MP3, converted to WAV"}})
    together = PairedSplit("+".join(two), "train")
    assert {u.part: u.lossy for u in together.utterances} == {0: False, 1: True}
    assert dataset.label("ravdess+alnum+tuxpaint") == "ravdess+alnum (lossy)+tuxpaint (lossy)"


def test_a_part_that_is_not_prepared_is_named(two):
    with pytest.raises(NotPrepared, match=r"'vctk' is not prepared on this machine\. Run .* --corpus vctk --only 07"):
        dataset.summary(f"{two[0]}+vctk")
    with pytest.raises(NotPrepared, match=r"used only beside others: \./run_all\.sh --corpus ravdess\+czech-ph --only 07"):
        dataset.summary(f"{two[0]}+czech-ph")


def test_parts_must_not_share_a_speaker_or_a_recording(two, tmp_path, home):
    for speaker in ("ann", "gil", "kim"):
        write_speaker(tmp_path / "third", speaker, 3, seconds=1.6)
    third = corpora.open_corpus(str(tmp_path / "third"))
    both = corpora.open_corpus(f"{two[0]}+{tmp_path / 'third'}")
    with pytest.raises(CorpusError, match=rf"the speaker 'ann' is in {two[0]} and in {third.name}: .*Leave one part out"):
        preparation.make_ready(both, progress=False)
    (tmp_path / "third" / "ann").rename(tmp_path / "third" / "ida")
    shutil.copy(tmp_path / "first" / "ben" / "ben_0.wav", tmp_path / "third" / "gil" / "mine.wav")
    both = corpora.open_corpus(f"{two[0]}+{tmp_path / 'third'}")
    with pytest.raises(CorpusError, match=r"gil/mine\.wav of .* is the same recording as ben/ben_0\.wav of"):
        preparation.make_ready(both, progress=False)
