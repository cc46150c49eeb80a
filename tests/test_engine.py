"""The switches that make training fast change nothing that is learned; several processes compute what one does."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from helpers import poison

from audiosr_lib import engine, logbook, paths, profiles, training
from audiosr_lib.dataset import Crops, PairedSplit
from audiosr_lib.losses import LOSS_NAMES
from audiosr_lib.training import TrainingConfig

SMALL = dict(steps=4, crop_seconds=0.1, batch_size=2, validate_every=2, validation_crops=3, checkpoint_every=2)


@pytest.fixture
def config(prepared):
    return TrainingConfig.of(dataclasses.replace(profiles.get("smoke"), **SMALL), prepared.name, seed=3)


def losses_of(config, directory):
    training.train(config, directory)
    return np.array([[r[n] for n in (*LOSS_NAMES, "grad_norm")] for r in logbook.read_log(directory / "train.csv")])


# Each switch against the plain loop: relative tolerance of the first step's losses and gradient norm, and of the losses of all four, and
# why. Adam's first updates have the gradient's sign and hardly its size, so rounding decides the way of weights with a tiny
# gradient: what differs by rounding in one step differs by more after four.
SWITCHES = {
    "resident": ({"resident": True}, 0.0, 0.0),  # the same numbers
    "read_every": ({"read_every": 3}, 0.0, 0.0),  # the same numbers, read later
    "fused": ({"fused": True}, 1e-6, 0.01),  # another order of rounding in the update
    "compiled": ({"compiled": "aot_eager"}, 1e-4, 0.01),  # another order of rounding in the gradient
    "autocast": ({"autocast": "bfloat16"}, 0.1, 0.1),  # two to three decimal digits in the network
}


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_follows_the_plain_loop(config, tmp_path, name):
    switched, first_step, four_steps = SWITCHES[name]
    assert config.plain and not any([config.resident, config.fused, config.compiled])
    plain = losses_of(config, tmp_path / "plain")
    other = losses_of(dataclasses.replace(config, **switched), tmp_path / "other")
    np.testing.assert_allclose(other[0], plain[0], rtol=first_step)
    np.testing.assert_allclose(other[:, :-1], plain[:, :-1], rtol=four_steps)
    assert (name in ("resident", "read_every")) == np.array_equal(other, plain)  # the switch does something


def test_all_switches_together_and_cut_to_pieces(config, tmp_path):
    """To the bit on the CPU, also where the cut lies between two readings."""
    fast = dataclasses.replace(config, resident=True, read_every=3, fused=True)
    whole = losses_of(fast, tmp_path / "whole")
    training.train(fast, tmp_path / "pieces", stop_after=1)
    np.testing.assert_array_equal(losses_of(fast, tmp_path / "pieces"), whole)
    a, b = (torch.load(tmp_path / d / "last.pt", weights_only=True)["model"] for d in ("whole", "pieces"))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_on_a_gpu_every_switch_is_on(prepared, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not including_emulation)
    config = TrainingConfig.of(profiles.get("quick"), prepared.name, 0, "cuda")
    assert (config.resident, config.autocast, config.fused, config.compiled, config.read_every) == (True, "bfloat16", True, "inductor", 25)
    assert TrainingConfig.of(profiles.get("smoke"), prepared.name, 0, "cuda").compiled == ""


def test_a_training_goes_on_with_other_switches(config, tmp_path):
    """As on another device; anything else that is changed begins a new one."""
    training.train(config, tmp_path / "run", stop_after=2)
    assert training.train(dataclasses.replace(config, fused=True, read_every=2), tmp_path / "run").ran_steps == 2
    assert training.train(dataclasses.replace(config, clip_norm=9.0), tmp_path / "run").ran_steps == 4
    assert set(training.SWITCHES) == {f.name for f in dataclasses.fields(TrainingConfig) if f.default is not dataclasses.MISSING}


def test_too_little_memory_is_explained():
    assert "--device cpu" in training.explained(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"))
    assert training.explained(ValueError("this")) == "this"


def test_resident_batches_are_the_hosts(config, monkeypatch):
    monkeypatch.setattr(engine, "BLOCK", 1000)  # copied in pieces
    crops = Crops(PairedSplit(config.corpus, "train"), 3, 4410, seed=1)
    resident, host = engine.ResidentBatches(crops, "cpu"), engine.HostBatches(crops, "cpu")
    for step in range(5):
        for ours, theirs in zip(resident(step), host(step), strict=True):
            assert ours.shape == (3, 1, 4410) and torch.equal(ours, theirs)
    assert isinstance(engine.batches(crops, "cpu", resident=True), engine.ResidentBatches)
    assert isinstance(engine.batches(crops, "cpu", resident=False), engine.HostBatches)


def test_a_step_that_is_not_finite_is_told_when_it_is_read(config, tmp_path, monkeypatch):
    poison(monkeypatch, 2)
    with pytest.raises(training.TrainingDiverged, match="not a number at step 3"):
        training.train(dataclasses.replace(config, read_every=10), tmp_path / "run")
    kept = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert kept["state"]["step"] == 2 and all(torch.isfinite(v).all() for v in kept["model"].values())


def test_minutes_end_a_piece(config, tmp_path):
    piece = training.train(config, tmp_path / "run", minutes=1e-6)
    assert piece.ran_steps == 1 and not (tmp_path / "run" / "finished.json").exists()
    assert training.train(config, tmp_path / "run").step == 4 and (tmp_path / "run" / "finished.json").exists()


def test_a_checkpoint_comes_in_time(config, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)

    def crash(step, values):
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(dataclasses.replace(config, checkpoint_every=100), tmp_path / "run", on_step=crash)
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["state"]["step"] == 3


# --- several processes --------------------------------------------------------------------------------

WORKER = """
import dataclasses, sys
from pathlib import Path
from audiosr_lib import parallel, profiles, training
torch_threads = __import__("torch").set_num_threads(1)
parallel.join("cpu")
profile = dataclasses.replace(profiles.get("smoke"), **{small})
config = training.TrainingConfig.of(profile, {corpus!r}, seed=3)
training.train(config, Path(sys.argv[1]))
import torch
from audiosr_lib.losses import Objective
rank, world = parallel.share()
model = parallel.joined(parallel.synchronised(training.new_model(3).double()))
objective = Objective(across=parallel.total).double()
y = torch.randn(2, 1, 8820, dtype=torch.float64, generator=torch.Generator().manual_seed(0))[rank : rank + 1]
terms = objective(model(0.9 * y), y)
terms.loss.backward()
loss = parallel.mean(terms.loss)
assert parallel.agreed(3, "cpu") and not parallel.agreed(rank, "cpu")
if rank == 0:
    gradients = {{k: p.grad for k, p in model.module.named_parameters()}}
    torch.save({{"loss": loss, "gradients": gradients, "buffers": dict(model.module.named_buffers())}}, sys.argv[2])
