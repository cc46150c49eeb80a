"""Style and drawing functions of the figures. The colours are distinct for colour-blind readers and in greyscale."""

from __future__ import annotations

import io

import numpy as np

from audiosr_lib import spectral
from audiosr_lib.base.kernel import kernel_shell
from audiosr_lib.base.labels import LABELS  # noqa: F401 - notebooks use plotting.LABELS

BLACK, BLUE, ORANGE, GREEN = "#000000", "#0072B2", "#E69F00", "#009E73"  # palette of Okabe and Ito; neighbours differ in grey
VERMILION, SKY, PURPLE = "#D55E00", "#56B4E9", "#CC79A7"
COLOURS = {"original": BLACK, "kaiser_fast": ORANGE, "kaiser_best": GREEN, "unet_pilot": VERMILION, "unet": BLUE, "low": SKY,
           "soxr_vhq": PURPLE}  # fmt: skip
LINES = {"original": "-", "kaiser_fast": "--", "kaiser_best": "-.", "unet_pilot": (0, (4, 1, 1, 1, 1, 1)), "unet": "-", "low": ":",
         "soxr_vhq": ":"}  # fmt: skip
DB_RANGE = (-100.0, 0.0)  # colour scale of spectrograms, in dB re the loudest bin of the original
CMAP = "magma"


def use_style() -> None:
    """Set the defaults of seaborn and matplotlib; call it in the set-up cell of a notebook.

    In a notebook, figures are shown as `small_png`, about a third of the usual size, with `description` as alternative text.
    """
    import matplotlib as mpl
    import seaborn as sns

    sns.set_theme(context="notebook", style="ticks", palette=[BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK])
    mpl.rc("figure", dpi=90)
    mpl.rc("figure.constrained_layout", use=True)
    mpl.rc("font", size=11)
    mpl.rc("axes", titlesize=12, labelsize=11, grid=True)
    mpl.rc("axes.spines", top=False, right=False)
    mpl.rc(("xtick", "ytick"), labelsize=10)
    mpl.rc("legend", fontsize=10, frameon=False)
    mpl.rc("grid", alpha=0.3)
    mpl.rc("lines", linewidth=1.6)
    if (shell := kernel_shell()) is not None:
        import matplotlib.pyplot as plt

        plt.switch_backend(mpl.get_backend())  # the notebook's backend sets its own formatter, so load it before
        formatter = shell.display_formatter.formatters["image/png"]
        formatter.for_type(mpl.figure.Figure, lambda fig: (small_png(fig, fig.dpi), {"alt": description(fig)}))


def plain(text: str) -> str:
    """Return the text as matplotlib shows it literally: between two dollar signs, as in a folder's name, it would see a formula."""
    return text.replace("$", r"\$")


def description(fig) -> str:
    """Return a description of a matplotlib figure in words: its title, and the axes and curves of each panel.

    The title is the figure's label (`Figure.set_label`), which `Run.figure` sets, or its suptitle.
    """
    title = str(fig.get_label() or fig.get_suptitle())
    shared = {"x": fig.get_supxlabel(), "y": fig.get_supylabel()}
    panels, scales = [], []
    for ax in fig.axes:
        x, y = (" ".join((label or shared[k]).split()) for k, label in (("x", ax.get_xlabel()), ("y", ax.get_ylabel())))
        if ax.get_label() == "<colorbar>":
            scales.append(f"colours: {' '.join((ax.get_ylabel() or ax.get_xlabel()).split())}")
        elif ax.axison and ax.get_visible():
            name = " ".join((ax.get_title() or ax.get_title("left")).split())
            over = f"{y} over {x}" if x and y else x or y
            named = [str(label) for label in ax.get_legend_handles_labels()[1]]
            panels.append(": ".join(part for part in (name, over, ", ".join(named)) if part))
    count = f"{len(panels)} panels" if len(panels) > 1 else ""
    return ". ".join(part for part in (title, count, *dict.fromkeys(panels), *dict.fromkeys(scales)) if part)


