"""The player in a real browser: what it plays, shows and scores."""

import csv
import io
import itertools

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from browsing import OVERFLOWING, PHONE, hurdles

from audiosr_lib import signals
from audiosr_lib.teaching import player

SR = 44100
READY = "[...document.querySelectorAll('.audiosr-player')].every((r) => ['ready', 'plain'].includes(r.dataset.audiosr))"
PLAYER = "document.querySelector('.audiosr-player').player"
TEMPLATE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>player</title><style>:root {{ color-scheme: light dark; }} body {{ background: Canvas; color: CanvasText; }}</style></head>
<body><main><h1>A page</h1>{}</main></body></html>"""
# The strongest frequency that leaves the player, in Hz: what a listener hears.
HEAR = """async (player) => {
  const context = player.output.context, analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  player.output.connect(analyser);
  await new Promise((done) => setTimeout(done, 250));
  const level = new Float32Array(4096);
  analyser.getFloatFrequencyData(level);
  return level.indexOf(Math.max(...level)) * context.sampleRate / 8192;
}"""


def html(*tones: tuple[str, np.ndarray, int], gain_db: float = 0.0, with_code: bool = True, title: str = "A test") -> str:
    clips = [player.Encoded(label, player.flac_bytes(x, sr)) for label, x, sr in tones]
    return player.player_html(clips, title, gain_db, with_code=with_code)


def tone(hz: float, level: float = 0.5, seconds: float = 1.0, sr: int = SR) -> np.ndarray:
    return level * signals.sine(hz, seconds, sr)


@pytest.fixture
def show(open_page, tmp_path):
    """show(html, ...) -> page with its players ready."""

    def show_(*players: str, **options):
        file = tmp_path / "page.html"
        file.write_text(TEMPLATE.format("".join(players)), encoding="utf-8")
        page = open_page(file, **options)
        if options.get("java_script_enabled", True):
            page.wait_for_function(READY)
        return page

    return show_


def played(page, index: int = 0) -> np.ndarray:
    """Samples of a version as the player would play them now."""
    return np.array(page.evaluate(f"[...{PLAYER}.shown[{index}]]"), dtype=np.float64)


def test_every_clip_decodes_with_its_length_and_rate(show):
    rates = (44100, 22050, 11025, 8000)
    page = show(html(*((f"{sr} Hz", tone(1000, seconds=0.73, sr=sr), sr) for sr in rates)))
    versions = page.evaluate(f"{PLAYER}.versions.map((v) => [v.sr, v.x.length, v.length])")
    assert [v[0] for v in versions] == list(rates)
    for sr, (_, at_44100, own) in zip(rates, versions, strict=True):
        assert at_44100 == pytest.approx(0.73 * SR, abs=4)
        assert own == (len(tone(1000, seconds=0.73, sr=sr)) if sr != 8000 else at_44100)
    assert page.evaluate(f"{PLAYER}.duration") == pytest.approx(0.73, abs=1e-4)
    assert not page.is_visible("audio")  # one player in place of the table


def test_what_is_played_is_what_was_stored(show, speech):
    x = speech / np.abs(speech).max() / 2
    page = show(html(("speech", x, SR)))
    np.testing.assert_allclose(played(page), np.round(x * 32768) / 32768, atol=1.1 / 32768)


def test_a_low_rate_clip_is_brought_up_by_its_own_spectrum(show):
    x = tone(3000, sr=22050) * np.hanning(22050)
    page = show(html(("low", x, 22050)))
    np.testing.assert_allclose(played(page), scipy.signal.resample(x, SR), atol=1e-4)


def test_only_above_and_half_speed(show):
    """Against NumPy's FFT: the band, boosted by one gain that is said, and all frequencies halved."""
    low, high = (tone(1000) + 0.3 * tone(10900)) * np.hanning(SR), 0.05 * tone(15000) * np.hanning(SR)  # just below the edge, too
    page = show(html(("both", low + high, SR), ("none", low, SR), gain_db=3.0))
    page.keyboard.press("h")
    assert not page.evaluate(f"{PLAYER}.band")  # keys are the player's only once it has the focus
    page.focus(".audiosr-player")
    page.keyboard.press("h")
    np.testing.assert_allclose(played(page), signals.band(low + high, SR, 11025, SR), atol=1e-4)
    assert np.abs(played(page, 1)).max() < 1e-4  # what rounding to 16 bit leaves there
    gain = page.evaluate(f"{PLAYER}.gain")
    assert gain * np.abs(played(page)).max() == pytest.approx(10 ** (player.PEAK_DB / 20), rel=1e-3)
    assert f"{20 * np.log10(gain) + 3:+.1f} dB" in page.inner_text(".audiosr-gain")
    page.keyboard.press("o")
    slow = played(page)
    assert len(slow) == 2 * SR
    np.testing.assert_allclose(slow, scipy.signal.resample(high, 2 * SR), atol=2e-4)
    assert np.argmax(np.abs(np.fft.rfft(slow))) / 2 == pytest.approx(7500, abs=1)
    page.keyboard.press("h")
    assert page.evaluate(f"{PLAYER}.gain") * np.abs(played(page)).max() <= 1  # never beyond full scale


