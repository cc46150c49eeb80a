"""Players and pictures: one gain, lossless, and scales that agree."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile as sf

from audiosr_lib import signals
from audiosr_lib.teaching import player, plotting
from audiosr_lib.teaching.player import Version


def embedded(html: str) -> list[tuple[np.ndarray, int]]:
    blobs = re.findall(r"data:audio/flac;base64,([A-Za-z0-9+/=]+)", html)
    return [sf.read(io.BytesIO(base64.b64decode(b)), dtype="float64") for b in blobs]


def test_one_gain_for_all_versions(speech):
    loud, quiet = Version("loud <&>", 0.9 * speech, 44100), Version("quiet", 0.09 * speech[::2], 22050)
    html = player.players([loud, quiet], "Two levels").data
    (a, sr_a), (b, sr_b) = embedded(html)
    assert (sr_a, sr_b, len(a), len(b)) == (44100, 22050, len(speech), len(speech[::2]))
    assert signals.db(np.abs(a).max()) == pytest.approx(player.PEAK_DB, abs=0.01)
    gain = player.shared_gain([loud, quiet])
    np.testing.assert_allclose(a, gain * loud.x, atol=1 / 32768)
    np.testing.assert_allclose(b, gain * quiet.x, atol=1 / 32768)
    assert "loud &lt;&amp;&gt;" in html and "Two levels" in html


def test_a_player_states_the_gain_the_levels_and_the_loudness(speech):
    """As measured on the embedded bytes; versions that differ only in what the gain does are as loud."""
    html = player.players([Version("a", 0.1 * speech, 44100), Version("b", 0.05 * speech, 44100)]).data
    gain_db = signals.db(player.shared_gain([Version("a", 0.1 * speech, 44100)]))
    assert f"One gain for all versions: {gain_db:+.1f} dB" in html and f'data-gain="{gain_db:.3f}"' in html
    (a, _), (b, _) = embedded(html)
    lufs = [float(v) for v in re.findall(r'data-lufs="([^"]+)"', html)]
    assert lufs == pytest.approx([player.loudness(a, 44100), player.loudness(b, 44100)], abs=0.001)
    assert lufs[0] - lufs[1] == pytest.approx(20 * np.log10(2), abs=0.01)
    levels = [float(v) for v in re.findall(r'data-rms="([^"]+)"', html)]
    assert levels == pytest.approx([signals.db(signals.rms(v)) for v in (a, b)], abs=0.051)


def test_loudness_of_the_standards_tone():
    """BS.1770: a sine of 997 Hz at full scale in one channel is -3.01 LUFS, at 22.05 kHz too; EBU Tech 3341 lets a meter err by 0.1."""
    for sr in (44100, 22050):
        tone = signals.sine(997, 2.0, sr)
        assert player.loudness(tone, sr) == pytest.approx(-3.01, abs=0.1)
        assert player.loudness(0.1 * tone, sr) == pytest.approx(-23.01, abs=0.1)
    assert np.isnan(player.loudness(tone[: round(0.39 * sr)], sr))
    assert np.isnan(player.loudness(1e-5 * tone, sr))
    assert 'data-lufs=""' in player.players([Version("short", tone[:2000], sr)]).data


def test_the_code_comes_once_for_a_notebook_and_again_with_its_cell(speech, monkeypatch):
    def carries(cell):
        monkeypatch.setattr(player, "_this_cell", lambda: cell)
        html = player.players([Version("a", speech, 44100)]).data
        assert ("class Player" in html) != ("audiosrStart && " in html)
        return "class Player" in html

    monkeypatch.setattr(player, "_carrier", None)
    assert [carries(c) for c in ("one", "one", "two", "two", "one", "three")] == [True, True, False, False, True, False]
    assert carries(None)  # outside of a notebook, always


def test_the_code_is_whole_and_asks_nothing_of_a_network():
    code = player._code()
    assert code.count("<script>") == code.count("</script>") == 1 and "http" not in code
    assert len(code) < 30_000  # it is in every executed notebook
    assert "window.audiosrStart();" in code and " LUFS" in code


def test_players_need_sound(speech):
    with pytest.raises(ValueError, match="silent"):
        player.shared_gain([Version("nothing", np.zeros(100), 44100)])
    with pytest.raises(ValueError, match="full scale"):
        player.flac_bytes(3 * speech / np.abs(speech).max(), 44100)


def test_flac_loses_nothing(speech):
    steps = np.round(speech / np.abs(speech).max() * 32767) / 32768
    data = player.flac_bytes(steps, 44100)
    np.testing.assert_array_equal(sf.read(io.BytesIO(data), dtype="float64")[0], steps)
    assert sf.info(io.BytesIO(data)).subtype == "PCM_16"
    usual = io.BytesIO()
    sf.write(usual, steps, 44100, format="FLAC", subtype="PCM_16")
    assert len(data) < len(usual.getvalue())


def test_loudest_stretch_is_found_at_both_rates():
    """A burst at 15 kHz from 0.53 s to 0.63 s, beside a louder tone at 300 Hz in the beginning."""
    x = np.zeros(44100)
    x[23373:27783] = 0.1 * signals.sine(15000, 0.1, 44100)
    x[2000:12000] += signals.sine(300, 10000 / 44100, 44100)
    start_s = player.loudest_s(x, 44100, 0.14, above_hz=11025)
    assert 0.49 <= start_s <= 0.53 and start_s / player.GRID_S == pytest.approx(round(start_s / player.GRID_S))
    assert (start_s * 22050) == pytest.approx(round(start_s * 22050))
    assert player.loudest_s(x, 44100, 0.1) < 0.3
    assert player.loudest_s(x, 44100, 1.0) == player.loudest_s(x, 44100, 3.0) == 0.0
    with pytest.raises(ValueError, match="must be positive"):
        player.loudest_s(x, 44100, 0.0)


def test_excerpt_is_the_signal_but_for_its_fades(speech):
    whole = speech.copy()
    part = player.excerpt(speech, 44100, 0.2, 0.5)
    inside, fade = speech[8820 : 8820 + 22050], round(0.005 * 44100)
    assert part.shape == inside.shape
    np.testing.assert_array_equal(part[fade:-fade], inside[fade:-fade])
    ones = player.excerpt(np.ones(44100), 44100, 0.2, 0.5)
    assert ones[0] < 0.001 and ones[-1] < 0.001 and np.all(np.diff(ones[:fade]) > 0)
    np.testing.assert_allclose(ones, ones[::-1])
    np.testing.assert_allclose(ones[:fade] + ones[:fade][::-1], 1)  # a cross-fade keeps a constant
    np.testing.assert_array_equal(speech, whole)
    assert len(player.excerpt(speech[::2], 22050, 0.2, 0.5)) == len(part) // 2
    assert len(player.excerpt(speech, 44100, 0.8, 0.5)) == len(speech) - 35280  # as much as there is
    np.testing.assert_array_equal(player.excerpt(speech, 44100, 0.2, 0.5, fade_s=0), inside)
    for start_s, seconds in ((1.0, 0.5), (-0.1, 0.5), (0.2, 0.004)):
        with pytest.raises(ValueError, match="no excerpt"):
            player.excerpt(speech, 44100, start_s, seconds)


def test_spectrograms_share_their_scale(speech):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    reference = plotting.reference_power(speech)
    fig, axes = plt.subplots(1, 2)
    images = [plotting.spectrogram(ax, g * speech, 44100, reference=reference)[1] for ax, g in zip(axes, (1.0, 0.1), strict=True)]
    assert images[0].get_clim() == images[1].get_clim() == plotting.DB_RANGE
    one, tenth = (np.asarray(i.get_array()) for i in images)
    assert one.max() == pytest.approx(0.0, abs=1e-9)
    loud = one > -60
    np.testing.assert_allclose(tenth[loud], one[loud] - 20, atol=1e-6)
    plt.close(fig)


@pytest.mark.parametrize(("which", "other"), [("x", "y"), ("y", "x")])
def test_a_plain_log_axis_has_three_decimal_labels_in_view_and_leaves_the_other_axis(which, other):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    ax.plot([0.12, 4.4], [0.12, 4.4])
    plotting.plain_log_axis(ax, which)
    assert (getattr(ax, f"get_{which}scale")(), getattr(ax, f"get_{other}scale")()) == ("log", "linear")
    fig.canvas.draw()
    low, high = getattr(ax, f"get_{which}lim")()
    labels = [t.get_text() for t in getattr(ax, f"get_{which}ticklabels")() if low <= t.get_position()["xy".index(which)] <= high]
    assert labels == ["0.3", "1", "3"]
    plt.close(fig)


def test_colours_are_told_apart_in_grey():
    """The systems that share an axis differ in luminance or, failing that, in line style."""
    import matplotlib.colors as mc

    luminance = {k: np.dot(mc.to_rgb(c), (0.2126, 0.7152, 0.0722)) for k, c in plotting.COLOURS.items()}
    names = ["original", "kaiser_fast", "kaiser_best", "unet"]
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            assert abs(luminance[a] - luminance[b]) > 0.1 or plotting.LINES[a] != plotting.LINES[b], (a, b)


def test_a_figure_is_described_in_words():
    """Title, and of each panel its name, axes and curves; a colour bar by its label; shared labels count for every panel."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 3)
    axes[0].plot([1, 2], label="Kaiser fast")
    axes[0].set(title="one", xlabel="time (s)", ylabel="level\n(dB)")
    axes[0].legend()
    fig.colorbar(axes[1].imshow(np.eye(3)), ax=axes[1], label="power (dB)")
    axes[1].set_title("two")
    axes[2].set_axis_off()
    fig.supxlabel("shared (s)")
    fig.set_label("Figure 1.2: A title")
    said = "Figure 1.2: A title. 2 panels. one: level (dB) over time (s): Kaiser fast. two: shared (s). colours: power (dB)"
    assert plotting.description(fig) == said
    plt.close(fig)


def test_small_png_looks_as_drawn_and_is_small():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    fig, axes = plt.subplots(1, 2, figsize=(7, 3))
    axes[0].plot(np.random.default_rng(0).normal(size=(200, 5)))
    axes[1].imshow(np.random.default_rng(1).normal(size=(60, 60)), cmap="magma")
    whole = io.BytesIO()
    fig.savefig(whole, dpi=120, bbox_inches="tight", format="png")
    small = plotting.small_png(fig, 120)
    a, b = (np.asarray(Image.open(f).convert("RGB")).astype(int) for f in (whole, io.BytesIO(small)))
    assert a.shape == b.shape
    assert np.abs(a - b).mean() < 1.0  # of 255
    assert (b[(a == 255).all(-1)] == 255).all()  # paper stays white
    assert len(Image.open(io.BytesIO(small)).getcolors()) <= 128
    assert len(small) < 0.6 * len(whole.getvalue())
    plt.close(fig)
