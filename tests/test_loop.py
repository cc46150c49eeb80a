"""The loop: logged, checkpointed, resumed to the bit, stopped with a message; and using what it made."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from helpers import poison

from audiosr_lib import metrics, resampling
from audiosr_lib.base import checkpoints, files, profiles
from audiosr_lib.base.checkpoints import CheckpointError
from audiosr_lib.base.errors import NotPrepared, StudyError, StudyWarning
from audiosr_lib.data import download
from audiosr_lib.inference import systems
from audiosr_lib.losses import LOSS_NAMES, Objective
from audiosr_lib.training import checkpoint, log, loop
from audiosr_lib.training.config import TrainingConfig


@pytest.fixture
def config(prepared):
    profile = dataclasses.replace(
        profiles.get("smoke"), steps=5, crop_seconds=0.1, batch_size=2, validate_every=2, validation_crops=3, checkpoint_every=2
    )
    return TrainingConfig.of(profile, prepared.name, seed=3)


def weights(directory, name="last.pt"):
    return torch.load(directory / name, weights_only=True)


def assert_same(a, b):
    """Equal to the bit, through nested containers."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for k in a:
            assert_same(a[k], b[k])
    elif isinstance(a, list | tuple):
        for p, q in zip(a, b, strict=True):
            assert_same(p, q)
    else:
        assert a == b


def test_resumed_run_is_the_uninterrupted_one_to_the_bit(config, tmp_path):
    whole = loop.train(config, tmp_path / "whole")
    for stop in (1, 2):  # cut at a step with and without a validation behind it
        loop.train(config, tmp_path / "pieces", stop_after=stop)
    pieces = loop.train(config, tmp_path / "pieces")
    assert (whole.step, pieces.step, pieces.ran_steps, whole.best_step) == (5, 5, 2, pieces.best_step)
    a, b = weights(tmp_path / "whole"), weights(tmp_path / "pieces")
    assert_same(a["model"], b["model"])
    assert_same(a["optimizer"], b["optimizer"])
    assert_same(weights(tmp_path / "whole", "best.pt")["model"], weights(tmp_path / "pieces", "best.pt")["model"])
    for name in ("train.csv", "validation.csv"):
        one, two = (log.read_log(tmp_path / d / name) for d in ("whole", "pieces"))
        assert [{k: v for k, v in r.items() if k != "seconds"} for r in one] == [
            {k: v for k, v in r.items() if k != "seconds"} for r in two
        ]


def test_a_training_of_the_light_network_is_resumed_to_the_bit_and_used(prepared, tmp_path):
    """Its learning rate falls by half a cosine, its targets vary, and its checkpoint loads without its config."""
    small = dataclasses.replace(profiles.get("smoke").light, steps=5, crop_seconds=0.1, frames=2)
    config = TrainingConfig.of(dataclasses.replace(profiles.get("smoke"), light=small), prepared.name, seed=3, network="light")
    whole = loop.train(config, tmp_path / "whole")
    loop.train(config, tmp_path / "pieces", stop_after=3)
    pieces = loop.train(config, tmp_path / "pieces")
    assert (whole.step, pieces.step, pieces.ran_steps) == (5, 5, 2)
    a, b = weights(tmp_path / "whole"), weights(tmp_path / "pieces")
    assert_same(a["model"], b["model"])
    (group,) = a["optimizer"]["param_groups"]
    assert (group["lr"], group["weight_decay"]) == (pytest.approx(2e-3 * 5 / 50 * (0.5 + 0.5 * np.cos(0.8 * np.pi))), 1e-2)
    assert [set(row) - {"step", "seconds", "grad_norm"} for row in log.read_log(tmp_path / "whole" / "train.csv")] == [{"loss"}] * 5
    model = systems.load_model(whole.best)
    assert (model.frames, len(model.blocks)) == (2, small.blocks)
    assert_same(model.state_dict(), weights(tmp_path / "whole", "best.pt")["model"])


def test_crash_between_checkpoints_goes_on_from_the_last(config, tmp_path):
    def crash(step, values):
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.train(config, tmp_path / "cut", on_step=crash)
    assert weights(tmp_path / "cut")["state"]["step"] == 2
    resumed = loop.train(config, tmp_path / "cut")
    assert (resumed.ran_steps, resumed.step) == (3, 5)
    assert [r["step"] for r in log.read_log(tmp_path / "cut" / "train.csv")] == [1, 2, 3, 4, 5]
    loop.train(config, tmp_path / "whole")
    assert_same(weights(tmp_path / "whole")["model"], weights(tmp_path / "cut")["model"])