def test_half_speed_never_clips(show):
    """Samples of a signal that peaks between them: at twice the rate the peak appears, and the gain goes down."""
    x = np.sqrt(2) * np.sin(np.pi / 2 * np.arange(SR) + np.pi / 4) * np.hanning(SR) * 0.999
    page = show(html(("between", x, SR)))
    page.focus(".audiosr-player")
    page.keyboard.press("o")
    assert np.abs(played(page)).max() > 1.3
    assert page.evaluate(f"{PLAYER}.gain") * np.abs(played(page)).max() <= 1


def test_spectrograms_share_one_scale(show):
    page = show(html(("loud", tone(5000), SR), ("quiet", tone(5000, 0.005), SR), ("low", tone(5000, sr=22050), 22050)))
    column = """(i) => {
        const c = document.querySelectorAll(".audiosr-player canvas")[i], d = c.getContext("2d").getImageData(320, 0, 1, c.height).data;
        return Array.from({ length: c.height }, (_, r) => d[4 * r] + d[4 * r + 1] + d[4 * r + 2]); }"""
    loud, quiet, low = (np.array(page.evaluate(column, i)) for i in range(3))
    expected = len(loud) * (1 - 5000 / 22050)
    assert np.argmax(loud) == pytest.approx(expected, abs=1.5) and np.argmax(low) == pytest.approx(expected, abs=1.5)
    assert loud.max() > 680 and low.max() > 680  # the loudest point is nearly white in both: 252 + 253 + 191 in the middle of its band
    assert 100 < quiet.max() < loud.max() - 100
    assert loud[:40].max() < 30  # nothing above 15 kHz


def test_switching_keeps_the_position(show):
    """Both versions are one sweep whose frequency tells the time: what is heard before and after differs by the time that passed."""
    seconds, t = 4.0, np.arange(4 * SR) / SR
    sweep = 0.5 * np.sin(2 * np.pi * (1000 * t + 1000 * t**2))  # 1000 Hz + 2000 Hz each second
    page = show(html(("a", sweep, SR), ("b", -0.5 * sweep, SR)))
    page.click(".audiosr-play")
    lag = f"async () => {{ const p = {PLAYER}, hz = await ({HEAR})(p); return p.position() - (hz - 1000) / 2000; }}"
    before = page.evaluate(lag)
    jump = page.evaluate(f"(() => {{ const p = {PLAYER}, t = p.position(); p.select(1); return p.position() - t; }})()")
    assert abs(jump) < 0.02
    after = page.evaluate(lag)
    assert page.evaluate(f"{PLAYER}.current") == 1
    assert abs(after - before) < 0.02, (before, after)
    assert page.evaluate(f"{PLAYER}.position()") < seconds


def test_what_is_heard_is_the_chosen_version(show):
    page = show(html(*((f"{hz} Hz", tone(hz, seconds=3), SR) for hz in (1000, 2000, 3000))))
    page.click(".audiosr-play")
    for key, hz in (("2", 2000), ("3", 3000), ("1", 1000)):
        page.keyboard.press(key)
        assert page.evaluate(f"async () => (await ({HEAR})({PLAYER}))") == pytest.approx(hz, abs=10)
        pressed = page.eval_on_selector_all(".audiosr-row button", "(all) => all.map((b) => b.getAttribute('aria-pressed'))")
        assert [p == "true" for p in pressed] == [str(i) == key for i in (1, 2, 3)]