parallel.leave()
"""


def test_two_processes_compute_what_one_does(prepared, config, tmp_path):
    """Gloo, two parts of one crop each, against one process with both: losses, gradient norms and weights; then a resumed piece."""
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER.format(small=SMALL, corpus=prepared.name))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--rdzv-backend", "c10d",
               "--rdzv-endpoint", "localhost:0", str(worker), str(tmp_path / "two"), str(tmp_path / "exact.pt")]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(paths.REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    one = losses_of(config, tmp_path / "one")
    rows = logbook.read_log(tmp_path / "two" / "train.csv")
    assert [r["step"] for r in rows] == [1, 2, 3, 4]
    two = np.array([[r[n] for n in (*LOSS_NAMES, "grad_norm")] for r in rows])
    np.testing.assert_allclose(two[0], one[0], rtol=1e-3)  # in single precision; Adam makes more of the difference in the steps after
    np.testing.assert_allclose(two[:, :-1], one[:, :-1], rtol=0.01)
    a, b = (torch.load(tmp_path / d / "last.pt", weights_only=True) for d in ("one", "two"))
    assert a["model"].keys() == b["model"].keys()
    validation = [[r["loss"] for r in logbook.read_log(tmp_path / d / "validation.csv")] for d in ("one", "two")]
    np.testing.assert_allclose(*validation, rtol=0.01)
    assert (tmp_path / "two" / "finished.json").exists()

    model, exact = training.new_model(3).double(), torch.load(tmp_path / "exact.pt")  # in double precision: to rounding
    y = torch.randn(2, 1, 8820, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    loss = training.Objective().double()(model(0.9 * y), y).loss
    loss.backward()
    torch.testing.assert_close(exact["loss"], loss.detach(), rtol=1e-10, atol=0)
    for name, p in model.named_parameters():
        torch.testing.assert_close(exact["gradients"][name], p.grad, rtol=1e-6, atol=1e-9 * p.grad.abs().max().item() + 1e-10)
    for name, value in model.named_buffers():
        torch.testing.assert_close(exact["buffers"][name], value, rtol=1e-9, atol=1e-12)


def test_parts_of_a_batch_make_the_batch(config):
    split = PairedSplit(config.corpus, "train")
    whole = Crops(split, 6, 4410, seed=1)
    for step in (0, 4):
        shares = [Crops(split, 6, 4410, 1, (r, 3)).batch(step) for r in range(3)]
        for side in (0, 1):
            np.testing.assert_array_equal(np.concatenate([s[side] for s in shares]), whole.batch(step)[side])
    with pytest.raises(ValueError, match="no 4 equal parts"):
        Crops(split, 6, 4410, 1, (0, 4))


# --- killed ---------------------------------------------------------------------------------------------

KILLED = """
import dataclasses, sys
from pathlib import Path
from audiosr_lib import profiles, training
profile = dataclasses.replace(profiles.get("smoke"), **{small})
config = training.TrainingConfig.of(profile, {corpus!r}, seed=3)
training.train(config, Path(sys.argv[1]), on_step=lambda step, _: print(step, flush=True))
"""


def test_killed_ten_times_at_random_it_ends_with_the_same_weights(prepared, tmp_path):
    small = SMALL | {"steps": 40, "crop_seconds": 0.05, "checkpoint_every": 1, "validate_every": 5}
    script = tmp_path / "script.py"
    script.write_text(KILLED.format(small=small, corpus=prepared.name))
    command = [sys.executable, str(script)]
    environment = os.environ | {"PYTHONPATH": str(paths.REPOSITORY)}
    chance, kills = random.Random(0), 0
    for _ in range(10):
        with subprocess.Popen([*command, str(tmp_path / "cut")], stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout.readline().strip(), "it made no step"
            time.sleep(chance.uniform(0.0, 0.25))  # in a step, in a validation, in the writing of a checkpoint
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
    assert kills == 10, "it was finished before it was killed ten times"
    for name in ("cut", "whole"):
        subprocess.run([*command, str(tmp_path / name)], stdout=subprocess.DEVNULL, env=environment, check=True)
    a, b = (torch.load(tmp_path / d / "last.pt", weights_only=True)["model"] for d in ("cut", "whole"))
    assert all(torch.equal(a[k], b[k]) for k in a)
    logs = [
        [{k: v for k, v in r.items() if k != "seconds"} for r in logbook.read_log(tmp_path / d / "train.csv")] for d in ("cut", "whole")
    ]
    assert logs[0] == logs[1] and len(logs[0]) == 40
