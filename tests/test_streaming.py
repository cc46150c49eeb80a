"""Recordings in parts: no seam, no growth, and clear refusals."""

import contextlib
import copy
import types

import numpy as np
import pytest
import soundfile as sf
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from audiosr_lib import metrics, resampling, streaming, training
from audiosr_lib.deployed import Captured, Deployed, upsample_part
from audiosr_lib.resampling import SR_HIGH, SR_LOW


@pytest.fixture(scope="module")
def model():
    """A network whose batch norms do something and whose correction is as large as its input."""
    network = training.new_model(0)
    chance = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_mean.copy_(0.1 * torch.randn(layer.num_features, generator=chance))
            layer.running_var.copy_(0.2 + torch.rand(layer.num_features, generator=chance))
    with torch.no_grad():
        network.final.weight.mul_(8)
    return network.eval()


def noise(length: int) -> np.ndarray:
    return 0.3 * np.random.default_rng(length).standard_normal(length).astype(np.float32)


@torch.inference_mode()
def whole(model, x: np.ndarray) -> np.ndarray:
    """The plain network in double precision."""
    return copy.deepcopy(model).double()(torch.from_numpy(x)[None, None].double())[0, 0].numpy()


@pytest.fixture(scope="module")
def deployed(model):
    return Deployed(model)


@pytest.fixture(scope="module")
def double(model):
    return Deployed(copy.deepcopy(model).double(), torch.float64)


@pytest.mark.parametrize("length", [1, 127, 128, 44100, 60001, 131072, 130943])
def test_parts_make_the_whole(model, double, length):
    """In double precision, where nothing but the seams could differ; lengths odd, even, shorter than a part, ending right after one."""
    x = noise(length)
    expected = whole(model, x)
    for seconds in (0.5, 0.7):
        made = streaming.enhance_long(double, x, seconds)  # returns float32
        np.testing.assert_allclose(made, expected, atol=2e-7 * max(1, np.abs(expected).max()))


def test_in_single_precision_too(model, deployed):
    x = noise(5 * SR_HIGH)
    made = streaming.enhance_long(deployed, x, 1.0)
    expected = whole(model, x)
    assert np.abs(expected - x).max() > 0.5  # the network does something
    assert np.abs(made - expected).max() < 1e-4


def test_the_whole_system_in_parts(model, deployed):
    low = noise(3 * SR_LOW + 1)
    expected = whole(model, resampling.interpolate(low))
    assert np.abs(streaming.super_resolve_long(deployed, low, 0.5) - expected).max() < 1e-4
    assert streaming.super_resolve_long(deployed, low[:1]).shape == (2,)


def test_parts_without_their_place_do_not_make_the_whole(model):
    """What the module is for: the plain network on a part, margin and all, is not what it is within the whole."""
    x = noise(2 * SR_HIGH)
    begin, end = 44032, 66048
    with torch.inference_mode():
        piece = torch.from_numpy(x[begin - streaming.MARGIN : end + streaming.MARGIN]).double()[None, None]
        alone = copy.deepcopy(model).double()(piece)[0, 0, streaming.MARGIN : -streaming.MARGIN].numpy()
    assert np.abs(alone - whole(model, x)[begin:end]).max() > 1e-3


def test_the_margin_is_longer_than_the_network_sees(model):
    """One sample changed: the output changes nowhere beyond the margin. The network's reach is measured, not assumed."""
    x, at = noise(2 * SR_HIGH), SR_HIGH
    other = x.copy()
    other[at] += 1
    changed = np.flatnonzero(np.abs(whole(model, x) - whole(model, other)) > 0)
    reach = max(at - changed[0], changed[-1] - at)
    assert 500 < reach < 1200 < streaming.MARGIN


def upsampled(x, *numbers, wanted):
    """`upsample_part` with channels first and plain numbers."""
    return upsample_part(x.transpose(1, 2), *(torch.tensor(float(n), dtype=torch.float64) for n in numbers), wanted).transpose(1, 2)