def test_keys(show):
    page = show(html(("a", tone(1000, seconds=2), SR), ("b", tone(2000, seconds=2), SR)))
    state = f"(({{ playing, loop, region, current, matched }}) => ({{ playing, loop, region, current, matched }}))({PLAYER})"
    page.focus(".audiosr-player")
    page.keyboard.press("2")
    assert page.evaluate(state)["current"] == 1
    page.keyboard.press("Space")
    assert page.evaluate(state)["playing"]
    page.keyboard.press("Space")
    assert not page.evaluate(state)["playing"]
    page.evaluate(f"{PLAYER}.seek(0.5)")
    page.keyboard.press("[")
    page.evaluate(f"{PLAYER}.seek(0.9)")
    page.keyboard.press("]")
    assert page.evaluate(state)["region"] == pytest.approx([0.5, 0.9]) and page.evaluate(state)["loop"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(f"{PLAYER}.position()") == pytest.approx(0.4, abs=0.11)
    page.keyboard.press("Escape")
    assert page.evaluate(state)["region"] is None and not page.evaluate(state)["loop"]
    page.keyboard.press("m")
    assert page.evaluate(state)["matched"]
    page.keyboard.press("9")
    assert page.evaluate(state)["current"] == 1  # there is no ninth


def test_a_dragged_region_loops(show):
    page = show(html(("a", tone(1000, seconds=2), SR)))
    box = page.locator(".audiosr-picture").bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 10)
    page.mouse.up()
    assert page.evaluate(f"{PLAYER}.region") == pytest.approx([0.5, 0.8], abs=0.02)
    page.keyboard.press("Space")
    places = []
    for _ in range(8):
        page.wait_for_timeout(120)
        places.append(page.evaluate(f"{PLAYER}.position()"))
    assert min(places) >= 0.48 and max(places) <= 0.82
    assert any(b < a for a, b in itertools.pairwise(places))  # it came round
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 10)
    page.keyboard.press("Escape")
    assert page.evaluate(f"{PLAYER}.position()") > 0.4


def test_it_ends_and_starts_again(show):
    page = show(html(("a", tone(1000, seconds=0.4), SR)))
    page.click(".audiosr-play")
    page.wait_for_function(f"!{PLAYER}.playing")
    assert page.evaluate(f"{PLAYER}.position()") == 0
    page.click(".audiosr-play")
    assert page.evaluate(f"{PLAYER}.playing")


def test_one_player_at_a_time_and_one_code_for_all(show):
    """The second player carries no code of its own; starting it stops the first."""
    page = show(html(("a", tone(1000, seconds=3), SR)), html(("b", tone(2000, seconds=3), SR), with_code=False))
    both = "[...document.querySelectorAll('.audiosr-player')].map((r) => r.player.playing)"
    page.locator(".audiosr-play").nth(0).click()
    assert page.evaluate(both) == [True, False]
    page.locator(".audiosr-play").nth(1).click()
    assert page.evaluate(both) == [False, True]
    page.locator(".audiosr-player").nth(0).evaluate("(root) => root.player.seek(1)")  # leaves the second alone
    assert page.evaluate(both) == [False, True]
    page.locator(".audiosr-play").nth(0).click()
    assert page.evaluate(both) == [True, False]


def test_matched_loudness(show, speech):
    """As the meter of the standard reads it; the louder is turned down, so that nothing clips."""
    x = np.tile(speech, 2) / np.abs(speech).max() / 2
    page = show(html(("loud", x, SR), ("quiet", 0.5 * x, SR)))
    assert page.evaluate(f"{PLAYER}.factors()") == [1, 1]
    page.focus(".audiosr-player")
    page.keyboard.press("m")
    factors = page.evaluate(f"{PLAYER}.factors()")
    assert factors == pytest.approx([0.5, 1.0], abs=0.001)
    heard = [player.loudness(f * g * x, SR) for f, g in zip(factors, (1, 0.5), strict=True)]
    assert abs(heard[0] - heard[1]) < 0.1
    assert "to match" in page.inner_text(".audiosr-row small >> nth=0")


def test_the_band_is_matched_by_its_own_level(show):
    """Low parts alike, high parts 12 dB apart: full band there is next to nothing to match, in the band there are 12 dB."""
    low, high = (level * tone(hz) * np.hanning(SR) for level, hz in ((0.9, 500), (0.02, 15000)))
    page = show(html(("a", low + high, SR), ("b", low + 10 ** (-12 / 20) * high, SR), ("none", low, SR)))
    page.focus(".audiosr-player")
    page.keyboard.press("m")
    assert page.evaluate(f"{PLAYER}.factors()") == pytest.approx([1, 1, 1], abs=0.03)
    page.keyboard.press("h")
    assert page.evaluate(f"{PLAYER}.factors()") == pytest.approx([10 ** (-12 / 20), 1, 1], abs=0.01)
    assert "nothing to hear" in page.inner_text(".audiosr-row small >> nth=2") and "Matched in level" in page.inner_text(".audiosr-gain")


