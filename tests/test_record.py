"""A record is whole, of one run, and checkable; or it is not published."""

import base64
import dataclasses
import io
import re

import helpers
import matplotlib
import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from audiosr_lib.base import files, paths, profiles
from audiosr_lib.data import corpora, fetching, preparation
from audiosr_lib.study import record
from audiosr_lib.study.record import RecordError, Run
from audiosr_lib.teaching import player

matplotlib.use("Agg")
PARAMETERS = {"profile": "smoke", "corpus": "synthetic", "seed": 0}


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv(record.BY_COMMAND, "1")
    corpus = corpora.open_corpus("synthetic")
    fetching.fetch(corpus)
    preparation.prepare(corpus, workers=1, progress=False)
    return Run.open("02_test", profile="smoke")


def fill(run):
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    ax.plot([1, 2])
    run.figure(fig, "1.2", "A line")
    plt.close(fig)
    run.table(pd.DataFrame({"a": [1.23456, 2.0]}), "2", "Numbers")
    run.clip(np.sin(np.arange(4410) / 10), 44100, "tone", "A tone", gain=0.5)
    executed = run.staging / "notebooks" / "02_test.ipynb"
    files.write_text(executed, "{}")


def publish(**changed):
    return record.publish("smoke", PARAMETERS | changed, {"02_test": 1.25}, "cpu", ["02_test"])


def test_published_record_is_sound(run):
    fill(run)
    folder = publish()
    manifest = files.read_json(folder / "manifest.json")
    assert [a["id"] for a in manifest["artifacts"]] == ["figure-1.2", "table-2", "clip-tone"]
    assert manifest["seed"] == 0
    assert manifest["seconds"] == {"02_test": 1.2}
    assert manifest["corpus"]["licence"] == "MIT" and len(manifest["corpus"]["content_sha256"]) == 64
    assert manifest["corpus"]["lossy"] == "" and manifest["corpus"]["hours"]["train"] == round(
        manifest["corpus"]["seconds"]["train"] / 3600, 3
    )
    assert manifest["tested_on"] == []
    assert {"git_commit", "device", "versions", "parameters", "finished"} <= set(manifest)
    assert record.verify(folder) == []
    audio, sr = sf.read(folder / "clips" / "tone.flac")
    assert (len(audio), sr) == (4410, 44100)
    assert np.abs(audio).max() == pytest.approx(0.5, abs=1e-3)
    assert "MIT" in (folder / "clips" / "SOURCE.md").read_text()
    assert "1.235" in (folder / "table-2.md").read_text() and "1.23456" in (folder / "table-2.csv").read_text()


def test_a_record_lists_the_parts_of_its_corpus_and_its_test_sets(run, recordings, monkeypatch):
    """With a folder beside the synthetic corpus, and the folder alone as a further set to test on."""
    folder = corpora.open_corpus(str(recordings))
    preparation.prepare(folder, workers=1, progress=False)
    both = Run.open("02_test", profile="smoke", corpus=f"synthetic+{recordings}")
    assert both.corpus == f"synthetic+{folder.name}" and list(both.test_sets()) == ["synthetic", folder.name]
    fill(both)
    manifest = files.read_json(publish(corpus=both.corpus) / "manifest.json")
    parts = manifest["corpus"]["parts"]
    assert [p["corpus"] for p in parts] == ["synthetic", folder.name]
    for part in parts:
        about = files.read_json(paths.prepared(part["corpus"]) / "corpus.json")
        assert all(part[k] == about[k] for k in ("licence", "source", "content_sha256", "seconds"))
    assert "MIT; yours to state" in manifest["corpus"]["licence"]
    beside = dataclasses.replace(run.profile, if_here=(folder.name, "vctk"))
    monkeypatch.setitem(profiles.PROFILES, "smoke", beside)
    again = Run.open("02_test", profile="smoke")
    assert list(again.test_sets()) == ["synthetic", folder.name]  # vctk is not on this machine
    fill(again)
    (tested,) = files.read_json(publish() / "manifest.json")["tested_on"]
    assert tested["corpus"] == folder.name and tested["hours"]["test"] > 0