def small_png(fig, dpi: float) -> bytes:
    """Return a matplotlib figure as the bytes of a PNG file with at most 128 colours, which looks the same."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, dpi=dpi, bbox_inches="tight", format="png")
    picture = Image.open(drawn).convert("RGB")
    picture.quantize(128, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def waveform(ax, x: np.ndarray, sr: int, *, start_s: float = 0.0, **style):
    """Draw a signal (T,) over time in seconds, and return the axes."""
    ax.plot(start_s + np.arange(len(x)) / sr, x, **({"linewidth": 0.8} | style))
    ax.set(xlabel="time (s)", ylabel="amplitude")
    return ax


def spectrogram(ax, x: np.ndarray, sr: int, *, n_fft: int = 1024, hop_length: int = 256, reference: float | None = None,
                limits_db: tuple[float, float] = DB_RANGE, top_hz: float | None = None):  # fmt: skip
    """Draw a spectrogram in dB, and return the axes and the image.

    Parameters
    ----------
    x : (T,).
    sr : sample rate in Hz.
    n_fft, hop_length : of the transform, in samples.
    reference : power at 0 dB, from `reference_power` of the original if spectrograms are compared; the loudest bin of `x` by default.
    limits_db : limits of the colour scale.
    top_hz : upper end of the frequency axis; the axis is empty above sr / 2.
    """
    import matplotlib as mpl

    power = np.abs(spectral.stft(x, n_fft=n_fft, hop_length=hop_length)) ** 2
    reference = power.max() if reference is None else reference
    level = 10 * np.log10(np.maximum(power / reference, 10 ** (limits_db[0] / 10 - 2)))
    image = ax.imshow(
        level, origin="lower", aspect="auto", interpolation="nearest", extent=(0, len(x) / sr, 0, sr / 2e3),
        cmap=mpl.colormaps[CMAP].resampled(64), vmin=limits_db[0], vmax=limits_db[1],
    )  # fmt: skip
    ax.set(xlabel="time (s)", ylabel="frequency (kHz)", ylim=(0, (top_hz or sr / 2) / 1e3))
    ax.grid(False)
    return ax, image


def reference_power(x: np.ndarray, n_fft: int = 1024, hop_length: int = 256) -> float:
    """Return the power of the loudest bin of a signal, the `reference` of `spectrogram`."""
    return float((np.abs(spectral.stft(x, n_fft=n_fft, hop_length=hop_length)) ** 2).max())


def response_db(taps: np.ndarray, n_fft: int = 65536) -> tuple[np.ndarray, np.ndarray]:
    """Return the frequencies in cycles per sample (0 .. 0.5) and the magnitude response in dB re its value at 0."""
    magnitude = np.abs(np.fft.rfft(taps, n_fft))
    return np.arange(len(magnitude)) / n_fft, 20 * np.log10(np.maximum(magnitude / magnitude[0], 1e-12))


def panel_letter(ax, letter: str) -> None:
    """Write a bold a), b), ... above the upper left corner of the axes."""
    ax.text(-0.02, 1.03, f"{letter})", transform=ax.transAxes, fontweight="bold", ha="right", va="bottom")


def plain_log_axis(ax, which: str = "y") -> None:
    """Make an axis, "x" or "y", logarithmic, with decimal labels at the coarsest set of ticks that has at least three in view."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

    ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    low, high = axis.get_view_interval()
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for mantissas in ([1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7], []):
        ticks = np.array([round(m * p, 12) for p in powers for m in mantissas if low <= m * p <= high])
        if len(ticks) >= 3:
            break
    axis.set_major_locator(FixedLocator(ticks) if len(ticks) else MaxNLocator(4))
    axis.set_major_formatter(FuncFormatter(lambda v, _: np.format_float_positional(float(f"{v:.3g}"), trim="-")))
    axis.set_minor_formatter(NullFormatter())
