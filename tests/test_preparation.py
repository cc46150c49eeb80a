"""From recordings to aligned pairs: what is kept and left out, that the pairs are right, and that an interruption changes nothing.

Tolerances: one int16 step for the same filter on the same samples; 0.01 sample for a delay (the phase slope of speech, measured
where it has energy, is exact to about 1e-4).
"""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile as sf
from helpers import SR, write_speaker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sounds import NOT_WHOLE, OPEN, mp3_without_count

from audiosr_lib import resampling, signals
from audiosr_lib.base import files, paths
from audiosr_lib.base.errors import explained
from audiosr_lib.data import corpora, dataset, preparation
from audiosr_lib.data.corpora import CorpusError
from audiosr_lib.data.dataset import NotPrepared, PairedSplit
from audiosr_lib.data.download import DownloadError
from audiosr_lib.data.preparation import Keep

KEEP = Keep(**corpora.registry()["keep"])
EDGE = 128  # samples at 44.1 kHz that both filters of kaiser_fast reach over together, rounded up


def delay_samples(x: np.ndarray, y: np.ndarray, top: float = 0.15) -> float:
    """Delay of x against y in samples: the slope of the cross spectrum's phase, up to `top` cycles a sample."""
    w = scipy.signal.windows.hann(len(y))
    cross = np.fft.rfft(x * w) * np.conj(np.fft.rfft(y * w))
    f = np.arange(len(cross)) / len(y)
    keep = (f > 0.002) & (f < top)
    weight, phase = np.abs(cross[keep]), np.angle(cross[keep])
    return -float(np.sum(weight * f[keep] * phase) / np.sum(weight * f[keep] ** 2) / (2 * np.pi))


def voices(folder: Path, count: int = 2) -> Path:
    for speaker in ("ann", "ben", "cat"):
        write_speaker(folder, speaker, count, seconds=1.2)
    return folder


def left_out(corpus) -> dict[str, str]:
    with open(paths.prepared(corpus.name) / "left_out.csv", newline="", encoding="utf-8") as f:
        return {r["name"]: r["reason"] for r in csv.DictReader(f)}


def index(corpus) -> dict[str, dict]:
    with open(paths.prepared(corpus.name) / "index.csv", newline="", encoding="utf-8") as f:
        return {r["name"]: r for r in csv.DictReader(f)}


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


# --- the pairs -----------------------------------------------------------------------------------


def test_delay_is_measured_right(speech):
    assert delay_samples(np.roll(speech, 1), speech) == pytest.approx(1, abs=1e-3)
    half = np.fft.irfft(np.fft.rfft(speech) * np.exp(-1j * np.pi * np.fft.rfftfreq(len(speech))), len(speech))
    assert delay_samples(half, speech) == pytest.approx(0.5, abs=1e-2)


def test_pairs_are_aligned(prepared):
    for name in corpora.SPLITS:
        split = PairedSplit(prepared.name, name)
        for i in range(len(split)):
            assert abs(delay_samples(*split.read(i))) < 0.01


def test_pair_is_degraded_and_interpolated(speech):
    x, y, gain_db = preparation.make_pair(speech.astype(np.float32), SR)
    assert len(x) == len(y) == SR and x.dtype == y.dtype == np.dtype("<i2")
    gain = 10 ** (gain_db / 20)
    low = resampling.resample(speech, SR, 22050)
    expected = resampling.resample(low, 22050, SR)
    assert np.abs(x - 32767 * gain * expected).max() < 1
    assert np.abs(y - 32767 * gain * speech).max() < 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), length=st.integers(5000, 30001), level_db=st.floats(-50, 12))
def test_one_gain_for_both(seed, length, level_db):
    noise = 10 ** (level_db / 20) * np.random.default_rng(seed).standard_normal(length).astype(np.float32)
    x, y, gain_db = preparation.make_pair(noise, SR)
    assert len(x) == len(y) == length // 2 * 2
    peak = max(np.abs(x.astype(int)).max(), np.abs(y.astype(int)).max())
    assert peak == round(0.999 * 32767)  # the larger peak is there, nothing clips
    np.testing.assert_allclose(y, 32767 * 10 ** (gain_db / 20) * noise[: len(y)], atol=0.6)


