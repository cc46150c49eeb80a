"""Reading sound: what is whole is read to its end, whatever the header says; what is not whole is refused, and said what and where."""

import io
import os
import tracemalloc

import numpy as np
import pytest
import soundfile as sf
from sounds import NOT_WHOLE, OPEN, made, mp3_with_tags, mp3_without_count, patched, wav_sizes

from audiosr_lib.base import sound
from audiosr_lib.base.sound import SoundError

RATE = 22050


def noise(seconds: float, seed: int = 0, level: float = 0.2) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).clip(-1, 1)


X = noise(2.5)
QUIET_FIRST = np.concatenate([1e-4 * noise(1.5), noise(2)])
LOUD_FIRST = np.concatenate([noise(0.5), 1e-3 * noise(2), noise(0.5)])


def read(source, *arguments) -> np.ndarray:
    with sound.opened(source) as recording:
        return np.concatenate([np.zeros((0, recording.channels), np.float32), *recording.blocks(*arguments)])


@pytest.mark.parametrize("format, subtype", [(f, s) for f in ("WAV", "FLAC", "AIFF", "RF64") for s in ("PCM_16", "PCM_24")] + [
    ("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("WAV", "ULAW"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])  # fmt: skip
def test_good_files_are_read_as_soundfile_reads_them(format, subtype):
    x = np.stack([X, X[::-1]], axis=1)
    data = made(x, RATE, format, subtype)
    whole = sf.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
    tolerance = 1e-6 if format == "MP3" else 0  # its decoder's last bit depends on the lengths of the reads
    np.testing.assert_allclose(read(data), whole, rtol=0, atol=tolerance)
    for start, frames in ((30000, 10001), (30000, -1), (0, 5)):
        wanted = whole[start : start + frames if frames >= 0 else None]
        np.testing.assert_allclose(read(data, start, frames), wanted, rtol=0, atol=tolerance)
    about = sound.survey(data)
    assert (about.rate, about.channels, about.frames, about.length_open, about.followed) == (RATE, 2, len(x), False, False)
    assert about.peak == pytest.approx(np.abs(whole).max(), abs=tolerance)


@pytest.mark.parametrize("name", OPEN)
def test_an_open_length_is_read_to_the_end(name, tmp_path):
    (tmp_path / name).write_bytes(OPEN[name](X, RATE))
    about = sound.survey(tmp_path / name)
    assert (about.frames, about.length_open) == (len(X), True)
    good = made(X, RATE, {".ogg": "OGG", ".flac": "FLAC"}.get(name[name.rindex(".") :], "WAV"))
    assert np.array_equal(read(tmp_path / name), read(good))
    assert np.array_equal(read(tmp_path / name, 20000, 10000), read(good)[20000:30000])


@pytest.mark.parametrize("maker", [mp3_without_count, mp3_with_tags])
@pytest.mark.parametrize("x", [QUIET_FIRST, LOUD_FIRST], ids=["quiet first", "loud first"])
def test_mp3_of_estimated_length_is_read_to_the_end(x, maker):
    data = maker(x, RATE)
    frames = sf.info(io.BytesIO(data)).frames
    assert abs(frames - len(x)) > RATE / 2  # the estimate is wrong: the fault is there
    about = sound.survey(data)
    assert len(x) <= about.frames <= len(x) + 3 * 1152 and about.length_open  # whole frames, and the delay of the encoder
    end = read(data)[-len(x) // 8 :]
    assert 0.1 < np.sqrt(np.mean(end**2)) < 0.3  # the loud end is there
    assert np.array_equal(read(data, 30000, 12345), read(data)[30000:42345])


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_what_is_not_whole_is_refused(name, tmp_path):
    maker, said = NOT_WHOLE[name]
    (tmp_path / name).write_bytes(maker(X, RATE))
    with pytest.raises(SoundError, match=f"^{said}: [0-9]+ (of|samples)") as error:
        sound.survey(tmp_path / name)
    assert 0 < error.value.seconds <= len(X) / RATE
    got = read(tmp_path / name, 0, int(error.value.seconds * RATE) - 1)  # so much is there
    if not name.endswith((".ogg", ".mp3")):
        assert np.array_equal(got, read(made(X, RATE, "FLAC" if name.endswith(".flac") else "WAV"))[: len(got)])


def test_the_name_of_a_file_does_not_matter(tmp_path):
    for format, suffix in (("MP3", ".wav"), ("WAV", ".flac"), ("FLAC", ".mp3"), ("OGG", ".raw"), ("WAV", "")):
        (tmp_path / f"x{suffix}").write_bytes(made(X, RATE, format))
        assert sound.survey(tmp_path / f"x{suffix}").frames == len(X)


def test_pieces_of_mp3_are_pieces_of_the_whole():
    """libsndfile's seek in such files gives other samples, off by up to 0.7."""
    t = np.arange(6 * 48000) / 48000  # the encoder saves bits in the pauses: a frame may begin long before its samples
    x = 0.15 * np.sin(2 * np.pi * 300 * t) * (1 + np.sin(2 * np.pi * 3 * t)) + np.resize(X, len(t)) * (np.sin(2 * np.pi * 0.7 * t) > 0)
    data = made(x, 48000, "MP3", bitrate_mode="VARIABLE", compression_level=0.9)
    whole = read(data)
    for start in range(1000, len(whole) - 3000, len(whole) // 40):
        np.testing.assert_allclose(read(data, start, 3000), whole[start : start + 3000], rtol=0, atol=1e-6)


def test_gsm_which_cannot_be_sought_in_is_read(tmp_path):
    sf.write(tmp_path / "x.wav", X, RATE, subtype="GSM610")
    assert not sf.SoundFile(tmp_path / "x.wav").seekable()
    assert 0 <= sound.survey(tmp_path / "x.wav").frames - len(X) < 640  # blocks of 320
    assert np.array_equal(read(tmp_path / "x.wav", 5000, 700), read(tmp_path / "x.wav")[5000:5700])


@pytest.mark.parametrize("format", ["OGG", "MP3", "FLAC"])
def test_joined_files_are_noticed(format):
    one = made(X, RATE, format)
    about = sound.survey(one + one)
    assert about.frames == len(X) and about.followed
    assert not sound.survey(one + b"TAG" + bytes(125)).followed  # a title


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 12345, len(X) - 1])
def test_nan_and_infinity_are_refused_with_their_place(bad, at):
    x = np.stack([X, X], axis=1)
    x[at, 1] = bad
    with pytest.raises(SoundError, match=rf"^contains NaN or infinite samples: the first at {at / RATE:.3f} s in channel 2$"):
        sound.survey(made(x, RATE, "WAV", "FLOAT"))


def test_numbers_beyond_single_precision_are_infinite():
    x = X.copy()
    x[7] = 1e300
    with pytest.raises(SoundError, match="NaN or infinite"):
        sound.survey(made(x, RATE, "WAV", "DOUBLE"))


@pytest.mark.parametrize("scale, gain", [(1, 1), (2, sound.PEAK / 2), (2**15, 2**-15), (2**23, 2**-23), (2**31, 2**-31)])
def test_the_gain_of_what_exceeds_full_scale(scale, gain):
    x = X / np.abs(X).max() * (scale - 1 if scale > 2 else scale)
    about = sound.survey(made(np.round(x) if scale > 2 else x, RATE, "WAV", "DOUBLE"))
    assert about.gain == pytest.approx(gain, rel=1e-6) and about.integers == (scale > 2)
    if scale > 2:  # what is near integers, but none, is brought to just below full scale
        assert sound.survey(made(x, RATE, "WAV", "DOUBLE")).gain * (scale - 1) == pytest.approx(sound.PEAK, rel=1e-6)


@pytest.mark.parametrize("data", [b"", b"no sound", b"\0" * 5000, b"RIFF\0\0\0\0WAVE", b"fLaC", b"\0\0\0\x20ftypM4A " + bytes(3000)])
def test_what_is_no_sound_is_unreadable(data, tmp_path):
    (tmp_path / "x.wav").write_bytes(data)
    with pytest.raises(SoundError, match=r"^unreadable: .*[^.]$"):
        sound.survey(tmp_path / "x.wav")


def test_folders_pipes_and_missing_files_are_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")  # opening it would wait for a writer
    for path, said in ((tmp_path, "a folder"), (tmp_path / "pipe.wav", "a pipe or device"), (tmp_path / "none.wav", "No such file")):
        with pytest.raises(SoundError, match=f"^unreadable: {said}"):
            sound.survey(path)


def test_empty_recordings_have_no_frames():
    for format in ("WAV", "AIFF", "RF64"):
        assert sound.survey(made(X[:0], RATE, format)).frames == 0
    after = b"LIST" + (20).to_bytes(4, "little") + b"INFOISFT" + (8).to_bytes(4, "little") + b"recorder"
    assert sound.survey(made(X[:0], RATE, "WAV") + after).frames == 0  # no samples, but a title


def test_chunks_and_tags_after_the_samples_are_not_read_as_sound():
    for after in (b"id3 " + (9000).to_bytes(4, "little") + bytes(9000), b"TAG" + bytes(125), b"ID3\3\0\0" + bytes(9000), b"\r\n"):
        about = sound.survey(made(X, RATE, "WAV") + after)
        assert (about.frames, about.length_open) == (len(X), False)


def test_a_wrong_size_of_the_whole_file_does_no_harm():
    for riff in (0, 1000, 2**31, 2**32 - 1):
        assert sound.survey(patched(made(X, RATE, "WAV"), 4, riff.to_bytes(4, "little"))).frames == len(X)


def test_silence_after_a_crash_is_not_taken_for_chunks():
    about = sound.survey(wav_sizes(np.zeros(4000), RATE, 0, 0))  # 1000 times four zeros as a name, and four as a size
    assert (about.frames, about.peak) == (4000, 0)


def test_an_error_of_the_disk_goes_up():
    """soundfile would print it and take the file for shorter."""

    class Failing(io.BytesIO):
        def readinto(self, buffer):
            if self.tell() > 50000:
                raise OSError(5, "Input/output error")
            return super().readinto(buffer)

    with pytest.raises(OSError, match="Input/output error"):
        list(sound.Recording(Failing(made(X, RATE, "WAV"))).blocks())


def test_an_error_of_writing_goes_up(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sound, "open", lambda *_: Full(), raising=False)
    with pytest.raises(OSError, match="No space left"), sound.created(tmp_path / "x.wav", RATE, 1, "PCM_16", "WAV") as writer:
        writer.write(X)


@pytest.mark.parametrize("maker", [flac for name, flac in OPEN.items() if name.startswith(("flac", "ffmpeg"))])
def test_memory_does_not_grow_with_the_length(tmp_path, maker):
    """A recording of 10 s takes 0.9 MB as float32, one of 40 s 3.5 MB. The limit is what one block and its copies take, with room."""
    peaks = []
    for seconds in (10, 40):
        (tmp_path / "x").write_bytes(maker(noise(seconds), RATE))
        tracemalloc.start()
        sound.survey(tmp_path / "x")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 500_000
