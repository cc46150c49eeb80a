"""The command audiosr: what it reads and refuses, where it writes, and that the network adds no constant and no click.

The networks here are untrained, and small recordings are enough: what is tested does not depend on the weights.
"""

import errno
import os
import resource
import shlex
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from sounds import NOT_WHOLE, OPEN, made, mp3_without_count

from audiosr_lib import resampling, signals
from audiosr_lib.base import checkpoints, files, paths
from audiosr_lib.base.constants import SR_HIGH, SR_LOW
from audiosr_lib.base.errors import StudyWarning
from audiosr_lib.base.sound import SoundError
from audiosr_lib.inference import chunks, cli, weights
from audiosr_lib.inference.deployed import Deployed
from audiosr_lib.training import loop

X = (0.2 * np.random.default_rng(0).standard_normal(SR_LOW // 5)).clip(-1, 1)


class NoNetwork:
    """A network that must not run."""

    device = torch.device("cpu")
    grid, context, interpolation = Deployed.grid, Deployed.context, Deployed.interpolation

    def __call__(self, *_):
        raise AssertionError("the network runs although it is clear that the result cannot be made")


class Nothing(NoNetwork):
    """A network that adds nothing, and costs nothing."""

    def __call__(self, x, *_):
        return x


class Constant(NoNetwork):
    """A network that adds a constant."""

    def __call__(self, x, *_):
        return x + 0.05


class Edges(NoNetwork):
    """A network that adds a constant, and another at the edges of what it sees."""

    def __call__(self, x, first, total):
        place = first + torch.arange(x.shape[-1])
        return x + 0.05 + 0.5 * ((place < 1200) | (place >= total - 1200))


@pytest.fixture(scope="module")
def untrained():
    network = loop.new_model(0).eval()
    with torch.no_grad():
        network.final.bias.fill_(6e-4)
    return network


@pytest.fixture(scope="module")
def deployed(untrained):
    return Deployed(untrained)


@pytest.fixture
def low(tmp_path) -> Path:
    """A good recording."""
    sf.write(tmp_path / "low.wav", X, SR_LOW)
    return tmp_path / "low.wav"


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def refused(source: Path, target: Path, said: str, **options) -> None:
    """Check that the network does not run and that nothing changes in the folder of the recording."""
    before = contents(source.parent)
    with pytest.raises(SoundError, match=said):
        chunks.super_resolve_file(NoNetwork(), source, target, **options)
    assert contents(source.parent) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPEN)
def test_whole_recordings_of_open_length_are_enhanced_with_a_warning(tmp_path, name):
    (tmp_path / name).write_bytes(OPEN[name](X, SR_LOW))
    with pytest.warns(StudyWarning, match=r"lacks its length, or has a wrong one; 0\.20 s were read"):
        assert chunks.super_resolve_file(Nothing(), tmp_path / name, tmp_path / "high.wav") == pytest.approx(0.2)
    assert sf.info(tmp_path / "high.wav").frames == 2 * len(X)


def test_mp3_of_estimated_length_is_enhanced_to_its_end(tmp_path):
    x = np.concatenate([X, 1e-3 * np.resize(X, 3 * SR_LOW), X])
    (tmp_path / "vbr.mp3").write_bytes(mp3_without_count(x, SR_LOW))
    with pytest.warns(StudyWarning, match="lacks its length"):
        chunks.super_resolve_file(Nothing(), tmp_path / "vbr.mp3", tmp_path / "high.wav")
    assert 2 * len(x) <= sf.info(tmp_path / "high.wav").frames <= 2 * (len(x) + 3 * 1152)


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_what_is_not_whole_is_refused_with_a_command(tmp_path, name):
    maker, said = NOT_WHOLE[name]
    source = tmp_path / f"it's {name}"
    source.write_bytes(maker(np.resize(X, 2 * SR_LOW), SR_LOW))
    refused(source, tmp_path / "high.wav", rf"{name}: {said}: .*To keep .*: ffmpeg -i .*it'\"'\"'s {name}' -t [0-9.]+ -ar 22050 OUT.wav$")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_with_their_place(tmp_path, bad):
    x = X.copy()
    x[1234] = bad
    sf.write(tmp_path / "bad.wav", x, SR_LOW, subtype="FLOAT")
    refused(tmp_path / "bad.wav", tmp_path / "high.wav", r"NaN or infinite samples: the first at 0\.056 s in channel 1\. .* -t 0\.05 ")


def test_other_rates_no_sound_and_no_samples_are_refused(tmp_path):
    for rate in (8000, 22000, 44100, 48000):
        sf.write(tmp_path / "rate.wav", X, rate)
        refused(
            tmp_path / "rate.wav", tmp_path / "high.wav", f"{rate} Hz, not 22050 Hz. Convert it: ffmpeg -i .*rate.wav -ar 22050 OUT.wav$"
        )
    for format in ("WAV", "AIFF"):
        (tmp_path / "none.wav").write_bytes(made(X[:0], SR_LOW, format))
        refused(tmp_path / "none.wav", tmp_path / "high.wav", "none.wav is empty: give")
    for content, said in (
        (b"", "the file is empty$"),
        (b"no sound", "unreadable: .*convert it: ffmpeg"),
        (b"RIFF1234WAVE", "unreadable: "),
    ):
        (tmp_path / "text.wav").write_bytes(content)
        refused(tmp_path / "text.wav", tmp_path / "high.wav", said)
    refused(tmp_path, tmp_path / "high.wav", "a folder")
    refused(tmp_path / "missing.wav", tmp_path / "high.wav", "No such file or directory$")


@pytest.mark.parametrize("source, said", [
    ({"subtype": "FLOAT", "scale": 2.0}, r"exceeds full scale \(peak 2\).*gain of -6.03 dB"),
    ({"subtype": "DOUBLE", "scale": 30000.0}, r"exceeds full scale \(peak 30000\).*gain of -89.55 dB"),
    ({"subtype": "FLOAT", "scale": 32767.0, "round": True}, r"integers as floating-point numbers \(peak 32767\).*gain of -90.31 dB"),
    ({"subtype": "DOUBLE", "scale": 8388607.0, "round": True}, r"integers as floating-point numbers .*gain of -138.47 dB"),
])  # fmt: skip
def test_what_exceeds_full_scale_gets_one_gain(tmp_path, source, said):
    x = source["scale"] * X / np.abs(X).max()
    sf.write(tmp_path / "loud.wav", np.round(x) if source.get("round") else x, SR_LOW, subtype=source["subtype"])
    sf.write(tmp_path / "same.wav", X / np.abs(X).max() * 0.999, SR_LOW, subtype="FLOAT")
    with pytest.warns(StudyWarning, match=said):
        chunks.super_resolve_file(Nothing(), tmp_path / "loud.wav", tmp_path / "high.wav", subtype="FLOAT")
    chunks.super_resolve_file(Nothing(), tmp_path / "same.wav", tmp_path / "wanted.wav", subtype="FLOAT")
    made, wanted = (sf.read(tmp_path / name)[0] for name in ("high.wav", "wanted.wav"))
    assert np.abs(made - wanted).max() < 2e-3  # 0.001 of the peak between 0.999 and 1, and the rounding to integers


def test_what_is_limited_is_said(tmp_path):
    """A square wave at full scale overshoots when it is interpolated."""
    square = np.sign(np.sin(0.3 * np.arange(4000))) * 0.999
    sf.write(tmp_path / "low.wav", square, SR_LOW)
    with pytest.warns(StudyWarning, match=r"[0-9]+ samples exceeded full scale, by up to [12]\.[0-9] dB, and were limited"):
        chunks.super_resolve_file(Nothing(), tmp_path / "low.wav", tmp_path / "high.wav")
    assert np.abs(sf.read(tmp_path / "high.wav")[0]).max() <= 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chunks.super_resolve_file(Nothing(), tmp_path / "low.wav", tmp_path / "float.wav", subtype="FLOAT")
    assert np.abs(sf.read(tmp_path / "float.wav")[0]).max() > 1.1


def test_joined_recordings_are_enhanced_up_to_the_second_with_a_warning(tmp_path):
    for format in ("OGG", "MP3", "FLAC"):
        (tmp_path / "two").write_bytes(2 * made(X, SR_LOW, format))
        with pytest.warns(StudyWarning, match=r"another recording follows after 0\.20 s"):
            chunks.super_resolve_file(Nothing(), tmp_path / "two", tmp_path / f"{format}.wav")


def test_good_recordings_are_enhanced_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for format, subtype in (
            ("WAV", "PCM_16"),
            ("WAV", "GSM610"),
            ("FLAC", "PCM_24"),
            ("OGG", "VORBIS"),
            ("MP3", "MPEG_LAYER_III"),
            ("AIFF", None),
        ):
            (tmp_path / "low").write_bytes(made(X, SR_LOW, format, subtype))
            chunks.super_resolve_file(Nothing(), tmp_path / "low", tmp_path / "high.wav", force=True)
            assert abs(sf.info(tmp_path / "high.wav").frames - 2 * len(X)) < 2 * 640  # GSM has blocks of 320


def test_a_recording_that_becomes_shorter_is_noticed(tmp_path, monkeypatch):
    sf.write(tmp_path / "low.wav", np.resize(X, 3 * SR_LOW), SR_LOW)
    survey = chunks.sound.survey

    def then_shorter(source):
        about = survey(source)
        sf.write(source, X, SR_LOW)
        return about

    monkeypatch.setattr(chunks.sound, "survey", then_shorter)
    with pytest.raises(SoundError, match="became shorter while it was read"):
        chunks.super_resolve_file(Nothing(), tmp_path / "low.wav", tmp_path / "high.wav")
    assert names(tmp_path) == ["low.wav"]


# --- writing -------------------------------------------------------------------------------------


def test_never_onto_the_recording(low, tmp_path):
    (tmp_path / "link.wav").symlink_to(low)
    os.link(low, tmp_path / "hard.wav")
    (tmp_path / "folder").mkdir()
    spellings = [low, tmp_path / "link.wav", tmp_path / "hard.wav", tmp_path / "folder" / ".." / "low.wav", Path(os.path.relpath(low))]
    for target in spellings:
        for force in (False, True):
            refused(low, target, "is the recording itself", force=force)


def test_a_recording_with_the_name_of_a_temporary_file_survives(low, tmp_path):
    for name in ("high.wav.part", "high.part"):
        shutil.copy(low, tmp_path / name)
        chunks.super_resolve_file(Nothing(), tmp_path / name, tmp_path / "high.wav", force=True)
        assert (tmp_path / name).read_bytes() == low.read_bytes()


def test_an_existing_file_is_replaced_only_by_force(low, tmp_path):
    (tmp_path / "high.wav").write_text("precious")
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "nowhere.wav")
    refused(low, tmp_path / "high.wav", "exists: give another name, or --force")
    refused(low, tmp_path / "dangling.wav", "exists: give another name, or --force")
    chunks.super_resolve_file(Nothing(), low, tmp_path / "high.wav", force=True)
    assert sf.info(tmp_path / "high.wav").samplerate == SR_HIGH