def test_a_click_on_a_picture_plays_its_version_from_there(show):
    page = show(html(("a", tone(1000, seconds=2), SR), ("b", tone(2000, seconds=2), SR)))
    box = page.locator(".audiosr-picture").nth(1).bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 10)
    assert page.evaluate(f"{PLAYER}.current") == 1 and page.evaluate(f"{PLAYER}.position()") == pytest.approx(1.0, abs=0.02)


def test_switches_without_a_use_are_not_there(show):
    """Nothing lies above 11 kHz at 22.05 kHz; clips shorter than a block of the meter have no loudness; their keys do nothing."""
    page = show(html(("a", tone(1000, seconds=0.3, sr=22050), 22050), ("b", tone(2000, seconds=0.3, sr=22050), 22050)))
    assert not page.is_visible("text=only above") and not page.is_visible("text=match loudness")
    page.focus(".audiosr-player")
    page.keyboard.press("h")
    page.keyboard.press("m")
    assert page.evaluate(f"[{PLAYER}.band, {PLAYER}.matched]") == [False, False]


# --- the blind test -------------------------------------------------------------------------------


def open_abx(page, trials: int = 10) -> None:
    page.focus(".audiosr-player")
    page.keyboard.press("t")
    page.select_option(".audiosr-abx select >> nth=2", str(trials))
    page.click("text=begin")


def result(page) -> tuple[dict, list[dict]]:
    """Score, and rows of the CSV file that the listener can save."""
    with page.expect_download() as download:
        page.click("text=save the trials as CSV")
    assert download.value.suggested_filename == "A-test-abx.csv"
    with open(download.value.path(), encoding="utf-8", newline="") as file:
        return page.evaluate(f"{PLAYER}.abx.score"), list(csv.DictReader(io.StringIO(file.read())))


@pytest.mark.parametrize("wrong", [False, True])
def test_abx_scores_a_listener_who_hears(show, wrong):
    """The listener hears the pitch of A, B and X as they leave the player, and answers by it; the second one always turns it round."""
    page = show(html(("one kHz", tone(1000, seconds=4), SR), ("two kHz", tone(2000, seconds=4), SR)))
    open_abx(page)
    for _ in range(10):
        assert page.is_disabled("text=X is A")  # before X was heard
        pitch = {}
        for key in "abx":
            page.keyboard.press(key)
            pitch[key] = page.evaluate(f"async () => (await ({HEAR})({PLAYER}))")
        assert abs(pitch["a"] - pitch["b"]) > 500
        same = min("ab", key=lambda k: abs(pitch[k] - pitch["x"]))
        page.keyboard.press("Shift+" + {"a": "AB"[wrong], "b": "BA"[wrong]}[same])
    score, rows = result(page)
    right = 0 if wrong else 10
    assert score == {"correct": right, "trials": 10, "p": pytest.approx(scipy.stats.binomtest(right, 10, alternative="greater").pvalue)}
    assert f"{right} of 10 right" in page.inner_text(".audiosr-score")
    assert [int(r["correct"]) for r in rows] == [int(r["x"] == r["answer"]) for r in rows] == [int(not wrong)] * 10
    assert {(r["a"], r["b"]) for r in rows} == {("one kHz", "two kHz")}
    assert [r["trial"] for r in rows] == [str(k) for k in range(1, 11)]


def test_abx_draws_by_chance_and_p_is_binomial(show):
    """Somebody who always answers A: right as often as X was A, which differs between runs; p as SciPy has it."""
    page = show(html(("a", tone(1000), SR), ('quoted "b", with a comma', tone(2000), SR)))
    drawn = set()
    for _ in range(4):
        open_abx(page, 30)
        for _ in range(30):
            page.keyboard.press("x")
            page.keyboard.press("Shift+A")
        score, rows = result(page)
        drawn.add("".join(r["x"] for r in rows))
        right = sum(r["x"] == "A" for r in rows)
        assert score["correct"] == right
        assert score["p"] == pytest.approx(scipy.stats.binomtest(right, 30, alternative="greater").pvalue)
        assert rows[0]["b"] == 'quoted "b", with a comma'
        page.keyboard.press("t")
    assert len(drawn) == 4
    share = "".join(drawn).count("A") / 120
    assert 0.3 < share < 0.7  # a fair coin fails this once in 100,000 runs