def test_a_table_can_have_another_place_and_tells_its_cell(run):
    run.table(pd.DataFrame({"a": [1.0, np.nan], "b": ["x", ""]}), "claims", "Claims", stem="tables/claims")
    (entry,) = record.fragments("smoke")["02_test"]["artifacts"]
    assert entry["id"] == "table-claims" and entry["files"] == ["tables/claims.csv", "tables/claims.md"]
    assert entry["cell"] == 0  # outside of a notebook
    assert (run.staging / "tables" / "claims.csv").exists()
    text = (run.staging / "tables" / "claims.md").read_text()
    assert "1.000" in text and "nan" not in text


def test_earlier_tables_come_from_this_run_alone_under_the_command(run, monkeypatch):
    assert run.folders() == [paths.staging("smoke")]
    monkeypatch.delenv(record.BY_COMMAND)
    assert run.folders() == [paths.build("smoke") / "interactive", paths.staging("smoke"), paths.figures("smoke")]


def test_verify_finds_what_was_changed(run):
    fill(run)
    folder = publish()
    (folder / "table-2.csv").write_text("a\n9\n")
    (folder / "figure-1.2.png").unlink()
    (folder / "stray.txt").write_text("x")
    problems = record.verify(folder)
    assert problems == ["figure-1.2.png is missing", "table-2.csv was changed", "stray.txt is not in the manifest"]


def test_a_report_made_of_the_record_is_no_stray_file(run):
    fill(run)
    folder = publish()
    files.write_text(folder / "report" / "index.html", "made of the record")
    assert record.verify(folder) == []
    files.write_text(folder / "reports.txt", "not made of it")
    assert record.verify(folder) == ["reports.txt is not in the manifest"]


def test_a_figure_is_drawn_the_same_again_and_its_svg_is_for_the_user_alone(run):
    fill(run)
    png = (run.staging / "figure-1.2.png").read_bytes()
    fill(run)
    assert (run.staging / "figure-1.2.png").read_bytes() == png
    folder = publish()
    assert (folder / "figure-1.2.svg").read_bytes().startswith(b"<?xml")
    assert files.read_json(folder / "manifest.json")["artifacts"][0]["files"] == ["figure-1.2.png"]
    assert record.verify(folder) == []
    (folder / "figure-1.2.svg").unlink()  # as in a clone: git does not hold it
    assert record.verify(folder) == []


def test_incomplete_or_mixed_records_are_not_published(run):
    fill(run)
    before = publish() / "manifest.json"
    text = before.read_text()
    with pytest.raises(RecordError, match="03_other has not run"):
        record.publish("smoke", PARAMETERS, {"02_test": 1.0}, "cpu", ["02_test", "03_other"])
    with pytest.raises(RecordError, match="02_test has not run"):  # its file is of an earlier run
        record.publish("smoke", PARAMETERS, {}, "cpu", ["02_test"])
    with pytest.raises(RecordError, match="other parameters"):
        publish(seed=1)
    (run.staging / "figure-1.2.png").write_bytes(b"changed")
    with pytest.raises(RecordError, match="missing or was changed"):
        publish()
    assert before.read_text() == text


def test_an_interrupted_publish_leaves_the_old_record(run, monkeypatch):
    """Interrupted between its two renamings, the old record has another name; the next start gives it back."""
    fill(run)
    folder = publish()
    before = (folder / "manifest.json").read_bytes()
    really = type(folder).rename

    def interrupted(self, target):
        if self.name.endswith(".new"):
            raise KeyboardInterrupt
        return really(self, target)

    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr(type(folder), "rename", interrupted)
        publish()
    assert not folder.exists()
    with pytest.raises(RuntimeError, match="also fails"), files.atomic_folder(folder):
        raise RuntimeError("also fails")
    assert (folder / "manifest.json").read_bytes() == before and record.verify(folder) == []
    assert publish() == folder and record.verify(folder) == []
    assert [p.name for p in folder.parent.iterdir()] == ["smoke"]


def test_a_record_behind_a_link_stays_there(run, tmp_path):
    (tmp_path / "large disk").mkdir()
    paths.figures("smoke").parent.mkdir(parents=True)
    paths.figures("smoke").symlink_to(tmp_path / "large disk")
    for _ in range(3):
        fill(run)
        assert record.verify(publish()) == []
    assert paths.figures("smoke").is_symlink() and (tmp_path / "large disk" / "manifest.json").exists()


def test_opening_a_run_again_forgets_what_it_made(run):
    fill(run)
    Run.open("02_test", profile="smoke")
    assert record.fragments("smoke")["02_test"]["artifacts"] == []