def test_where_nothing_can_be_written(low, tmp_path):
    (tmp_path / "folder.wav").mkdir()
    refused(low, tmp_path / "folder.wav", "is a folder: give the name of a file in it")
    refused(low, tmp_path / "missing" / "high.wav", "No such file or directory.*choose a folder")
    refused(low, low / "high.wav", "Not a directory.*choose a folder")
    assert not (tmp_path / "missing").exists()
    if sys.platform == "linux":
        refused(low, Path("/proc/high.wav"), "cannot be written")  # not by root either
    for name in ("high.mp3", "high", "high.wav.part"):
        refused(low, tmp_path / name, ".wav or .flac")


@pytest.mark.parametrize("suffix, subtype, said", [
    (".flac", "FLOAT", "FLAC does not hold FLOAT: choose one of PCM_16, PCM_24, or .wav"),
    (".wav", "MP3", "WAV does not hold MP3: choose one of PCM_16, PCM_24, FLOAT$"),
])  # fmt: skip
def test_sample_formats_that_a_file_cannot_hold(low, tmp_path, suffix, subtype, said):
    refused(low, tmp_path / f"high{suffix}", said, subtype=subtype)


def test_channels_that_a_file_cannot_hold(tmp_path):
    sf.write(tmp_path / "nine.wav", np.tile(X[:, None], 9), SR_LOW)
    refused(tmp_path / "nine.wav", tmp_path / "high.flac", "has 9 channels, and FLAC holds 8")
    chunks.super_resolve_file(Nothing(), tmp_path / "nine.wav", tmp_path / "high.wav")
    sf.write(tmp_path / "eight.wav", np.tile(X[:, None], 8), SR_LOW)
    chunks.super_resolve_file(Nothing(), tmp_path / "eight.wav", tmp_path / "high.flac")
    assert (sf.info(tmp_path / "high.wav").channels, sf.info(tmp_path / "high.flac").channels) == (9, 8)