def test_upsampling_at_some_places_is_torchs():
    chance = torch.Generator().manual_seed(0)
    for length, odd in ((50, 0), (50, 1), (1, 0), (1, 1), (2, 1)):
        x = torch.randn(1, 3, length, dtype=torch.float64, generator=chance)
        full = torch.nn.functional.interpolate(x, scale_factor=2, mode="linear", align_corners=True)[..., odd:]
        torch.testing.assert_close(upsampled(x, 0, length, 0, 2 * length - odd, wanted=2 * length - odd), full)
    x = torch.randn(1, 3, 50, dtype=torch.float64, generator=chance)
    part = upsampled(x, 0, 50, 30, 100, wanted=40)
    torch.testing.assert_close(part, torch.nn.functional.interpolate(x, scale_factor=2, mode="linear", align_corners=True)[..., 30:70])


def test_wrong_parts_are_refused(model, deployed):
    with pytest.raises(ValueError, match="multiples of 128"):
        deployed(torch.zeros(1, 1, 256), 64, 1000)
    with pytest.raises(ValueError, match="multiples of 128"):
        deployed(torch.zeros(1, 1, 200), 128, 1000)
    with pytest.raises(ValueError, match="is none"):
        streaming.enhance_long(deployed, noise(1000), 0.0)
    with pytest.raises(ValueError, match="evaluation mode"):
        Deployed(training.new_model(0).train())


def test_half_precision_errs_far_below_the_sound(model, deployed):
    x = noise(SR_HIGH)
    exact = streaming.enhance_long(deployed, x)
    half = streaming.enhance_long(Deployed(model, torch.bfloat16), x)
    assert half.dtype == np.float32 and not np.array_equal(half, exact)
    assert metrics.snr_db(half, exact) > 35


def test_the_fastest_is_one_of_those_tried(model, monkeypatch):
    monkeypatch.setitem(streaming.TRIED_SECONDS, "cpu", (0.1, 0.2))
    for half in (False, True):
        chosen, seconds = streaming.fastest(model, half)
        assert seconds in (0.1, 0.2) and (half or chosen.dtype == torch.float32)


def test_the_fastest_fits_into_memory(model, monkeypatch):
    monkeypatch.setitem(streaming.TRIED_SECONDS, "cpu", (0.1, 0.2))
    enhance = streaming.enhance_long

    def small(deployed, x, seconds):
        if seconds > fits:
            raise torch.OutOfMemoryError
        return enhance(deployed, x, seconds)

    monkeypatch.setattr(streaming, "enhance_long", small)
    fits = 0.1
    assert streaming.fastest(model)[1] == 0.1
    fits = 0
    with pytest.raises(torch.OutOfMemoryError):
        streaming.fastest(model)
    assert streaming.too_large(RuntimeError("GET was unable to find an engine to execute this computation"))
    assert not streaming.too_large(RuntimeError("sizes do not match"))


# --- CUDA graphs ---------------------------------------------------------------------------------


class Recorder(TorchDispatchMode):
    """What a CUDA graph is, on the CPU: the operations with the very memory they read and wrote, to be done again without Python."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, made))
        return made

    def replay(self):
        for function, args, kwargs, made in self.calls:
            again = function(*args, **kwargs)
            for old, new in zip(*((t if isinstance(t, (list, tuple)) else [t]) for t in (made, again)), strict=True):
                old.copy_(new)


@pytest.fixture
def recorded(monkeypatch):
    """torch.cuda's graphs replaced by `Recorder`; the list of those made."""
    made = []

    def graph():
        made.append(Recorder())
        return made[-1]

    stream = types.SimpleNamespace(wait_stream=lambda other: None)
    fakes = {"CUDAGraph": graph, "graph": lambda g: g, "stream": contextlib.nullcontext}
    for name, fake in (fakes | dict.fromkeys(("Stream", "current_stream"), lambda device: stream)).items():
        monkeypatch.setattr(torch.cuda, name, fake)
    return made