def test_abx_hides_what_would_tell(show):
    page = show(html(("a", tone(1000), SR), ("b", tone(2000), SR)))
    open_abx(page)
    assert not page.is_visible(".audiosr-rows")
    page.keyboard.press("x")
    assert page.evaluate(f"{PLAYER}.current") in (0, 1) and "X is" not in page.inner_text(".audiosr-abx [role=status]")
    assert not page.is_visible("text=save clip")
    page.keyboard.press("t")
    assert page.is_visible(".audiosr-rows") and not page.is_visible(".audiosr-abx")
    page.keyboard.press("t")
    page.select_option(".audiosr-abx select >> nth=0", "1")
    assert "Choose two versions that differ" in page.inner_text(".audiosr-abx") and page.is_disabled("text=begin")


def test_abx_says_beforehand_how_many_must_be_right(show):
    page = show(html(*((name, tone(hz) * np.hanning(SR), SR) for name, hz in (("a", 1000), ("b", 2000)))))
    page.focus(".audiosr-player")
    page.keyboard.press("t")
    for trials in (10, 16, 20, 30):
        page.select_option(".audiosr-abx select >> nth=2", str(trials))
        enough = next(k for k in range(trials + 1) if scipy.stats.binom.sf(k - 1, trials, 0.5) < 0.05)
        assert f"{enough} of {trials} right or more" in page.inner_text(".audiosr-abx")
    page.keyboard.press("h")
    assert "Both are silent" in page.inner_text(".audiosr-abx")


def test_abx_keeps_its_switches_and_what_was_answered(show):
    """During a test the switches cannot be changed; who ends it early gets the trials, and no p-value."""
    page = show(html(("a", tone(1000), SR), ("b", tone(2000), SR)))
    open_abx(page)
    for key in ("h", "o", "m"):
        page.keyboard.press(key)
    assert page.evaluate(f"[{PLAYER}.band, {PLAYER}.half, {PLAYER}.matched]") == [False] * 3
    page.keyboard.press("x")
    page.keyboard.press("1")  # a version's key elsewhere; here it does nothing
    assert "Trial 1 of 10" in page.inner_text(".audiosr-abx")
    page.keyboard.press("Shift+A")
    page.keyboard.press("t")
    score, rows = result(page)
    assert score["trials"] == len(rows) == 1 and score["p"] != score["p"]
    assert "ended early" in page.inner_text(".audiosr-abx") and "p =" not in page.inner_text(".audiosr-score")
    page.keyboard.press("Space")  # plays; it does not throw the score away
    assert page.is_visible(".audiosr-score")
    page.keyboard.press("t")
    assert page.is_visible(".audiosr-rows")
    open_abx(page)
    page.keyboard.press("t")  # nothing answered yet: nothing to keep
    assert page.is_visible(".audiosr-rows")


# --- where things are otherwise --------------------------------------------------------------------


def test_without_scripts_plain_elements_remain(show):
    page = show(html(("a <&>", tone(1000), SR), ("b", tone(2000), SR)), java_script_enabled=False)
    assert page.locator("audio").count() == 2
    assert page.locator("audio").first.is_visible() and page.is_visible("text=One gain for all versions")
    assert page.is_visible("text=a <&>")


def test_bytes_that_do_not_decode_leave_the_plain_elements(show):
    good = html(("a", tone(1000), SR))
    start = good.index("base64,") + 400
    page = show(good[:start] + "A" * 2000 + good[start + 2000 :][:0] + good[good.index('"></audio>') :], expected=("audiosr player",))
    assert page.get_attribute(".audiosr-player", "data-audiosr") == "plain"
    assert page.is_visible("audio") and page.locator(".audiosr-ui").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_it_fits_and_can_be_read(show, scheme, size):
    """Also in the blind test: nothing beyond the edge at 390 px, contrast AA, buttons with names."""
    options = {"color_scheme": scheme} | ({"viewport": PHONE} if size == "phone" else {})
    page = show(html(*((f"a rather long name of version {i}", tone(1000 * i), SR) for i in range(1, 6))), **options)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for step in ("rows", "abx", "trial"):
        if step == "abx":
            page.focus(".audiosr-player")
            page.keyboard.press("t")
        elif step == "trial":
            page.click("text=begin")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert page.evaluate(OVERFLOWING) == []
        assert hurdles(page) == []
        names = page.eval_on_selector_all(
            "button, select, input, canvas", "(all) => all.map((e) => e.textContent || e.getAttribute('aria-label'))"
        )
        assert len(names) > 10 and all(names)