def test_seed_decides(config, tmp_path):
    loop.train(config, tmp_path / "a")
    loop.train(config, tmp_path / "b")
    loop.train(dataclasses.replace(config, seed=4), tmp_path / "c")
    a, b, c = (weights(tmp_path / d)["model"]["final.weight"] for d in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_log_and_checkpoint_hold_what_they_should(config, tmp_path):
    steps = []
    result = loop.train(config, tmp_path / "run", commit="abc", on_step=lambda step, values: steps.append(step))
    assert steps == [1, 2, 3, 4, 5]
    train, validation = (log.read_log(tmp_path / "run" / f"{n}.csv") for n in ("train", "validation"))
    assert [r["step"] for r in train] == steps
    assert [r["step"] for r in validation] == [0, 2, 4, 5]
    for row in train:
        assert row["loss"] == pytest.approx(100 * row["mse_loss"] + row["spectral_convergence"] + row["log_magnitude"], rel=1e-4)
    best = min(validation[1:], key=lambda r: r["loss"])
    assert result.best_step == best["step"]
    saved = weights(tmp_path / "run")
    assert (saved["commit"], saved["seed"], saved["config"]) == ("abc", 3, dataclasses.asdict(config))
    assert saved["state"]["step"] == 5
    (adam,) = saved["optimizer"]["param_groups"]  # section 2.5, as the loop has it and not only the step
    assert (adam["lr"], adam["weight_decay"], tuple(adam["betas"])) == (1e-4, 1e-5, (0.9, 0.999))
    assert not list((tmp_path / "run").glob("*.part"))


def test_tensorboard_has_the_courseworks_tags(config, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loop.train(config, tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {f"{part}/{name}" for part in ("train", "validation") for name in LOSS_NAMES}
    logged = [e.value for e in events.Scalars("train/loss")]
    assert logged == pytest.approx([r["loss"] for r in log.read_log(tmp_path / "run" / "train.csv")], rel=1e-6)


def test_finished_run_is_not_run_again(config, tmp_path, monkeypatch):
    loop.train(config, tmp_path / "run")
    no_space = shutil._ntuple_diskusage(10**9, 10**9 - 5, 5)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: no_space)  # it needs none
    assert loop.train(config, tmp_path / "run").ran_steps == 0
    with pytest.raises(StudyError, match="holds a training of another config"):
        loop.train(dataclasses.replace(config, seed=4), tmp_path / "run")


def test_what_decides_a_training_names_its_folder(config):
    folder = checkpoint.directory_of(config, "smoke")
    assert folder == checkpoint.directory_of(dataclasses.replace(config, fused=True, log_every=9), "smoke")
    others = [dataclasses.replace(config, **{name: value}) for name, value in (("seed", 4), ("steps", 6), ("corpus_sha256", "0"))]
    assert len({folder, *(checkpoint.directory_of(other, "smoke") for other in others)}) == 4


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file):
    """Change one bit in the middle, which PyTorch itself does not notice."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def foreign(file):
    torch.save({"model": {"weight": torch.zeros(3)}}, file)
    file.with_suffix(".json").unlink()


def test_trainings_that_differ_in_their_seed_only_are_found(config, home):
    for seed, change in ((0, {}), (5, {}), (1, {"clip_norm": 9.0}), (3, {})):
        folder = checkpoint.directory_of(dataclasses.replace(config, seed=seed, **change), "quick")
        loop.train(dataclasses.replace(config, seed=seed, **change), folder, stop_after=None if seed != 3 else 1)
    found = checkpoint.seeds(dataclasses.replace(config, seed=0), "quick")
    assert list(found) == [0, 5] and all(f.exists() for f in found.values())  # 1 has another config, 3 is not finished


def test_a_damaged_last_checkpoint_is_replaced_by_the_best(config, tmp_path):
    """The training goes on from there to the same end."""
    config = dataclasses.replace(config, steps=4)
    whole = loop.train(config, tmp_path / "whole")
    loop.train(config, tmp_path / "run", stop_after=3)
    last = tmp_path / "run" / "last.pt"
    for damage in (cut, foreign, flip):
        damage(last)
        with pytest.warns(StudyWarning, match=r"last.pt is .*It is now last.pt.old.*; training goes on from best.pt"):
            checkpoint.claim_directory(config, tmp_path / "run")
        assert checkpoints.read(last)["state"]["step"] == 2
    assert len(list((tmp_path / "run").glob("last.pt.old*"))) == 3
    mended = loop.train(config, tmp_path / "run")
    assert (mended.ran_steps, mended.step, mended.best_step) == (2, 4, whole.best_step)
    assert_same(weights(tmp_path / "whole")["model"], weights(tmp_path / "run")["model"])
    assert len(log.read_log(tmp_path / "run" / "train.csv")) == 4
    (tmp_path / "run" / "last.json").write_text("{}")
    with pytest.warns(StudyWarning, match=r"last.pt has no valid checksum.*training goes on from best.pt"):
        checkpoint.claim_directory(config, tmp_path / "run")


def test_a_damaged_best_checkpoint_is_replaced_by_the_last(config, tmp_path):
    loop.train(config, tmp_path / "run", stop_after=3)
    flip(tmp_path / "run" / "best.pt")
    with pytest.raises(CheckpointError, match=r"best.pt is damaged.*Repeat the run"):
        systems.load_model(tmp_path / "run" / "best.pt")
    with pytest.warns(StudyWarning, match=r"best.pt.*last.pt counts as the best one"):
        mended = loop.train(config, tmp_path / "run", stop_after=1)
    assert mended.step == 4 and (tmp_path / "run" / "best.pt.old").exists()
    systems.load_model(tmp_path / "run" / "best.pt")


def test_a_checkpoint_of_another_training_is_not_taken(config, tmp_path):
    loop.train(config, tmp_path / "run", stop_after=2)
    other = tmp_path / "other"
    other.mkdir()
    for file in (tmp_path / "run").glob("*t.*"):
        shutil.copy(file, other)
    (other / "last.pt.1234.part").touch()  # left by a process that was killed
    with pytest.raises(CheckpointError, match=r"last.pt belongs to another training, and best.pt cannot replace it"):
        loop.train(dataclasses.replace(config, seed=9), other)
    assert (other / "last.pt").exists() and not list(other.glob("*.part"))


def test_a_training_without_a_whole_checkpoint_is_named(config, tmp_path):
    loop.train(config, tmp_path / "trainings" / "run", stop_after=3)
    for name in ("last.pt", "best.pt"):
        cut(tmp_path / "trainings" / "run" / name)
    with pytest.raises(CheckpointError, match=r"last.pt is damaged.*--forget run$"):
        loop.train(config, tmp_path / "trainings" / "run")
    assert (tmp_path / "trainings" / "run" / "last.pt").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", "another network", {"model": 3}, {"weights": 3}])
def test_weights_that_are_not_a_network_of_the_study_are_named(tmp_path, content):
    file = tmp_path / "best.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content == "another network":
        torch.save({"model": {"weight": torch.zeros(3)}, "optimizer": None, "state": {}, "config": {}}, file)
    else:
        torch.save(content, file)
    with pytest.raises(CheckpointError, match=r"best.pt (is|holds)"):
        systems.load_model(file)
    (tmp_path / "net.safetensors").write_bytes(content if isinstance(content, bytes) else b"0" * 100)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        systems.load_model(tmp_path / "net.safetensors")


def test_an_interruption_between_a_checkpoint_and_its_checksum_does_no_harm(tmp_path, monkeypatch):
    """The checksum is written first; then the process may be killed before the checkpoint is renamed."""
    content = {"model": {}, "optimizer": None, "state": {}, "config": {}, "x": torch.zeros(9)}
    checkpoints.write(tmp_path / "a.pt", content, 1)

    def killed(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(tmp_path), "replace", killed)
    monkeypatch.setattr(files, "write_json", lambda target, made: target.write_text(json.dumps(made)))
    with pytest.raises(KeyboardInterrupt):
        checkpoints.write(tmp_path / "a.pt", content | {"x": torch.ones(9)}, 2)
    assert torch.equal(checkpoints.read(tmp_path / "a.pt")["x"], torch.zeros(9))


def test_one_training_at_a_time(config, tmp_path):
    with files.only_one(tmp_path / "run" / "lock", "run"), pytest.raises(files.Busy, match="Another run works in run: process"):
        loop.train(config, tmp_path / "run")


@pytest.mark.parametrize("end", ["7,", "7,1.5", "7,1.5,0.1,2,3,4,5", "7,1,1,1,1,1,1\r\n\x00\x00\x00"])
def test_a_log_that_was_cut_keeps_its_whole_rows(tmp_path, end):
    head = ",".join((*log.FIELDS["train"], *LOSS_NAMES))
    (tmp_path / "train.csv").write_text(f"{head}\r\n6,1,1,1,1,1,1\r\n{end}", newline="")
    assert [row["step"] for row in log.read_log(tmp_path / "train.csv")] == ([6, 7] if "\x00" in end else [6])


@pytest.mark.parametrize("text", ["\n", "steps,x\n1,2\n", "step,seconds,loss,x\n1,2,3,4\n"])
def test_a_log_with_another_header_is_damaged(tmp_path, text):
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(files.DamagedFile, match=r"train.csv is damaged: its first line is not the header of a log"):
        log.read_log(tmp_path / "train.csv")


def test_a_full_disk_is_told_before_the_first_step(config, tmp_path, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 5, 5))
    with pytest.raises(download.DownloadError, match=r"training needs 0.6 GB, but the disk has 0.0 GB free. Free some space"):
        loop.train(config, tmp_path / "run")


def test_a_step_is_section_2_5():
    """Adam at 1e-4 with weight decay 1e-5 on a gradient clipped at 10, the MSE weighing 100: one step, done again by hand in float64."""
    numbers = profiles.get("coursework")
    assert (numbers.learning_rate, numbers.weight_decay, numbers.clip_norm, numbers.mse_weight) == (1e-4, 1e-5, 10.0, 100.0)
    y = torch.randn(1, 1, 4410, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model, by_hand = (loop.new_model(0).double().train() for _ in range(2))
    objective = Objective(numbers.mse_weight).double()
    adam = torch.optim.Adam(model.parameters(), lr=numbers.learning_rate, weight_decay=numbers.weight_decay)
    results = loop.train_step(model, objective, adam, 0.9 * y, y, numbers.clip_norm)

    y_hat = by_hand(0.9 * y)
    convergence, magnitude = objective.stft_loss(y_hat[:, 0], y[:, 0])
    loss = 100 * (y_hat - y).square().mean() + convergence + magnitude
    loss.backward()
    norm = torch.sqrt(sum(p.grad.square().sum() for p in by_hand.parameters()))
    torch.testing.assert_close(results[[0, 4]], torch.stack([loss.detach(), norm]), rtol=1e-12, atol=0)
    for p, moved in zip(by_hand.parameters(), model.parameters(), strict=True):
        g = p.grad * min(1.0, 10.0 / (norm + 1e-6)) + 1e-5 * p.detach()  # L2, not decoupled; at the first step both averages are g and g^2
        torch.testing.assert_close(moved.detach(), p.detach() - 1e-4 * g / (g.abs() + 1e-8), rtol=0, atol=1e-9)


def test_clipping_limits_the_gradient(config):
    model = loop.new_model(0).train()
    x, y = torch.randn(1, 1, 4410), torch.randn(1, 1, 4410)

    class Still(torch.optim.SGD):
        def step(self, closure=None):
            pass

    optimizer = Still(model.parameters(), lr=0.0)
    norm = loop.train_step(model, Objective(1e6), optimizer, x, y, clip_norm=10.0)[-1].item()
    clipped = torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in model.parameters()]).double())
    assert norm > 20
    assert clipped.item() == pytest.approx(10.0, rel=0.01)  # the norm of 17.9 million float32 values is itself summed in float32


def test_nan_stops_with_a_message_and_keeps_the_checkpoint(config, tmp_path, monkeypatch):
    poison(monkeypatch, 3)
    with pytest.raises(loop.TrainingDiverged, match="not a finite number at step 4"):
        loop.train(config, tmp_path / "run")
    kept = weights(tmp_path / "run")
    assert kept["state"]["step"] == 2
    assert all(torch.isfinite(v).all() for v in kept["model"].values())


def test_minutes_end_a_piece(small_training, tmp_path):
    piece = loop.train(small_training, tmp_path / "run", minutes=1e-6)
    assert piece.ran_steps == 1 and not (tmp_path / "run" / "finished.json").exists()
    assert loop.train(small_training, tmp_path / "run").step == 4 and (tmp_path / "run" / "finished.json").exists()


def test_a_checkpoint_comes_in_time(small_training, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)

    def crash(step, values):
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.train(dataclasses.replace(small_training, checkpoint_every=100), tmp_path / "run", on_step=crash)
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["state"]["step"] == 3


def test_a_step_that_is_not_finite_is_told_when_it_is_read(small_training, tmp_path, monkeypatch):
    poison(monkeypatch, 2)
    with pytest.raises(loop.TrainingDiverged, match="not a finite number at step 3"):
        loop.train(dataclasses.replace(small_training, log_every=10), tmp_path / "run")
    kept = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert kept["state"]["step"] == 2 and all(torch.isfinite(v).all() for v in kept["model"].values())


def test_patience_stops_early(config, tmp_path, monkeypatch):
    rising = iter(range(1, 100))
    monkeypatch.setattr(loop, "validate", lambda *a: dict.fromkeys(LOSS_NAMES, float(next(rising))))
    result = loop.train(dataclasses.replace(config, steps=50, validate_every=1, patience=3), tmp_path / "run")
    assert (result.stopped_early, result.best_step, result.step) == (True, 1, 4)
    assert files.read_json(tmp_path / "run" / "finished.json")["stopped_early"]


def test_validation_leaves_the_model_as_it_was(config):
    model = loop.new_model(0).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    x = torch.randn(3, 1, 4410)
    one = loop.validate(model, Objective(), x, x * 0.9, batch_size=2)
    two = loop.validate(model, Objective(), x, x * 0.9, batch_size=3)
    assert model.training
    assert_same(before, dict(model.state_dict()))
    assert one["mse_loss"] == pytest.approx(two["mse_loss"], rel=1e-5)  # a mean over crops, however they are batched


def test_smoothing():
    np.testing.assert_allclose(log.smooth(np.full(20, 3.0)), 3.0)
    np.testing.assert_allclose(log.smooth(np.array([1.0, 5.0]), 0.5), [1.0, (0.25 * 1 + 0.5 * 5) / 0.75])
    np.testing.assert_allclose(log.smooth(np.array([1.0, 5.0]), 0.9), [1.0, (0.9 * 0.1 * 1 + 0.1 * 5) / 0.19])


def test_inference(config, tmp_path, speech):
    result = loop.train(config, tmp_path / "run")
    model = systems.load_model(result.best)
    assert not model.training
    y = speech[:20000].astype(np.float32)
    made = systems.all_systems({"unet": model}, y)
    low = resampling.degrade(y)
    np.testing.assert_array_equal(made["low"], low)
    np.testing.assert_array_equal(made["unet"], systems.super_resolve(model, low))
    assert {k: len(v) for k, v in made.items()} == {"low": 10000, "kaiser_fast": 20000, "kaiser_best": 20000, "unet": 20000}
    assert not np.array_equal(made["kaiser_fast"], made["kaiser_best"])


def test_stored_weights_are_the_network_in_half_precision(config, tmp_path, speech):
    """Read back they give the same measures to a hundredth; the variances of the batch norms, which may be tiny, keep all digits."""
    result, file = loop.train(config, tmp_path / "run"), tmp_path / "unet.safetensors"
    trained = checkpoints.read(result.best)["model"]
    checkpoints.write_weights(file, trained)
    y = speech[:40000].astype(np.float32)
    made = systems.all_systems({"full": systems.load_model(result.best), "half": systems.load_model(file)}, y)
    assert not np.array_equal(made["full"], made["half"])
    one, two = metrics.evaluate(made["full"], y), metrics.evaluate(made["half"], y)
    assert all(abs(one[k] - two[k]) < 0.01 for k in one)
    assert file.stat().st_size < 0.51 * sum(4 * w.numel() for w in trained.values())
    back = checkpoints.read_weights(file)
    assert all(torch.equal(back[k], w) == (w.ndim <= 1) for k, w in trained.items())


def test_snapshots_are_the_weights_of_powers_of_two(config, tmp_path):
    """Also after an interruption; the last of them is the network as it then was."""
    config = dataclasses.replace(config, steps=5, validate_every=1, snapshots=True)
    assert dataclasses.replace(config, snapshots=False).decides() == config.decides()
    loop.train(config, tmp_path / "run", stop_after=3)
    result = loop.train(config, tmp_path / "run")
    found = sorted((tmp_path / "run" / "snapshots").iterdir())
    assert [f.name for f in found] == [f"step-{k:06d}.safetensors" for k in (1, 2, 4)]
    loop.train(dataclasses.replace(config, steps=4), tmp_path / "shorter")
    last = checkpoints.read(tmp_path / "shorter" / "last.pt")["model"]
    kept = checkpoints.read_weights(found[-1])
    assert all(torch.equal(kept[k], w.half().float() if w.ndim > 1 else w) for k, w in last.items())
    loop.train(dataclasses.replace(config, validate_every=2), tmp_path / "uneven")  # validates at 2, 4 and, because it ends there, at 5
    assert [f.stem for f in sorted((tmp_path / "uneven" / "snapshots").iterdir())] == ["step-000002", "step-000004"]
    loop.train(dataclasses.replace(config, snapshots=False), tmp_path / "none")
    assert not (tmp_path / "none" / "snapshots").exists() and result.finished


def test_missing_network_names_the_notebook(tmp_path):
    with pytest.raises(NotPrepared, match="08_unet_training"):
        systems.load_model(tmp_path / "best.pt")
