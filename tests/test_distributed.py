"""Several processes of one training, and one process that is killed again and again."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from helpers import SMALL_TRAINING

from audiosr_lib.base import paths
from audiosr_lib.losses import LOSS_NAMES, Objective
from audiosr_lib.training import distributed, log, loop

WORKER = """
import dataclasses, sys
from pathlib import Path
import torch
from audiosr_lib.base import profiles
from audiosr_lib.losses import Objective
from audiosr_lib.training import distributed, loop
from audiosr_lib.training.config import TrainingConfig
torch.set_num_threads(1)
rank, world = distributed.join("cpu")
assert world == 2
profile = dataclasses.replace(profiles.get("smoke"), **{small})
loop.train(TrainingConfig.of(profile, {corpus!r}, seed=3), Path(sys.argv[1]))

y = torch.randn(2, 1, 8820, dtype=torch.float64, generator=torch.Generator().manual_seed(0))[rank : rank + 1]
model = distributed.data_parallel(loop.new_model(3).double())
terms = Objective().double()(model(0.9 * y), y)
terms.loss.backward()
mean = distributed.all_reduce_mean(terms.loss.detach().clone())
first = distributed.broadcast_from_rank0(rank + 5, "cpu")
torch.save({{"gradients": [p.grad for p in model.parameters()], "mean": mean, "first": first}}, sys.argv[2] + str(rank))
distributed.leave()
"""


def test_two_processes_average_their_gradients(prepared, small_training, tmp_path):
    """Gloo, one crop each. In double precision the gradient is the mean of the gradients that one process finds for each crop."""
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER.format(small=SMALL_TRAINING, corpus=prepared.name))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--rdzv-backend", "c10d",
               "--rdzv-endpoint", "localhost:0", str(worker), str(tmp_path / "trained"), str(tmp_path / "step")]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(paths.REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]

    y = torch.randn(2, 1, 8820, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    losses, gradients = [], []
    for crop in (y[:1], y[1:]):
        model = loop.new_model(3).double()
        loss = Objective().double()(model(0.9 * crop), crop).loss
        loss.backward()
        losses.append(loss.detach())
        gradients.append([p.grad for p in model.parameters()])
    for rank in (0, 1):
        made = torch.load(tmp_path / f"step{rank}")
        torch.testing.assert_close(made["mean"], torch.stack(losses).mean(), rtol=1e-10, atol=0)
        assert made["first"] == 5
        for ours, one, other in zip(made["gradients"], *gradients, strict=True):
            expected = (one + other) / 2
            torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-9 * expected.abs().max().item() + 1e-12)

    rows = log.read_log(tmp_path / "trained" / "train.csv")  # written once, by rank 0
    assert [r["step"] for r in rows] == [1, 2, 3, 4] and (tmp_path / "trained" / "finished.json").exists()
    assert all(0 < r[n] < float("inf") for r in rows for n in (*LOSS_NAMES, "grad_norm"))
    assert [r["step"] for r in log.read_log(tmp_path / "trained" / "validation.csv")] == [0, 2, 4]
    assert loop.train(small_training, tmp_path / "trained").ran_steps == 0  # one process finds the same training finished


def test_one_process_needs_no_group():
    assert distributed.rank_and_world() == (0, 1) and distributed.join("cpu") == (0, 1)
    assert distributed.broadcast_from_rank0(2.5, "cpu") == 2.5
    model = loop.new_model(0)
    assert distributed.data_parallel(model) is model
    distributed.barrier()
    distributed.leave()


def test_processes_with_different_checkpoints_stop(small_training, tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "broadcast_from_rank0", lambda value, device: 2)
    with pytest.raises(loop.ApartError, match="share the project's folder"):
        loop.train(small_training, tmp_path / "run")


# --- killed ---------------------------------------------------------------------------------------

KILLED = """
import dataclasses, sys
from pathlib import Path
from audiosr_lib.base import profiles
from audiosr_lib.training import loop
from audiosr_lib.training.config import TrainingConfig
profile = dataclasses.replace(profiles.get("smoke"), **{small})
config = TrainingConfig.of(profile, {corpus!r}, seed=3)
loop.train(config, Path(sys.argv[1]), on_step=lambda step, _: print(step, flush=True))
"""


def test_killed_ten_times_at_random_it_ends_with_the_same_weights(prepared, tmp_path):
    small = SMALL_TRAINING | {"steps": 40, "crop_seconds": 0.05, "checkpoint_every": 1, "validate_every": 5}
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
    logs = [[{k: v for k, v in r.items() if k != "seconds"} for r in log.read_log(tmp_path / d / "train.csv")] for d in ("cut", "whole")]
    assert logs[0] == logs[1] and len(logs[0]) == 40