@pytest.mark.parametrize(
    "suffix, subtype", [(".wav", "PCM_16"), (".wav", "PCM_24"), (".wav", "FLOAT"), (".flac", "PCM_16"), (".flac", "PCM_24")]
)
def test_the_sample_format_is_as_asked(low, tmp_path, suffix, subtype):
    chunks.super_resolve_file(Nothing(), low, tmp_path / f"high{suffix}", subtype=subtype)
    about = sf.info(tmp_path / f"high{suffix}")
    assert (about.format, about.subtype) == (suffix[1:].upper(), subtype)
    wanted = resampling.interpolate(sf.read(low, dtype="float32")[0])
    step = {"PCM_16": 2**-15, "PCM_24": 2**-23, "FLOAT": 0}[subtype]
    assert np.abs(sf.read(tmp_path / f"high{suffix}")[0] - wanted).max() < step + 2e-6  # a step, and single precision


def test_wav_has_64_bits_only_where_32_do_not_suffice(low, tmp_path, monkeypatch):
    assert chunks.LARGEST_WAV + 2048 < 2**32 < chunks.LARGEST_WAV + 2**20  # the header has room, and little is lost
    size = 3 * 2 * len(X)
    for largest, format in ((size, "WAV"), (size - 1, "RF64")):
        monkeypatch.setattr(chunks, "LARGEST_WAV", largest)
        chunks.super_resolve_file(Nothing(), low, tmp_path / "high.wav", force=True)
        assert sf.info(tmp_path / "high.wav").format == format


