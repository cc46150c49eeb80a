"""The card of a published network holds what its record and its training say, and the published file is that network."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from helpers import SMALL_TRAINING

from audiosr_lib import metrics, resampling
from audiosr_lib.base import checkpoints, files, paths, profiles
from audiosr_lib.base.errors import StudyError
from audiosr_lib.data import dataset
from audiosr_lib.inference import systems, weights
from audiosr_lib.losses import LOSS_NAMES
from audiosr_lib.study import card
from audiosr_lib.training import checkpoint, log, loop
from audiosr_lib.training.config import TrainingConfig
from audiosr_lib.unet import count_parameters


def small_record(folder, corpus):
    """The files of a record that a card is made from."""
    about = dataset.summary(corpus)
    files.write_json(
        folder / "manifest.json",
        {
            "corpus": {k: v for k, v in about.items() if isinstance(v, str)} | {"hours": {"train": 0.25}},
            "seed": 3, "parameters": {"device": "cpu"}, "device": {"cpu": "A processor"}, "finished": "2030-01-02T03:04:05Z",
        },
    )  # fmt: skip
    rows = [
        {"test_set": name, "speakers": 4, "utterances": 8, "measure": measure, "system": system,
         "mean": mean, "low_speakers": mean - 1, "high_speakers": mean + 1}
        for name, lsd in (("voices+others (lossy)", 1.5), ("voices", 1.25), ("others (lossy)", 1.75))
        for measure, system, mean in (("lsd_log10", "unet", lsd), ("lsd_log10", "kaiser_fast", 3.0),
                                      ("snr_db", "unet", 21.5), ("snr_db", "kaiser_fast", 24.5))
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "table-2-sets.csv", index=False)
    levels = [{"test_set": t, "system": s, "level_11_db": -2.5} for t in ("voices", "others (lossy)") for s in ("noise", "unet")]
    pd.DataFrame(levels).to_csv(folder / "table-artefacts.csv", index=False)
    pd.DataFrame([dict(zip(LOSS_NAMES, (0.9, 0.0001, 0.05, 0.84), strict=True))]).to_csv(folder / "data-validation-kaiser.csv", index=False)
    stages = [{"test_set": "voices", "step": k, "seconds": 2.0 * k, "lsd_log10": 1.0 / (1 + k)} for k in (0, 2, 4)]
    pd.DataFrame(stages).to_csv(folder / "data-by-time.csv", index=False)


@pytest.fixture
def trained(prepared, monkeypatch, tmp_path):
    """A finished training of the profile "overnight", shrunk, its record, and another folder for published weights."""
    small = dataclasses.replace(profiles.get("overnight"), **SMALL_TRAINING, corpus=prepared.name)
    monkeypatch.setitem(profiles.PROFILES, "overnight", small)
    monkeypatch.setattr(paths, "weights", lambda: tmp_path / "weights")
    config = TrainingConfig.of(small, prepared.name, seed=3)
    result = loop.train(config, checkpoint.directory_of(config, "overnight"), commit="abc")
    small_record(paths.figures("overnight"), prepared.name)
    return result


def test_the_published_network_and_its_card(trained, prepared):
    assert card.main(["--note", "It was cold."]) == 0
    file = weights.published()["unet"]
    about = weights.card("unet")
    saved = checkpoints.read(trained.best)
    assert about["sha256"] == files.sha256_of(file) and about["bytes"] == file.stat().st_size
    assert about["config"] == saved["config"] and about["commit"] == "abc" and about["steps"] == trained.step == 4
    assert about["best_step"] == trained.best_step and about["parameters"] == 17_850_593
    assert about["validation"]["network"]["loss"] == pytest.approx(saved["state"]["best_loss"], rel=1e-6)
    assert about["validation"]["kaiser_fast"] == dict(zip(LOSS_NAMES, (0.9, 0.0001, 0.05, 0.84), strict=True))
    assert [c["corpus"] for c in about["corpora"]] == [prepared.name]
    here, other = about["test_sets"]
    assert (here["test_set"], here["lsd_log10"], here["lsd_log10_kaiser_fast"], here["level_11_db"]) == ("voices", 1.25, 3.0, -2.5)
    assert other["lsd_log10"] == 1.75 and other["lsd_log10_speakers"] == [0.75, 2.75] and other["snr_db_kaiser_fast"] == 24.5
    half = about["half_precision"]
    assert half["utterances"] == len(dataset.PairedSplit(prepared.name, "test").by_speaker())
    assert 0 < half["largest_difference_lsd_log10"] < 0.01 and half["largest_difference_snr_db"] < 0.01
    systems.load_model(file)
    text = file.with_suffix(".md").read_text(encoding="utf-8")
    assert "commit `abc`. It was cold." in text
    for words in ("17,850,593 parameters", "4 steps of", "| voices", "1.25 (0.25 to 2.25)", "0.25", about["sha256"], "## Licence"):
        assert words in text, words


def test_the_history_is_that_of_the_training(trained):
    card.make("overnight", "unet")
    history, by_time = weights.history("unet")
    validation = pd.DataFrame(log.read_log(trained.directory / "validation.csv"))
    assert list(history.step) == [0, 2, 4] and list(history.loss) == pytest.approx(list(validation.loss), rel=1e-5)
    steps = pd.DataFrame(log.read_log(trained.directory / "train.csv"))
    assert list(history.seconds) == pytest.approx([0, 2 * steps.seconds.diff().median(), 4 * steps.seconds.diff().median()], rel=1e-5)
    means = [steps.loss[:2].mean(), steps.loss[2:].mean()]
    assert history.train_loss.isna()[0] and list(history.train_loss[1:]) == pytest.approx(means, rel=1e-5)
    assert list(by_time.step) == [0, 2, 4] and list(by_time.lsd_log10) == pytest.approx([1, 1 / 3, 1 / 5], rel=1e-5)


def test_the_card_of_a_light_network_is_measured_here(prepared, monkeypatch, tmp_path):
    light = dataclasses.replace(
        profiles.get("overnight").light,
        **{"corpus": prepared.name, "steps": 4, "batch_size": 2, "crop_seconds": 0.1, "validation_crops": 2},
        **{"validate_every": 2, "checkpoint_every": 2, "width": 16, "blocks": 1},
    )
    small = dataclasses.replace(profiles.get("overnight"), corpus=prepared.name, light=light, unseen=())
    monkeypatch.setitem(profiles.PROFILES, "overnight", small)
    monkeypatch.setattr(paths, "weights", lambda: tmp_path / "weights")
    config = TrainingConfig.of(small, prepared.name, seed=0, network="light")
    with pytest.raises(StudyError, match=r"is not finished: first run ./run_all\.sh --network light"):
        card.make("overnight", "light", network="light")
    result = loop.train(config, checkpoint.directory_of(config, "overnight"))
    assert card.main(["--network", "light"]) == 0
    file, about = weights.published()["light"], weights.card("light")
    network = systems.load_model(file)
    assert about["parameters"] == count_parameters(network) and about["steps"] == result.step == 4
    (row,) = about["test_sets"]
    split = dataset.PairedSplit(prepared.name, "test")
    assert (row["speakers"], row["utterances"]) == (len(split.by_speaker()), len(split))
    made = [systems.super_resolve(systems.load_model(result.best), resampling.degrade(split.read(i)[1])) for i in range(len(split))]
    expected = [metrics.evaluate(y_hat, split.read(i)[1])["lsd_log10"] for i, y_hat in enumerate(made)]
    assert row["lsd_log10"] == pytest.approx(np.mean(expected), rel=1e-6)
    text = file.with_suffix(".md").read_text(encoding="utf-8")
    assert text == card.markdown(about) and "AdamW" in text and "The light network, `audiosr_lib.light`" in text
    history, by_time = weights.history("light")
    assert list(history.step) == [0, 2, 4] and list(by_time.step) == [2, 4]


def test_without_a_record_nothing_is_published(trained):
    (paths.figures("overnight") / "manifest.json").unlink()
    with pytest.raises(StudyError, match=r"first run ./run_all\.sh --profile overnight"):
        card.make("overnight", "unet")
    assert weights.published() == {}


@pytest.mark.parametrize(
    ("licences", "strictest"),
    [
        (["MIT", "CC BY-NC-SA 4.0", "GPL-2.0"], "CC BY-NC-SA 4.0"),
        (["MIT", "GPL-2.0", "GPL-2.0", "CC BY 4.0"], "GPL-2.0"),
        (["MIT", "CC BY 4.0"], "MIT and CC BY 4.0"),
    ],
)
def test_the_strictest_terms_are_named(licences, strictest):
    assert card.strictest(licences) == strictest


@pytest.mark.parametrize("name", weights.published())
def test_a_published_network_is_whole_small_and_described(name):
    file = weights.published()[name]
    about = weights.card(name)
    systems.load_model(file)
    assert file.stat().st_size == about["bytes"] < 40e6
    assert file.with_suffix(".md").read_text(encoding="utf-8") == card.markdown(about)
    assert about["half_precision"]["largest_difference_lsd_log10"] < 0.005
    history, by_time = weights.history(name)
    assert history.step.iloc[-1] == about["steps"] and set(by_time.test_set) == {r["test_set"] for r in about["test_sets"]}
