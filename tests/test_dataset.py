"""Prepared pairs and the crops of a training step: even starts, whole epochs, batches that depend on (seed, step) alone."""

from collections import Counter

import numpy as np
import pytest
import scipy.signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiosr_lib.base import paths
from audiosr_lib.data import corpora, dataset
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
    with pytest.raises(NotPrepared, match=r"'klettres' is not prepared .*used only for testing, in notebook 11: \./run_all\.sh --only 11"):
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


# --- crops ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5])
def test_every_utterance_once_an_epoch(train, monkeypatch, batch_size):
    crops = Crops(train, batch_size, 2000, seed=3)
    seen = []
    read = PairedSplit.read
    monkeypatch.setattr(PairedSplit, "read", lambda self, i, start=0, length=None: seen.append(i) or read(self, i, start, length))
    for step in range(4 * len(train)):
        crops.batch(step)
    epochs = [seen[k : k + len(train)] for k in range(0, len(seen), len(train))]
    assert all(sorted(e) == list(range(len(train))) for e in epochs)
    assert len({tuple(e) for e in epochs}) > 1  # each in an order of its own


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
    assert crops.too_short == 1 and 0 not in {crops._utterance(d) for d in range(50)}


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
