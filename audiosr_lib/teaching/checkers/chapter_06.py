"""Checkers of chapter 06, losses and metrics."""

from __future__ import annotations

import numpy as np

from audiosr_lib import spectral
from audiosr_lib.teaching.exercises import checker, close, expect


@checker("06.1")
def wrong_factor(answer) -> None:
    for g in (0.5, 0.9, 3.0, -0.25, -1.0, -2.0):
        log_magnitude, snr = abs(np.log(abs(g))), -20 * np.log10(abs(1 - g))
        case = f"L_mag = {log_magnitude:.4f} Np, SNR = {snr:.3f} dB: "
        got = answer(log_magnitude, snr)
        expect(got is not None, "there is no answer yet: L_mag = |ln|g||, so which values of g come into question?")
        expect(np.ndim(got) == 0 and np.isfinite(got), case + "return one finite number, g")
        ten = 10**log_magnitude, 10**-log_magnitude
        expect(
            log_magnitude == 0 or min(abs(abs(got) - t) for t in ten) > 1e-6,
            case + "nepers belong to the natural logarithm: |g| is a power of e",
        )
        expect(
            log_magnitude == 0 or abs(got * g - np.sign(got * g)) > 1e-6,
            case + "this is 1/g: |ln|g|| is the same for |g| and 1/|g|, but the SNR is not",
        )
        expect(abs(got + g) > 1e-6, case + "the magnitudes do not depend on the sign, but the SNR does: the error is (1 - g) y")
        expect(
            abs(got - g) < 1e-6, case + "the candidates are e^L_mag and e^-L_mag with either sign; take the one with -20 log10|1 - g| = SNR"
        )