def test_playing_with_a_notebook_touches_no_record(run, monkeypatch):
    fill(run)
    before = record.fragments("smoke")
    monkeypatch.delenv(record.BY_COMMAND)
    fill(Run.open("02_test", profile="smoke", seed=7))
    assert record.fragments("smoke") == before
    assert (paths.build("smoke") / "interactive" / "figure-1.2.png").exists()


def test_bad_parameters_and_clips(run):
    with pytest.raises(ValueError, match="choose one of smoke"):
        Run.open("x", profile="huge")
    with pytest.raises(corpora.CorpusError, match="tuxpaint"):
        Run.open("x", profile="smoke", corpus="no-such-thing")
    with pytest.raises(ValueError, match="device"):
        Run.open("x", profile="smoke", device="tpu")
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=r"not in 0 \.\. 4294967295"):
            Run.open("x", profile="smoke", seed=seed)
    with pytest.raises(ValueError, match="smaller shared gain"):
        run.clip(np.full(100, 1.5), 44100, "loud", "too loud")
    with pytest.raises(ValueError, match="at most 10 s"):
        run.clip(np.zeros(44100 * 11), 44100, "long", "too long")


def test_device(run, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run.torch_device() == "cpu"
    with pytest.raises(RuntimeError, match="no CUDA GPU"):
        Run.open("x", profile="smoke", device="cuda").torch_device()


committed = pytest.mark.parametrize("folder", helpers.committed_records(), ids=lambda f: f.name)


@committed
def test_the_record_in_the_repository_is_sound(folder):
    assert record.verify(folder) == []
    manifest = files.read_json(folder / "manifest.json")
    ids = {a["id"] for a in manifest["artifacts"]}
    figures = {f"figure-1.{n}" for n in range(1, 14)} | {f"figure-2.{n}" for n in range(1, 5)}
    assert figures | {"table-1", "table-2", "table-3", "table-2-fair", "table-3-fair", "table-claims"} <= ids
    assert sum(i.startswith("clip-") for i in ids) >= 12
    assert not manifest["git_commit"].endswith("-modified")
    listed = [n for a in manifest["artifacts"] for n in a["files"]] + list(manifest["notebooks"]) + ["report/index.html", "manifest.json"]
    assert sum((folder / n).stat().st_size for n in set(listed)) < 12e6


@committed
def test_sound_in_notebooks_is_small_and_its_gain_is_said(folder):
    """As embedded: every player says one gain and the loudness of each version; the first one of a notebook carries the code, for all."""
    for file in (folder / "notebooks").glob("*.ipynb"):
        outputs = [o for c in files.read_json(file)["cells"] for o in c.get("outputs", [])]
        players = [h for o in outputs if "audiosr-player" in (h := "".join(o.get("data", {}).get("text/html", "")))]
        assert sum(map(len, players)) < player.NOTEBOOK_BYTES, file.name
        assert [("class Player" in h) for h in players[:1]] == [True] * bool(players)
        assert sum("class Player" in h for h in players) <= 3  # of one cell
        for html in players:
            stated = float(re.search(r"One gain for all versions: ([+-][\d.]+) dB", html)[1])
            assert stated == pytest.approx(float(re.search(r'data-gain="([^"]+)"', html)[1]), abs=0.051)
            clips = [sf.read(io.BytesIO(base64.b64decode(b))) for b in re.findall(r"data:audio/flac;base64,([A-Za-z0-9+/=]+)", html)]
            said = [float(v or "nan") for v in re.findall(r'data-lufs="([^"]*)"', html)]
            assert said == pytest.approx([player.loudness(x, sr) for x, sr in clips], abs=0.01, nan_ok=True)
            peak = max(np.abs(x).max() for x, _ in clips)
            assert 20 * np.log10(peak) == pytest.approx(player.PEAK_DB, abs=0.01)


# Pictures and sounds in base64, which hold any short path by chance: data URLs, and the pictures of notebooks.
EMBEDDED = re.compile(r'base64,[A-Za-z0-9+/=\s]+|"image/png": "[A-Za-z0-9+/=\\n]+"')


@committed
def test_records_tell_nothing_of_the_machine_they_were_made_on(folder):
    home = str(paths.REPOSITORY.parent)
    for file in folder.rglob("*"):
        if file.suffix in (".json", ".ipynb", ".md", ".csv", ".svg"):
            text = EMBEDDED.sub("", file.read_text(encoding="utf-8"))
            assert home not in text and "/site-packages/" not in text and "/home/" not in text, file.name