def test_the_result_has_the_permissions_of_a_new_file(low, tmp_path):
    old = os.umask(0o027)
    try:
        chunks.super_resolve_file(Nothing(), low, tmp_path / "high.wav")
    finally:
        os.umask(old)
    assert (tmp_path / "high.wav").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_write_that_fails_goes_up_and_leaves_nothing(tmp_path, suffix):
    """The limit of a file's size fails like a full disk, without one."""
    sf.write(tmp_path / "low.wav", np.resize(X, 4 * SR_LOW), SR_LOW)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError) as error:
            chunks.super_resolve_file(Nothing(), tmp_path / "low.wav", tmp_path / f"high{suffix}", 0.5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG
    assert names(tmp_path) == ["low.wav"]


def test_a_full_disk_goes_up_and_leaves_nothing(tmp_path, monkeypatch):
    """The space goes while the work goes on."""
    monkeypatch.setattr(chunks.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 0, 10**9))
    sf.write(tmp_path / "low.wav", np.resize(X, 4 * SR_LOW), SR_LOW)
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk, and not everywhere")
    try:
        with pytest.raises(OSError) as error:
            chunks.super_resolve_file(Nothing(), tmp_path / "low.wav", disk / "high.wav", 0.5)
        assert error.value.errno == errno.ENOSPC and names(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


# --- the sound -----------------------------------------------------------------------------------

SILENT = 2.0**-15  # -90 dBFS, one step of 16 bits: no ear and no 16-bit player has it


@pytest.mark.parametrize("length", [1, 100, 5000, SR_LOW // 2])
def test_silence_stays_silence(deployed, tmp_path, length):
    sf.write(tmp_path / "low.wav", np.zeros(length), SR_LOW)
    for network in (deployed, Constant(), Edges()):
        chunks.super_resolve_file(network, tmp_path / "low.wav", tmp_path / "high.wav", 0.2, subtype="FLOAT", force=True)
        made, _ = sf.read(tmp_path / "high.wav")
        assert len(made) == 2 * length and np.abs(made).max() < SILENT
    with torch.inference_mode():
        raw = deployed(torch.zeros(1, 1, 4096)).abs().max()
    assert raw > 10 * SILENT  # there is something to remove


def test_silence_within_a_recording_stays_silence(deployed, tmp_path):
    """Half a second after the sound, the filter has forgotten it; the network never sees so far."""
    x = np.concatenate([np.zeros(SR_LOW // 4), X, np.zeros(SR_LOW)])
    sf.write(tmp_path / "low.wav", x, SR_LOW)
    chunks.super_resolve_file(deployed, tmp_path / "low.wav", tmp_path / "high.wav", 0.3, subtype="FLOAT")
    made, _ = sf.read(tmp_path / "high.wav")
    assert np.abs(made[-SR_HIGH // 2 :]).max() < SILENT and np.abs(made[: SR_HIGH // 5]).max() < SILENT


def test_what_the_recording_has_below_20_hz_stays(tmp_path):
    t = np.arange(SR_LOW) / SR_LOW
    sf.write(tmp_path / "low.wav", 0.25 + 0.25 * np.sin(2 * np.pi * 5 * t), SR_LOW, subtype="FLOAT")
    chunks.super_resolve_file(Constant(), tmp_path / "low.wav", tmp_path / "high.wav", 0.3, subtype="FLOAT")
    made, _ = sf.read(tmp_path / "high.wav")
    wanted = 0.25 + 0.25 * np.sin(2 * np.pi * 5 * np.arange(2 * SR_LOW) / SR_HIGH)
    assert np.abs(made - wanted)[100:-100].max() < 1e-3  # the ripple of kaiser_fast; at the ends it rings


def test_the_addition_is_faded_and_else_as_it_is(tmp_path):
    """A network that adds a tone: it is there from 10 ms after the beginning to 10 ms before the end, as loud as it was."""

    class Tone(NoNetwork):
        def __call__(self, x, first, total):
            return x + 0.1 * torch.sin(2 * torch.pi * 15000 / SR_HIGH * (first + torch.arange(x.shape[-1], dtype=torch.float64))).float()

    sf.write(tmp_path / "low.wav", np.zeros(SR_LOW // 2), SR_LOW)
    chunks.super_resolve_file(Tone(), tmp_path / "low.wav", tmp_path / "high.wav", 0.2, subtype="FLOAT")
    made, _ = sf.read(tmp_path / "high.wav")  # 2 % of the tone's first sample still rings in the filter at the beginning
    assert signals.rms(made[441:-441]) == pytest.approx(0.1 / np.sqrt(2), rel=1e-3)
    size = np.abs(np.concatenate([made[:442], made[:-443:-1]]))
    ramp = np.tile((np.arange(442) + 1) / 441, 2).clip(0, 1)
    assert (size <= 0.102 * ramp).all() and (size.reshape(2, -1)[:, 300:] > 0.06).any()


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def command(untrained, monkeypatch, tmp_path):
    """The command, with an untrained network in place of the published one."""
    file = tmp_path / "weights" / "unet.safetensors"
    checkpoints.write_weights(file, untrained.state_dict())
    files.write_json(file.with_suffix(".json"), {"sha256": files.sha256_of(file)})
    monkeypatch.setattr(paths, "weights", lambda: file.parent)
    monkeypatch.chdir(tmp_path)
    return lambda *words: cli.main(["--device", "cpu", *map(str, words)])


def test_published_weights_that_are_damaged_or_missing_are_refused_by_name(command, low, capsys):
    file = paths.weights() / "unet.safetensors"
    data = bytearray(file.read_bytes())
    data[-100] ^= 1  # in a weight: the file can still be read
    file.write_bytes(data)
    for problem in ("unet.safetensors is damaged: its checksum is not the one of unet.json", "unet.safetensors is missing"):
        assert command("low.wav", "high.wav") == 1
        assert f"{problem}. To restore it: git checkout -- data/weights" in capsys.readouterr().err
        assert not Path("high.wav").exists()
        file.unlink(missing_ok=True)


def test_a_training_of_ones_own_is_another_network(command, untrained, low, capsys):
    assert command("low.wav", "high.wav", "--network", "smoke") == 1
    assert "There is no network 'smoke'. The networks here are unet." in capsys.readouterr().err
    folder = paths.trainings("smoke") / "a-training"
    checkpoints.write(folder / "best.pt", {"model": untrained.state_dict(), "optimizer": None, "state": {}, "config": {}}, 0)
    files.write_json(folder / "config.json", {"config": {"steps": 1}})
    assert weights.known() == {"unet": paths.weights() / "unet.safetensors", "smoke": folder / "best.pt"}
    assert command("low.wav", "high.wav", "--network", "smoke") == 0 and "by the network smoke" in capsys.readouterr().out
    assert command("low.wav", "again.wav", "--network", folder / "best.pt") == 0
    assert Path("high.wav").read_bytes() == Path("again.wav").read_bytes()
    data = (folder / "best.pt").read_bytes()
    (folder / "best.pt").write_bytes(data[:-100])
    assert command("low.wav", "high.wav", "--network", "smoke", "--force") == 1
    said = capsys.readouterr().err
    assert "best.pt is damaged" in said and "Repeat the run that trained this network" in said


def test_without_any_network_the_command_says_what_to_run(command, low, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(paths, "weights", lambda: tmp_path / "nothing")
    assert command("low.wav", "high.wav") == 1
    assert "No network is trained on this machine: run ./run_all.sh first." in capsys.readouterr().err


def test_the_command(command, low, capsys):
    assert command("low.wav", "high.wav") == 0 and "high.wav: 0.2 s at 44100 Hz" in capsys.readouterr().out
    assert sf.info("high.wav").subtype == "PCM_24"
    assert command("low.wav", "high.wav") == 1 and "--force" in capsys.readouterr().err
    assert command("low.wav", "high.wav", "--force", "--subtype", "PCM_16") == 0
    assert sf.info("high.wav").subtype == "PCM_16"
    assert command("low.wav", "low.wav", "--force") == 1 and "is the recording itself" in capsys.readouterr().err
    assert sf.info("low.wav").samplerate == SR_LOW


def test_a_file_that_appears_meanwhile_is_not_replaced(command, low, tmp_path, monkeypatch, capsys):
    def appears(*arguments, **options):
        (tmp_path / "high.wav").write_text("precious")
        return really(*arguments, **options)

    really = chunks._enhanced
    monkeypatch.setattr(chunks, "_enhanced", appears)
    assert command("low.wav", "high.wav") == 1
    assert "high.wav exists" in capsys.readouterr().err and (tmp_path / "high.wav").read_text() == "precious"
    assert not list(tmp_path.glob("*.part"))


def test_a_disk_that_is_too_small_for_the_result_is_told_before_the_work(low, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 100))
    with pytest.raises(SoundError, match=r"high.wav needs 0 MB, but its disk has 0 MB free: give a target on a larger disk"):
        chunks.super_resolve_file(NoNetwork(), low, tmp_path / "high.wav")


def test_advice_for_a_name_that_looks_like_an_option(tmp_path):
    x = X.copy()
    x[2000] = np.nan
    sf.write(tmp_path / "12:30 -archive.wav", x, SR_LOW, subtype="FLOAT")
    with pytest.raises(SoundError) as caught:
        chunks.super_resolve_file(NoNetwork(), tmp_path / "12:30 -archive.wav", tmp_path / "high.wav")
    words = shlex.split(str(caught.value).partition("before that: ")[2])
    assert words == ["ffmpeg", "-i", f"file:{tmp_path}/12:30 -archive.wav", "-t", "0.09", "-ar", "22050", "OUT.wav"]