@checker("06.2")
def two_tables(answer) -> None:
    rng = np.random.default_rng(6)
    for bins, frames, floor in ((5, 4, 1e-7), (33, 20, 1e-2), (9, 30, 0.5)):
        target, estimate = (rng.standard_normal((bins, frames)) + 1j * rng.standard_normal((bins, frames)) for _ in range(2))
        estimate[bins // 2 :] = 0
        a, b = (np.sqrt(np.maximum(np.abs(s) ** 2, floor)) for s in (target, estimate))
        got = answer(target.copy(), estimate.copy(), floor)
        expect(got is not None, "there is no answer yet: clamp the powers, take roots, then the two formulas of sections 4 and 5")
        expect(np.shape(got) == (2,), f"return two numbers, (L_sc, L_mag); yours has shape {np.shape(got)}")
        convergence, log_magnitude = got
        expect(
            np.isfinite(log_magnitude),
            "L_mag is not finite: half of the estimate is zero, so the logarithm needs the floor",
        )
        wrong = np.maximum(np.abs(target), floor), np.maximum(np.abs(estimate), floor)
        expect(
            abs(log_magnitude - np.mean(np.abs(np.log(wrong[0] / wrong[1])))) > 1e-9,
            "the floor is on the power |X|^2, not on the magnitude: clamp first, then take the root",
        )
        expect(
            abs(convergence - np.linalg.norm(a - b) / np.linalg.norm(b)) > 1e-9,
            "L_sc divides by the norm of the target, and yours by that of the estimate",
        )
        expect(
            abs(convergence - np.linalg.norm(target - estimate) / np.linalg.norm(target)) > 1e-9,
            "take magnitudes first: yours is the norm of the complex difference, which depends on the phase",
        )
        close(convergence, np.linalg.norm(a - b) / np.linalg.norm(a), "L_sc: Frobenius norm of |Y| - |Y^| over that of |Y|, both clamped")
        wanted = np.mean(np.abs(np.log(a) - np.log(b)))
        expect(abs(log_magnitude - wanted / np.log(10)) > 1e-9, "L_mag takes natural logarithms")
        expect(
            abs(log_magnitude - wanted * a.size) > 1e-9,
            "L_mag: yours is the sum; divide by N, the number of entries (bins times frames)",
        )
        close(log_magnitude, wanted, "L_mag: the mean over all entries of the absolute difference of the logarithms")


@checker("06.3")
def missing_band(answer) -> None:
    rng = np.random.default_rng(63)
    for length, cut_hz, sr in ((1000, 11025.0, 44100), (1001, 11025.0, 44100), (1000, 4000.0, 8000), (24, 3000.0, 8000), (64, 0.0, 8000)):
        y = rng.standard_normal(length) + 0.5 + 0.7 * (-1.0) ** np.arange(length)
        spectrum = np.fft.rfft(y)
        keep = np.fft.rfftfreq(length, 1 / sr) < cut_hz
        error = y - np.fft.irfft(spectrum * keep, n=length)
        wanted = 10 * np.log10(np.sum(y**2) / np.sum(error**2))
        got = answer(y.copy(), cut_hz, sr)
        case = f"{length} samples at {sr} Hz, cut at {cut_hz:g} Hz: "
        expect(got is not None, "there is no answer yet: what is the error, and what does Parseval's theorem say about its energy?")
        expect(np.ndim(got) == 0 and np.isfinite(got), case + "return one finite number")
        power = np.abs(spectrum) ** 2
        once = 10 * np.log10(power.sum() / power[~keep].sum())
        expect(
            abs(got - once) > 1e-9 or abs(wanted - once) < 1e-9,
            case
            + "nearly: bins with a mirror image at negative frequencies count twice; the bins at 0 Hz and at the Nyquist frequency do not",
        )
        twice = np.full(len(power), 2.0)
        twice[0] = 1.0
        odd = 10 * np.log10((twice * power).sum() / (twice * power)[~keep].sum())
        expect(
            abs(got - odd) > 1e-9 or abs(wanted - odd) < 1e-9,
            case + "nearly: with an even number of samples the last bin, at the Nyquist frequency, counts once",
        )
        expect(abs(got + wanted) > 1e-9 or abs(wanted) < 1e-9, case + "the sign is wrong: less energy lost means a higher SNR")
        expect(abs(got - wanted / 2) > 1e-9 or abs(wanted) < 1e-9, case + "half the right value: energies are squared magnitudes")
        expect(abs(got - wanted) < 1e-6, case + "10 log10 of all energy over the energy of the bins with f >= cut_hz")


@checker("06.4")
def lsd_with_conventions(answer) -> None:
    rng = np.random.default_rng(64)
    for bins, frames, base, floor, least in (
        (5, 6, 10.0, 1e-8, 0.0),
        (5, 6, np.e, 1e-8, 0.0),
        (17, 9, 10.0, 0.05, 0.0),
        (9, 12, 2.0, 1e-8, 0.5),
    ):
        p, p_hat = (rng.exponential(size=(bins, frames)) for _ in range(2))
        p[:, ::3] *= 1e-3
        p_hat[0] = 0.0
        kept = p.mean(axis=0) >= least
        d = (np.log(np.maximum(p, floor)) - np.log(np.maximum(p_hat, floor))) / np.log(base)
        wanted = np.mean(np.sqrt(np.mean(d[:, kept] ** 2, axis=0)))
        got = answer(p_hat.copy(), p.copy(), base, floor, least)
        expect(
            got is not None, "there is no answer yet: clamp, take logarithms, and mind the order: mean over bins, root, mean over frames"
        )
        expect(
            np.ndim(got) == 0 and np.isfinite(got),
            "return one finite number: one row of the estimate is zero, so clamp before the logarithm",
        )
        expect(
            abs(got - np.sqrt(np.mean(d[:, kept] ** 2))) > 1e-9,
            "that is the root of the mean of all squares: take the root in each frame, then the mean over frames",
        )
        expect(
            abs(got - np.mean(np.sqrt(np.mean(d[:, kept] ** 2, axis=1)))) > 1e-9,
            "rows are bins, columns are frames: the mean inside the root runs over the bins (axis 0)",
        )
        expect(abs(got - wanted / 2) > 1e-9, "half the right value: the tables hold powers already, do not take roots of them")
        expect(abs(got - 2 * wanted) > 1e-9, "twice the right value: the tables hold powers already, do not square them")
        expect(abs(got * np.log(10) / np.log(base) - wanted) > 1e-9 or base == 10, f"the base is {base:g}: log_b(v) = ln(v) / ln(b)")
        expect(
            abs(got * np.log(base) - wanted * np.log(base) ** 2) > 1e-9 or base == np.e,
            f"the base is {base:g}, and yours is the natural logarithm",
        )
        every = np.mean(np.sqrt(np.mean(d**2, axis=0)))
        expect(
            abs(got - every) > 1e-9 or kept.all(),
            "frames in which the target's mean power is below `least` do not count, nor in the number of frames",
        )
        close(got, wanted, "clamp both powers at the floor, and choose the frames by the target's own power")


@checker("06.5")
def deceive(answer) -> None:
    got = answer()
    expect(got is not None, "there is no answer yet: think of section 7, with pulses that a window of 600 never sees together")
    expect(len(got) == 2, "return two signals")
    a, b = (np.asarray(s, dtype=float) for s in got)
    expect(a.shape == b.shape == (20_000,), f"each signal has 20000 samples; yours have the shapes {a.shape} and {b.shape}")
    expect(np.isfinite([a, b]).all() and max(np.abs(a).max(), np.abs(b).max()) <= 1, "keep all values in [-1, 1]")
    expect(a.any() and b.any(), "neither signal may be silent")
    cosine = np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b))
    expect(
        abs(cosine) < 0.999,
        "one is a multiple of the other: a change of sign deceives every setting, and here one setting must see a difference",
    )

    def convergence(n_fft, win_length, hop_length):
        window = spectral.hann_window(win_length)
        m = [np.sqrt(np.maximum(np.abs(spectral.stft(s, n_fft=n_fft, hop_length=hop_length, window=window)) ** 2, 1e-7)) for s in (a, b)]
        return np.linalg.norm(m[0] - m[1]) / np.linalg.norm(m[0])

    middle, long = convergence(1024, 600, 120), convergence(2048, 1200, 240)
    expect(
        middle < 1e-3,
        f"the window of 600 sees a difference, L_sc = {middle:.4f}: are two pulses of unlike sign ever nearer than 600 samples, "
        "mirrored ends included?",
    )
    expect(
        long > 0.2,
        f"the window of 1200 sees too little, L_sc = {long:.3f}: two pulses must lie where its weights are large; bring them nearer",
    )
