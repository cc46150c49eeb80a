"""Batches from the memory of the device are those of the memory map; the switches for speed change nothing but rounding."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from audiosr_lib.base import profiles
from audiosr_lib.base.errors import StudyError
from audiosr_lib.data.dataset import Crops, PairedSplit
from audiosr_lib.losses import LOSS_NAMES, Objective
from audiosr_lib.training import batches, config, log, loop
from audiosr_lib.training.config import TrainingConfig


def losses_of(run, directory):
    loop.train(run, directory)
    return np.array([[r[n] for n in (*LOSS_NAMES, "grad_norm")] for r in log.read_log(directory / "train.csv")])


# --- batches -------------------------------------------------------------------------------------


def test_batches_on_the_device_are_those_of_the_host(small_training, monkeypatch):
    monkeypatch.setattr(batches, "BLOCK", 1000)  # copied in pieces
    crops = Crops(PairedSplit(small_training.corpus, "train"), 3, 4410, seed=1)
    there, host = batches.DeviceBatches(crops, "cpu"), batches.HostBatches(crops, "cpu")
    for step in range(5):
        for ours, theirs in zip(there(step), host(step), strict=True):
            assert ours.shape == (3, 1, 4410) and torch.equal(ours, theirs)
    assert isinstance(batches.make_batches(crops, "cpu", data_on_device=True), batches.DeviceBatches)
    assert isinstance(batches.make_batches(crops, "cpu", data_on_device=False), batches.HostBatches)


def test_parts_of_a_batch_make_the_batch(small_training):
    split = PairedSplit(small_training.corpus, "train")
    whole = Crops(split, 6, 4410, seed=1)
    for step in (0, 4):
        shares = [Crops(split, 6, 4410, 1, (r, 3)).batch(step) for r in range(3)]
        for side in (0, 1):
            np.testing.assert_array_equal(np.concatenate([s[side] for s in shares]), whole.batch(step)[side])
    with pytest.raises(ValueError, match="cannot be split equally among 4 processes"):
        Crops(split, 6, 4410, 1, (0, 4))


def test_a_noise_floor_is_the_same_on_the_device(small_training):
    split = PairedSplit(small_training.corpus, "train")
    split.utterances = [dataclasses.replace(u, lossy=i % 2 == 0) for i, u in enumerate(split.utterances)]
    crops = Crops(split, 4, 4410, seed=1, floor_db=-50.0)
    for ours, theirs in zip(batches.DeviceBatches(crops, "cpu")(2), batches.HostBatches(crops, "cpu")(2), strict=True):
        assert torch.equal(ours, theirs)


def test_parts_of_a_corpus_lie_one_after_the_other_on_the_device(small_training):
    """A split of two parts; the second is the first once more, so its utterances are read from where it begins."""
    split = PairedSplit(small_training.corpus, "train")
    split._codes *= 2
    split.utterances = [dataclasses.replace(u, part=1, speaker=u.speaker + "2") for u in split.utterances]
    crops = Crops(split, 3, 4410, seed=1)
    gathered = batches.DeviceBatches(crops, "cpu")
    gathered.codes[:, : gathered.bases[1]] = 0  # nothing is taken from the first part
    for ours, theirs in zip(gathered(0), batches.HostBatches(crops, "cpu")(0), strict=True):
        assert torch.equal(ours, theirs) and ours.any()


def test_masks_and_floors_reach_the_losses(small_training, tmp_path, monkeypatch):
    """The steps of a training with edges and lossy recordings, against steps that are written out."""
    split_of = loop.PairedSplit

    def lossy(corpus, name):
        split = split_of(corpus, name)
        split.utterances = [dataclasses.replace(u, lossy=True, edge_hz=12_000.0) for u in split.utterances]
        return split

    monkeypatch.setattr(loop, "PairedSplit", lossy)
    run = dataclasses.replace(small_training, masked=True, floor_db=-40.0, steps=2)
    got = losses_of(run, tmp_path / "run")
    model, objective = loop.new_model(run.seed).train(), Objective(run.mse_weight)
    optimizer = torch.optim.Adam(model.parameters(), lr=run.learning_rate, weight_decay=run.weight_decay)
    crops = Crops(lossy(run.corpus, "train"), run.batch_size, run.crop_length, run.seed)
    for step in range(2):
        sides = (torch.from_numpy(side) for side in crops.batch(step))
        crops.floor_db = -40.0
        x, y = (side + torch.from_numpy(floor) for side, floor in zip(sides, crops.floors(step), strict=True))
        crops.floor_db = None
        terms = objective(model(x), y, torch.full((run.batch_size,), 12_000.0))
        assert got[step, 0] == pytest.approx(terms.loss.item(), rel=1e-5)
        optimizer.zero_grad()
        terms.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), run.clip_norm)
        optimizer.step()
    plain = losses_of(dataclasses.replace(run, masked=False), tmp_path / "plain")
    assert abs(plain[0, 0] - got[0, 0]) > 1e-3
    validation = log.read_log(tmp_path / "run" / "validation.csv")
    assert abs(validation[0]["loss"] - log.read_log(tmp_path / "plain" / "validation.csv")[0]["loss"]) > 1e-3


# --- switches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("switched", [{"data_on_device": True}, {"log_every": 3}], ids=lambda s: next(iter(s)))
def test_where_data_lies_and_when_losses_are_read_changes_no_bit(small_training, tmp_path, switched):
    plain = losses_of(small_training, tmp_path / "plain")
    np.testing.assert_array_equal(losses_of(dataclasses.replace(small_training, **switched), tmp_path / "other"), plain)


def steps_of(count: int, *, fused: bool = False, compiled: str = "") -> tuple[np.ndarray, list]:
    """Losses and gradient norm of each step, and the weights after the last one."""
    model = loop.new_model(3).double().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-5, fused=fused or None)
    stepped = torch.compile(model, backend=compiled) if compiled else model
    y = torch.randn(2, 1, 4410, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    objective = Objective().double()
    rows = [loop.train_step(stepped, objective, optimizer, 0.9 * y, y, 10.0) for _ in range(count)]
    return torch.stack(rows).numpy(), [copy.deepcopy(p.detach()) for p in model.parameters()]


@pytest.mark.parametrize("switched", [{"fused": True}, {"compiled": "aot_eager"}], ids=lambda s: next(iter(s)))
def test_fused_and_compiled_steps_compute_the_same(switched):
    """In double precision: another order of rounding, 1e-16, grows to at most 1e-9 in three steps of Adam."""
    (plain, weights), (other, others) = steps_of(3), steps_of(3, **switched)
    np.testing.assert_allclose(other, plain, rtol=1e-7)
    for a, b in zip(weights, others, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)  # a tenth of one step of Adam


def test_switches_together_and_cut_to_pieces(small_training, tmp_path):
    """To the bit on the CPU, also where the cut lies between two readings."""
    fast = dataclasses.replace(small_training, data_on_device=True, log_every=3, fused=True)
    whole = losses_of(fast, tmp_path / "whole")
    loop.train(fast, tmp_path / "pieces", stop_after=1)
    np.testing.assert_array_equal(losses_of(fast, tmp_path / "pieces"), whole)
    a, b = (torch.load(tmp_path / d / "last.pt", weights_only=True)["model"] for d in ("whole", "pieces"))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_on_a_gpu_every_switch_is_on(prepared):
    """The log is written every 25 steps, and at each validation if these are closer."""
    for name, log_every in (("coursework", 25), ("quick", profiles.get("quick").validate_every)):
        made = TrainingConfig.of(profiles.get(name), prepared.name, 0, "cuda")
        assert (made.data_on_device, made.fused, made.compiled, made.log_every) == (True, True, "inductor", log_every)
    assert TrainingConfig.of(profiles.get("smoke"), prepared.name, 0, "cuda").compiled == ""


def test_a_training_goes_on_with_other_switches(small_training, tmp_path):
    """As on another device; anything else that is changed makes another training, with a folder of its own."""
    loop.train(small_training, tmp_path / "run", stop_after=2)
    assert loop.train(dataclasses.replace(small_training, fused=True, log_every=2), tmp_path / "run").ran_steps == 2
    with pytest.raises(StudyError, match="holds a training of another config"):
        loop.train(dataclasses.replace(small_training, clip_norm=9.0), tmp_path / "run")
    with_default = {f.name for f in dataclasses.fields(TrainingConfig) if f.default is not dataclasses.MISSING}
    assert {*config.SWITCHES, *config.ADDED, "version", "masked", "floor_db"} == with_default