def test_resampling_once_is_resampling_each_crop(speech):
    length, start = 8820, 12_346
    x, y, _ = preparation.make_pair(speech, SR)
    crop = y[start : start + length] / 32767
    again = resampling.interpolate(resampling.degrade(crop))
    error = np.abs(32767 * again - x[start : start + length])
    assert error[EDGE:-EDGE].max() < 3  # rounding of the target, once more through both filters
    low = resampling.degrade(y / 32767)[start // 2 : (start + length) // 2]  # as the coursework: a crop of the 22.05 kHz file
    error = np.abs(32767 * resampling.interpolate(low) - x[start : start + length])
    assert error[48:-48].max() < 3
    assert error.max() > 3  # so the edges do differ, and the test would see it


def test_48_khz_becomes_44_1(home, tmp_path):
    folder = voices(tmp_path / "v48")
    rng = np.random.default_rng(1)
    wide = signals.synthetic_speech(0.9, 48000, rng)
    sf.write(folder / "ann" / "wide.flac", wide, 48000)
    corpus = corpora.open_corpus(str(folder))
    preparation.prepare(corpus, workers=1, progress=False)
    row = index(corpus)["ann/wide.flac"]
    assert row["sample_rate"] == "48000" and int(row["length"]) == round(0.9 * SR)
    split = PairedSplit(corpus.name, row["split"])
    _, y = split.read([u.name for u in split.utterances].index("ann/wide.flac"))
    oracle = scipy.signal.resample_poly(wide - wide.mean(), 147, 160) * 10 ** (float(row["gain_db"]) / 20)
    assert abs(delay_samples(y, oracle[: len(y)])) < 0.01
    low = scipy.signal.butter(6, 15000, fs=SR, output="sos")  # the two resamplers differ near the band's edge only
    got, wanted = (scipy.signal.sosfiltfilt(low, s)[500:-500] for s in (y, oracle[: len(y)]))
    assert signals.db(signals.rms(got - wanted) / signals.rms(wanted)) < -50


# --- what is kept and what is not ----------------------------------------------------------------


def bad_files(folder: Path) -> dict[str, str]:
    """Recordings that cannot be used, below the speaker ann, and the reason each must get."""
    x = signals.synthetic_speech(1.0, SR, np.random.default_rng(8))
    band = resampling.resample(resampling.resample(x, SR, 22050, "soxr_vhq"), 22050, SR, "soxr_vhq")
    holes, blown = x.copy(), x.copy()
    holes[1000], blown[1000] = np.nan, np.inf
    where = folder / "ann"
    sf.write(where / "rate.wav", x[:8000], 8000)
    sf.write(where / "half.wav", x[::2], 22050)
    sf.write(where / "word.wav", np.concatenate([0.1 * np.random.default_rng(1).standard_normal(SR // 10), np.zeros(2 * SR)]), SR)
    (where / "list.wav").write_text("#EXTM3U\nann_0.wav\n")
    sf.write(where / "silent.wav", np.zeros(SR), SR)
    sf.write(where / "faint.wav", 1e-4 * x, SR, subtype="FLOAT")
    sf.write(where / "nan.wav", holes, SR, subtype="FLOAT")
    sf.write(where / "inf.wav", blown, SR, subtype="FLOAT")
    sf.write(where / "short.wav", x[: SR * 4 // 10], SR)
    sf.write(where / "lowpassed.wav", band, SR)
    (where / "corrupt.wav").write_bytes(b"this is not audio" * 100)
    (where / "empty.flac").write_bytes(b"")
    for name in ("cut.wav", "cut.flac"):
        sf.write(where / name, x, SR)
        whole = (where / name).read_bytes()
        (where / name).write_bytes(whole[: len(whole) // 2])
    return {
        "half.wav": "sample rate 22050 Hz is below 44100 Hz",
        "word.wav": "shorter than 0.5 s: 0.3",
        "list.wav": "unreadable",
        "rate": "sample rate 8000 Hz is below 44100 Hz",
        "silent": "silent: RMS -240 dB, below -60 dB",
        "faint": "silent: RMS -",
        "nan": "contains NaN or infinite samples",
        "inf": "contains NaN or infinite samples",
        "short": "shorter than 0.5 s: 0.40 s",
        "lowpassed": "not full-band: 1",
        "corrupt": "unreadable: Format not recognised",
        "empty": "unreadable: the file is empty",
        "cut.wav": "truncated: ",
        "cut.flac": "truncated: ",
    }


def test_each_bad_recording_is_left_out_with_its_reason(tmp_path, home):
    folder = voices(tmp_path / "mixed")
    wanted = bad_files(folder)
    corpus = corpora.open_corpus(str(folder))
    preparation.prepare(corpus, workers=1, progress=False)
    reasons = left_out(corpus)
    assert len(reasons) == len(wanted) and dataset.summary(corpus.name)["left_out"] == len(wanted)
    for name, reason in reasons.items():
        stem = name.removeprefix("ann/")
        expected = wanted[stem] if stem in wanted else wanted[stem.partition(".")[0]]
        assert reason.startswith(expected), f"{name}: {reason}"
        assert "0x" not in reason and "\n" not in reason  # nothing that changes from run to run
    assert len(index(corpus)) == 6  # and the good ones are all there
    kept = files.read_json(paths.prepared(corpus.name) / "corpus.json")
    assert sum(kept["utterances"].values()) == 6


def test_stereo_is_mixed_down_and_kept(tmp_path, home):
    folder = voices(tmp_path / "stereo")
    a, b = (signals.synthetic_speech(0.7, SR, np.random.default_rng(s)) for s in (1, 2))
    sf.write(folder / "ann" / "two.wav", np.stack([a, b], axis=1), SR, subtype="FLOAT")
    corpus = corpora.open_corpus(str(folder))
    preparation.prepare(corpus, workers=1, progress=False)
    row = index(corpus)["ann/two.wav"]
    split = PairedSplit(corpus.name, row["split"])
    _, y = split.read([u.name for u in split.utterances].index("ann/two.wav"))
    assert row["channels"] == "2"
    mixed = (a + b)[: len(y)] / 2
    np.testing.assert_allclose(y, 10 ** (float(row["gain_db"]) / 20) * (mixed - mixed.mean()), atol=2e-3)


def test_one_channel_that_cancels_the_other_is_silent(tmp_path, home):
    folder = voices(tmp_path / "cancel")
    a = signals.synthetic_speech(0.7, SR, np.random.default_rng(1))
    sf.write(folder / "ann" / "opposed.wav", np.stack([a, -a], axis=1), SR, subtype="FLOAT")
    corpus = corpora.open_corpus(str(folder))
    preparation.prepare(corpus, workers=1, progress=False)
    assert left_out(corpus)["ann/opposed.wav"].startswith("silent")


def test_a_recording_that_may_not_be_read_stops_the_preparation(tmp_path, home, monkeypatch):
    """The user can mend that; a corpus without the recording would stay without it."""
    folder = voices(tmp_path / "locked", 3)
    read = Path.read_bytes

    def refuse(path):
        if path.name == "ann_1.wav":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    corpus = corpora.open_corpus(str(folder))
    with monkeypatch.context() as m, pytest.raises(PermissionError) as caught:
        m.setattr(Path, "read_bytes", refuse)
        preparation.prepare(corpus, workers=1, progress=False)
    assert "ann_1.wav: permission denied. Change the permissions" in explained(caught.value)
    preparation.prepare(corpus, workers=1, progress=False)
    assert left_out(corpus) == {}


def test_speakers_in_no_split_are_listed(home):
    folder = voices(home / "x", 1)
    task = corpora.Recording(folder / "ann" / "ann_0.wav", "n", "nl", None)
    row, x, y = preparation.process(task, KEEP)
    assert row["reason"] == "the speaker is in no split" and x is None and y is None


def test_long_recordings_are_cut_into_pieces(tmp_path, home, monkeypatch):
    folder = voices(tmp_path / "long")
    table = corpora.registry()
    table["keep"]["max_seconds"] = 1.2
    monkeypatch.setattr(corpora, "registry", lambda: table)
    x = signals.synthetic_speech(4.5, SR, np.random.default_rng(4))
    sf.write(folder / "ann" / "story.flac", x, SR)
    corpus = corpora.open_corpus(str(folder))
    preparation.prepare(corpus, workers=1, progress=False)
    rows = {n: r for n, r in index(corpus).items() if "story" in n}
    assert sorted(rows) == [f"ann/story.flac#00{i}" for i in range(4)]
    split = PairedSplit(corpus.name, rows["ann/story.flac#000"]["split"])
    pieces = []
    for i, u in enumerate(split.utterances):
        if "story" in u.name:
            pieces.append(split.read(i)[1] / 10 ** (float(rows[u.name]["gain_db"]) / 20))
    wanted = [part - part.mean() for part in np.split(x, np.cumsum([len(p) for p in pieces])[:-1])]
    np.testing.assert_allclose(np.concatenate(pieces), np.concatenate(wanted), atol=2e-3)  # end to end, nothing lost


def test_long_silence_at_the_ends_is_trimmed_and_dc_removed():
    rng = np.random.default_rng(6)
    sound = 0.1 * rng.standard_normal(SR)
    for offset in (0.0, 0.2):
        x = 1e-4 * rng.standard_normal(5 * SR) + offset
        x[2 * SR : 3 * SR] += sound
        got, centred = preparation.clean(x, SR, KEEP), x - x.mean()
        begin = int(np.flatnonzero(centred == got[0])[0])
        np.testing.assert_array_equal(got, centred[begin : begin + len(got)])
        frame = 1024 / SR  # the level is measured in frames of this length
        assert (2 * SR - begin) / SR == pytest.approx(0.25, abs=frame)
        assert (begin + len(got) - 3 * SR) / SR == pytest.approx(0.25, abs=frame)
    assert len(preparation.clean(x, SR, KEEP, (False, False))) == len(x)  # a piece from the middle of a recording
    assert len(preparation.clean(sound, SR, KEEP)) == len(sound)


@pytest.mark.parametrize("cut_hz", [12_000, 14_000, 16_000, 18_000, 20_000])
@pytest.mark.parametrize("seed", range(4))
def test_the_edge_of_a_recording_is_measured(tmp_path, cut_hz, seed):
    rng = np.random.default_rng(seed)
    x = signals.synthetic_speech(1.5, SR, rng) + 1e-3 * rng.standard_normal(round(1.5 * SR))
    lowpass = scipy.signal.firwin(401, cut_hz, fs=SR, window=("kaiser", 8))
    for name, y in (("cut", scipy.signal.fftconvolve(x, lowpass, "same")), ("whole", x)):
        sf.write(tmp_path / f"{name}.wav", 0.9 * y, SR, subtype="FLOAT")
        row, *_ = preparation.process(corpora.Recording(tmp_path / f"{name}.wav", name, "ann", "test"), replace(KEEP, min_bandwidth_hz=0))
        assert row["lossy"] == 0 and abs(row["edge_hz"] - (cut_hz if name == "cut" else SR / 2)) < 300
        above = (SR / 2 - cut_hz) / 11_025 if name == "cut" else 0.0
        assert abs(row["empty_share"] - above) < 0.1  # the filter's slope is 0.4 kHz wide, and some bins are nearly empty by chance


def test_recordings_that_passed_a_lossy_codec_are_marked(tmp_path):
    x = signals.synthetic_speech(1.0, SR, np.random.default_rng(3)) + 1e-3 * np.random.default_rng(4).standard_normal(SR)
    for suffix, lossy in ((".wav", 0), (".flac", 0), (".ogg", 1), (".mp3", 1)):
        sf.write(tmp_path / f"a{suffix}", x, SR)
        row, *_ = preparation.process(corpora.Recording(tmp_path / f"a{suffix}", "a", "ann", "test"), replace(KEEP, min_bandwidth_hz=0))
        assert row["lossy"] == lossy
    (tmp_path / "a.ogg").rename(tmp_path / "b.wav")  # the content decides, not the name
    assert (
        preparation.process(corpora.Recording(tmp_path / "b.wav", "b", "ann", "test"), replace(KEEP, min_bandwidth_hz=0))[0]["lossy"] == 1
    )


def rows_of(path: Path, max_seconds: float) -> list[dict]:
    """The results of a recording's tasks."""
    keep = replace(KEEP, max_seconds=max_seconds, min_bandwidth_hz=0, min_seconds=0, min_rms_db=-100)
    return [preparation.process(task, keep) for task in preparation.tasks_of([corpora.Recording(path, path.name, "ann", "test")], keep)]


@pytest.mark.parametrize("max_seconds", [60, 1])
@pytest.mark.parametrize("name", OPEN)
def test_whole_recordings_of_open_length_are_kept_whole(tmp_path, name, max_seconds):
    x = signals.synthetic_speech(2.5, SR, np.random.default_rng(4))
    (tmp_path / name).write_bytes(OPEN[name](x, SR))
    rows = rows_of(tmp_path / name, max_seconds)
    assert [row.get("reason") for row, _, _ in rows] == [None] * (1 if max_seconds > 2.5 else 3)
    assert sum(row["length"] for row, _, _ in rows) == round(2.5 * SR)


@pytest.mark.parametrize("loud_first", [True, False])
@pytest.mark.parametrize("max_seconds", [60, 1])
def test_mp3_of_estimated_length_is_kept_whole(tmp_path, max_seconds, loud_first):
    """A corpus of such files lost most of one, and left out another as truncated."""
    x = signals.synthetic_speech(5, SR, np.random.default_rng(4))
    x *= 10 ** (np.linspace(0, -2.5, len(x)))
    x = x if loud_first else x[::-1]
    (tmp_path / "vbr.mp3").write_bytes(mp3_without_count(x, SR))
    assert abs(sf.info(tmp_path / "vbr.mp3").frames - len(x)) > SR / 2  # the estimate is wrong
    rows = rows_of(tmp_path / "vbr.mp3", max_seconds)
    assert [row.get("reason") for row, _, _ in rows] == [None] * (1 if max_seconds > 6 else 6)
    assert 0 <= sum(row["length"] for row, _, _ in rows) - len(x) < 3 * 1152  # whole frames, and the delay of the encoder


@pytest.mark.parametrize("max_seconds", [60, 1])
@pytest.mark.parametrize("name", NOT_WHOLE)
def test_what_is_not_whole_is_left_out_as_one(tmp_path, name, max_seconds):
    maker, said = NOT_WHOLE[name]
    (tmp_path / name).write_bytes(maker(signals.synthetic_speech(2.5, SR, np.random.default_rng(4)), SR))
    ((row, x, y),) = rows_of(tmp_path / name, max_seconds)  # no pieces of it
    assert row["reason"].startswith(f"{said}: ") and row["name"] == name and x is None and y is None


def test_a_long_recording_with_one_bad_sample_fills_no_memory(tmp_path, monkeypatch):
    """Its samples are not collected: the fault is found before."""
    x = signals.synthetic_speech(3, SR, np.random.default_rng(4))
    x[-1] = np.nan
    sf.write(tmp_path / "long.wav", x, SR, subtype="FLOAT")
    read = []
    blocks = preparation.sound.Recording.blocks
    monkeypatch.setattr(preparation.sound.Recording, "blocks", lambda self, *a: read.append(a) or blocks(self, *a))
    ((row, _, _),) = rows_of(tmp_path / "long.wav", 1)
    assert row["reason"].startswith("contains NaN or infinite samples: the first at 3.000 s")
    assert read == [(), ()]  # two surveys, no collection


def speakers_by_split(folder: Path) -> dict[str, str]:
    split = corpora.split_speakers(corpora.open_corpus(str(folder)), ["ann", "ben", "cat"])
    return {name: speaker for speaker, name in split.items()}


def test_a_split_without_recordings_is_refused_with_speaker_reason_and_file(tmp_path, home):
    folder = voices(tmp_path / "bad")
    speaker = speakers_by_split(folder)["test"]
    for i in range(2):
        sf.write(folder / speaker / f"{speaker}_{i}.wav", np.zeros(2 * SR), SR)
    corpus = corpora.open_corpus(str(folder))
    needed = rf"'test' needs 2 of at least 1\.1 s and has 0: '{speaker}' has 0 of 2 recordings "
    needed += rf"\(2 silent; {speaker}/{speaker}_0\.wav, silent: RMS"
    for _ in range(2):  # the second time from the journal
        with pytest.raises(CorpusError, match=needed) as error:
            preparation.prepare(corpus, workers=1, progress=False)
        assert "'train'" not in str(error.value) and "'validation'" not in str(error.value)
    assert not preparation.is_prepared(paths.prepared(corpus.name))


def test_too_short_recordings_are_refused_with_their_length(tmp_path, home):
    folder = voices(tmp_path / "short")
    speaker = speakers_by_split(folder)["train"]
    write_speaker(folder, speaker, 2, seconds=0.7)
    with pytest.raises(
        CorpusError, match=rf"'train' needs 2 of at least 1\.1 s and has 0: '{speaker}' has 2 of 2 recordings, the longest of 0\.70 s\."
    ):
        preparation.prepare(corpora.open_corpus(str(folder)), workers=1, progress=False)


def test_one_recording_in_a_split_is_too_few(tmp_path, home):
    folder = voices(tmp_path / "one")
    speaker = speakers_by_split(folder)["validation"]
    (folder / speaker / f"{speaker}_1.wav").unlink()
    with pytest.raises(CorpusError, match=rf"'validation' needs 2 of at least 1\.1 s and has 1: '{speaker}' has 1 of 1 recordings"):
        preparation.prepare(corpora.open_corpus(str(folder)), workers=1, progress=False)


def test_many_speakers_without_recordings_are_not_all_named():
    rows = [{"split": "train", "speaker": f"s{i:02}", "name": f"s{i:02}/a.wav", "reason": "silent: RMS -90 dB"} for i in range(30)]
    assert preparation._lack({}, "train", rows).endswith("25 more speakers.")


@pytest.fixture
def only_tested(monkeypatch):
    """The registry's klettres with two languages of WAV files, as if fetched."""
    table = corpora.registry()
    table["klettres"]["recordings"] = r"\.wav$"
    monkeypatch.setattr(corpora, "registry", lambda: table)
    corpus = corpora.open_corpus("klettres")
    for language in ("en", "ru"):
        write_speaker(corpus.folder / "klettres", language, 2, seconds=1.2)
    return corpus


def test_a_corpus_that_is_only_tested_on(only_tested):
    prepared = preparation.prepare(only_tested, workers=1, progress=False)
    assert sorted(contents(prepared)) == ["corpus.json", "index.csv", "left_out.csv", "test_x.i16", "test_y.i16"]
    about = dataset.summary("klettres")
    assert about["speakers"] == {"test": ["en", "ru"]} and about["utterances"] == {"test": 4}
    test = PairedSplit("klettres", "test")
    assert len(test) == 4 and set(test.by_speaker()) == {"en", "ru"} and len(test.read(0)[0]) == round(1.2 * SR)
    for split in ("train", "validation"):
        with pytest.raises(ValueError, match=f"'klettres' has no split '{split}': choose one of test$"):
            PairedSplit("klettres", split)


def test_a_corpus_that_is_only_tested_on_must_keep_something(only_tested):
    for wav in only_tested.folder.rglob("*.wav"):
        sf.write(wav, np.zeros(SR), SR)
    with pytest.raises(CorpusError, match=r"'test' needs 1 and has 0: 'en' has 0 of 2 recordings \(2 silent; .*'ru' has 0 of 2"):
        preparation.prepare(only_tested, workers=1, progress=False)


def test_full_disk_is_said_first(recordings, monkeypatch):
    def full(*_):
        raise DownloadError("preparing the pairs needs 1.0 GB")

    monkeypatch.setattr(preparation, "require_space", full)
    with pytest.raises(DownloadError, match="preparing the pairs needs"):
        preparation.prepare(corpora.open_corpus(str(recordings)), workers=1, progress=False)


# --- once, whole, and the same however it came about ---------------------------------------------


def test_prepared_once(prepared, monkeypatch):
    before = contents(paths.prepared(prepared.name))
    monkeypatch.setattr(preparation, "process", None)  # must not be called
    preparation.prepare(prepared, workers=1, progress=False)
    assert contents(paths.prepared(prepared.name)) == before
    assert sorted(before) == sorted(
        ["corpus.json", "index.csv", "left_out.csv"] + [f"{s}_{side}.i16" for s in corpora.SPLITS for side in "xy"]
    )


def test_a_changed_corpus_is_prepared_anew(tmp_path, home):
    folder = voices(tmp_path / "grows")
    corpus = corpora.open_corpus(str(folder))
    preparation.prepare(corpus, workers=1, progress=False)
    first = dataset.summary(corpus.name)
    write_speaker(folder, "ann", 3, seconds=1.2)
    preparation.prepare(corpus, workers=1, progress=False)
    second = dataset.summary(corpus.name)
    assert sum(second["utterances"].values()) == 7 and first["content_sha256"] != second["content_sha256"]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Three speakers with three recordings each, one of them bad, and their results by name, so that a rerun costs nothing."""
    folder = voices(tmp_path_factory.mktemp("many") / "voices", 3)
    (folder / "ben" / "ben_bad.wav").write_bytes(b"no audio")
    corpus = corpora.open_corpus(str(folder))
    tasks = preparation.tasks_of(corpora.list_recordings(corpus), KEEP)
    return corpus, {t.name: preparation.process(t, KEEP) for t in tasks}


def stopping(results, after):
    """A `process` that answers from `results` and is cut off before the call number `after`."""
    calls = iter(range(10**6))

    def process(task, keep):
        if next(calls) == after:
            raise KeyboardInterrupt
        row, x, y = results[task.name]
        return dict(row), x, y

    return process


def prepare_in(home, monkeypatch, corpus, results, after=None):
    monkeypatch.setenv("AUDIOSR_HOME", str(home))
    monkeypatch.setattr(preparation, "process", stopping(results, after))
    return preparation.prepare(corpus, workers=1, progress=False)


@pytest.mark.parametrize("damage", ["none", "torn line", "extra samples", "both"])
@pytest.mark.parametrize("after", [0, 1, 5, 9])
def test_interrupted_preparation(tmp_path, monkeypatch, many, after, damage):
    corpus, results = many
    whole = contents(prepare_in(tmp_path / "whole", monkeypatch, corpus, results))
    with pytest.raises(KeyboardInterrupt):
        prepare_in(tmp_path / "cut", monkeypatch, corpus, results, after)
    target = paths.prepared(corpus.name)
    assert not target.exists() and not preparation.is_prepared(target)
    with pytest.raises(NotPrepared, match="is not prepared on this machine"):
        PairedSplit(corpus.name, "train")
    partial = target.with_name(target.name + ".partial")
    if damage in ("torn line", "both"):
        with open(partial / "journal.jsonl", "ab") as f:
            f.write(b'{"split": "train", "speak')
    if damage in ("extra samples", "both"):
        for name in ("train_x.i16", "test_y.i16"):
            with open(partial / name, "ab") as f:
                f.write(bytes(range(101)))
    asked = []
    resumed = stopping(results, None)
    monkeypatch.setattr(preparation, "process", lambda t, k: asked.append(t.name) or resumed(t, k))
    preparation.prepare(corpus, workers=1, progress=False)
    assert len(asked) == 10 - after  # what was done is not done again
    assert contents(target) == whole
    assert not partial.exists()


def test_a_torn_line_is_gone_after_the_next_interruption(tmp_path, monkeypatch, many):
    corpus, results = many
    whole = contents(prepare_in(tmp_path / "whole", monkeypatch, corpus, results))
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            prepare_in(tmp_path / "cut", monkeypatch, corpus, results, 2)
        with open(paths.prepared(corpus.name + ".partial") / "journal.jsonl", "ab") as f:
            f.write(b'{"split": "train", "speak')
    assert contents(prepare_in(tmp_path / "cut", monkeypatch, corpus, results)) == whole


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stops=st.lists(st.integers(0, 4), max_size=5))
def test_interrupted_again_and_again(tmp_path, monkeypatch, many, stops):
    corpus, results = many
    shutil.rmtree(tmp_path / "cut", ignore_errors=True)
    whole = contents(prepare_in(tmp_path / "whole", monkeypatch, corpus, results))
    for after in stops:
        try:
            prepare_in(tmp_path / "cut", monkeypatch, corpus, results, after)
        except KeyboardInterrupt:
            continue
    assert contents(prepare_in(tmp_path / "cut", monkeypatch, corpus, results)) == whole


@pytest.mark.parametrize("damage", [b"\0" * 40 + b"\n", b"{}\n", b"[]\n", b'{"split": \xff}\n'])
def test_a_damaged_journal_is_begun_anew(tmp_path, monkeypatch, many, damage):
    corpus, results = many
    whole = contents(prepare_in(tmp_path / "whole", monkeypatch, corpus, results))
    with pytest.raises(KeyboardInterrupt):
        prepare_in(tmp_path / "cut", monkeypatch, corpus, results, 8)
    journal = paths.prepared(corpus.name + ".partial") / "journal.jsonl"
    journal.write_bytes(damage + journal.read_bytes())
    assert contents(prepare_in(tmp_path / "cut", monkeypatch, corpus, results)) == whole


def test_space_that_is_already_filled_is_not_asked_for_again(tmp_path, monkeypatch, many):
    corpus, results = many
    asked = []
    monkeypatch.setattr(preparation, "require_space", lambda folder, need, what: asked.append(need))
    with pytest.raises(KeyboardInterrupt):
        prepare_in(tmp_path / "cut", monkeypatch, corpus, results, 8)
    prepare_in(tmp_path / "cut", monkeypatch, corpus, results)
    assert asked[1] < asked[0]


def test_recordings_that_were_fetched_and_changed_are_told(home):
    corpus = corpora.open_corpus("synthetic")
    preparation.make_ready(corpus, progress=False)
    before = contents(paths.prepared("synthetic"))
    next(corpus.folder.rglob("*.flac")).unlink()
    with pytest.raises(CorpusError, match=r"data/raw/synthetic are not those that were fetched.*Delete data/raw/synthetic/fetched.json"):
        preparation.make_ready(corpus, progress=False)
    assert contents(paths.prepared("synthetic")) == before
    (corpus.folder / "fetched.json").unlink()  # as advised
    preparation.make_ready(corpus, progress=False)
    assert [len(PairedSplit("synthetic", s)) for s in ("train", "validation", "test")] == [18, 6, 18]


def test_an_index_that_is_missing_or_damaged_is_named(prepared):
    index = paths.prepared(prepared.name) / "index.csv"
    for damage in (lambda: index.write_text("split\ntrain\n"), index.unlink):
        damage()
        with pytest.raises(NotPrepared, match=r"do not match their index: delete data/prepared/folder-voices-.* and prepare again"):
            PairedSplit(prepared.name, "train")


def test_journal_that_promises_more_samples_than_there_are(tmp_path, monkeypatch, many):
    corpus, results = many
    whole = contents(prepare_in(tmp_path / "whole", monkeypatch, corpus, results))
    with pytest.raises(KeyboardInterrupt):
        prepare_in(tmp_path / "cut", monkeypatch, corpus, results, 8)
    partial = paths.prepared(corpus.name + ".partial")
    with open(partial / "train_x.i16", "r+b") as f:  # as a power cut may leave it
        f.truncate(100)
    assert contents(prepare_in(tmp_path / "cut", monkeypatch, corpus, results)) == whole


def test_a_cut_just_before_the_end(tmp_path, monkeypatch, many):
    corpus, results = many
    whole = contents(prepare_in(tmp_path / "whole", monkeypatch, corpus, results))
    finish = preparation._finish

    def cut(*arguments):
        finish(*arguments)
        raise KeyboardInterrupt  # all is written, but not renamed

    monkeypatch.setattr(preparation, "_finish", cut)
    with pytest.raises(KeyboardInterrupt):
        prepare_in(tmp_path / "cut", monkeypatch, corpus, results)
    monkeypatch.setattr(preparation, "_finish", finish)
    assert not preparation.is_prepared(paths.prepared(corpus.name))
    assert contents(prepare_in(tmp_path / "cut", monkeypatch, corpus, results)) == whole


def test_a_corpus_changed_between_two_starts_begins_anew(tmp_path, home, monkeypatch):
    folder = voices(tmp_path / "changes")
    corpus = corpora.open_corpus(str(folder))
    process = preparation.process
    calls = []

    def cut(task, keep):
        calls.append(task.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return process(task, keep)

    monkeypatch.setattr(preparation, "process", cut)
    with pytest.raises(KeyboardInterrupt):
        preparation.prepare(corpus, workers=1, progress=False)
    write_speaker(folder, "ann", 3, seconds=1.2)
    preparation.prepare(corpus, workers=1, progress=False)
    assert len(calls) == 3 + 7  # all seven from the start
    assert sum(dataset.summary(corpus.name)["utterances"].values()) == 7


def test_parallel_equals_serial(many):
    corpus, results = many
    tasks = preparation.tasks_of(corpora.list_recordings(corpus), KEEP) * 7
    assert len(tasks) >= 64  # fewer would run serially
    for task, (row, x, y) in zip(tasks, preparation._in_order(tasks, KEEP, 2), strict=True):
        expected = results[task.name]
        assert row == expected[0]
        for got, wanted in ((x, expected[1]), (y, expected[2])):
            assert (got is None and wanted is None) or np.array_equal(got, wanted)


def test_copies_are_left_out_also_across_splits(tmp_path):
    folder = voices(tmp_path / "voices", 2)
    for speaker, other in (("ann", "ann"), ("ann", "ben"), ("ben", "cat")):
        source = folder / speaker / f"{speaker}_0.wav"
        (folder / other / f"zz_copy_of_{speaker}.wav").write_bytes(source.read_bytes())
    corpus = corpora.open_corpus(str(folder))
    prepared = preparation.prepare(corpus, workers=1, progress=False)
    with open(prepared / "left_out.csv", newline="") as f:
        reasons = sorted(r["reason"] for r in csv.DictReader(f))
    assert reasons == ["a copy of ann/ann_0.wav", "a copy of ann/ann_0.wav", "a copy of ben/ben_0.wav"]
    assert sum(dataset.summary(corpus.name)["utterances"].values()) == 6


def test_pairs_without_their_recordings_are_taken_as_they_are(tmp_path):
    folder = voices(tmp_path / "voices", 2)
    corpus = corpora.open_corpus(str(folder))
    prepared = preparation.make_ready(corpus, progress=False)
    shutil.rmtree(folder)
    assert preparation.make_ready(corpus, progress=False) == prepared
    shutil.rmtree(prepared)
    with pytest.raises(corpora.CorpusError):
        preparation.make_ready(corpus, progress=False)