def test_a_graph_holds_nothing_of_the_part_it_was_made_with(model, deployed, recorded):
    """Parts of several signals at several places through one recording: all that changes must have come in by its inputs."""
    graph = streaming.captured(deployed, 0.2)
    assert len(recorded) == 1 and len(recorded[0].calls) > 100
    replayed = []
    recorded[0].replay = lambda replay=recorded[0].replay: replayed.append(1) or replay()
    for length in (2 * SR_HIGH, 3 * SR_HIGH - 1):
        x = noise(length)
        before = len(replayed)
        np.testing.assert_array_equal(streaming.enhance_long(graph, x, 0.2), streaming.enhance_long(deployed, x, 0.2))
        assert len(replayed) - before >= length // (0.2 * SR_HIGH) - 3  # all but those at the ends
    with torch.inference_mode():
        first, second = graph(torch.ones_like(graph.x), 0, SR_HIGH), graph(torch.zeros_like(graph.x), 0, SR_HIGH)
    assert not torch.equal(first, second)  # a result is not overwritten by the next
    with pytest.raises(ValueError, match="multiples of 128"):
        graph(torch.zeros_like(graph.x), 64, SR_HIGH)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_graph_on_a_gpu_is_the_network(model):
    x = noise(3 * SR_HIGH)
    expected = whole(model, x)
    there = Deployed(copy.deepcopy(model).to("cuda"))
    made = streaming.enhance_long(streaming.captured(there, 0.5), x, 0.5)
    assert np.abs(made - streaming.enhance_long(there, x, 0.5)).max() < 1e-6
    assert np.abs(made - expected).max() < 1e-2  # TF32 may be on
    assert isinstance(streaming.fastest(copy.deepcopy(model).to("cuda"), True)[0], Captured)


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_file_is_the_whole_system_on_every_channel(model, deployed, tmp_path, suffix):
    low = 0.3 * np.random.default_rng(3).standard_normal((2, SR_LOW)).clip(-1, 1)
    sf.write(tmp_path / "low.wav", low.T, SR_LOW, subtype="FLOAT")
    told = []
    seconds = streaming.super_resolve_file(deployed, tmp_path / "low.wav", tmp_path / f"high{suffix}", 0.2, told.append)
    made, sr = sf.read(tmp_path / f"high{suffix}")
    assert (sr, made.shape, seconds, sum(told)) == (SR_HIGH, (2 * SR_LOW, 2), 1.0, 2 * SR_LOW)
    for channel, signal in enumerate(low):
        expected = whole(model, resampling.interpolate(signal.astype(np.float32)))
        assert np.abs(made[:, channel] - expected.clip(-1, 1)).max() < 1e-4
    assert not list(tmp_path.glob("*.part"))


def test_files_that_cannot_be_done_say_what_to_do(deployed, tmp_path, capsys):
    sf.write(tmp_path / "cd.wav", np.zeros(1000), SR_HIGH)
    sf.write(tmp_path / "empty.wav", np.zeros(0), SR_LOW)
    (tmp_path / "text.wav").write_text("no sound")
    refusals = {"cd": "has 44100 Hz", "empty": "is empty", "text": "cannot be read", "none": "cannot be read"}
    for source, target, said in [(f"{s}.wav", "out.wav", said) for s, said in refusals.items()] + [("cd.wav", "out.mp3", ".wav or .flac")]:
        with pytest.raises(streaming.InputError, match=said):
            streaming.super_resolve_file(deployed, tmp_path / source, tmp_path / target)
    assert not list(tmp_path.glob("out*"))
    assert streaming.main([str(tmp_path / "cd.wav"), str(tmp_path / "out.wav"), "--profile", "smoke"]) == 1
    assert "08_unet_training" in capsys.readouterr().err  # there is no network yet


def test_a_failure_leaves_no_half_made_file(deployed, tmp_path, monkeypatch):
    sf.write(tmp_path / "low.wav", 0.1 * np.random.default_rng(0).standard_normal(SR_LOW), SR_LOW)

    def fails(n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        streaming.super_resolve_file(deployed, tmp_path / "low.wav", tmp_path / "high.wav", 0.2, fails)
    assert [p.name for p in tmp_path.iterdir()] == ["low.wav"]
