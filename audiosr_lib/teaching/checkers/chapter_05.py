"""Checkers of chapter 05, convolutional networks."""

from __future__ import annotations

import numpy as np

from audiosr_lib.teaching.exercises import checker, close, expect


def _length(length: int, layers, *, sides: int = 2, plus: int = 1) -> int:
    for width, stride, padding in layers:
        length = (length + sides * padding - width) // stride + plus
    return length


@checker("05.1")
def lengths(answer) -> None:
    cases = [
        (10, [(3, 1, 0)]),
        (10, [(3, 1, 1)]),
        (9, [(3, 2, 1), (3, 2, 1)]),
        (44100, [(3, 1, 1), (3, 2, 1)] * 7),
        (23, [(5, 3, 2), (4, 2, 0)]),
    ]
    for length, layers in cases:
        got, wanted = answer(length, list(layers)), _length(length, layers)
        case = f"length {length}, layers {layers}" if len(layers) < 4 else "the U-Net's way down"
        expect(got is not None and got is not Ellipsis, "there is no answer yet: return a number of samples")
        expect(got == int(got), f"{case}: a number of samples is whole; round down after each layer, not once at the end")
        if got != wanted:
            expect(got != _length(length, layers, sides=1), f"{case}: padding puts zeros at *both* ends")
            expect(got != _length(length, layers, plus=0), f"{case}: the first position counts, too: floor(...) + 1")
        close(got, wanted, f"{case}: floor((T + 2p - m) / s) + 1, layer by layer")


@checker("05.2")
def one_channel(answer) -> None:
    rng = np.random.default_rng(52)
    for T, m, s, p in [(8, 3, 1, 0), (8, 3, 1, 1), (9, 3, 2, 1), (12, 4, 3, 2), (5, 5, 1, 0)]:
        x, w = rng.standard_normal(T), rng.standard_normal(m)
        padded = np.pad(x, p)
        wanted = np.correlate(padded, w, mode="valid")[::s]
        got = answer(x.copy(), w.copy(), s, p)
        case = f"T = {T}, m = {m}, stride {s}, padding {p}"
        close(np.shape(got) if got is not None else None, wanted.shape, f"{case}: the result should have {len(wanted)} samples")
        if not np.allclose(got, wanted):
            flipped = np.allclose(got, np.convolve(padded, w, mode="valid")[::s])
            expect(not flipped, f"{case}: you flipped the kernel; a layer of a network does not flip it")
        close(got, wanted, f"{case}: out(t) = sum over k of w(k) x(s t + k - p), with zeros beyond the ends", 1e-9)


@checker("05.3")
def batch_norm(answer) -> None:
    rng = np.random.default_rng(53)
    for shape, momentum in [((4, 3, 5), 0.1), ((2, 2, 3), 0.3)]:
        x = 3 * rng.standard_normal(shape) + rng.standard_normal((1, shape[1], 1))
        gamma, beta, old_mean = (rng.standard_normal(shape[1]) for _ in range(3))
        old_var = rng.uniform(0.5, 2, shape[1])
        given = [v.copy() for v in (x, gamma, beta, old_mean, old_var)]
        got = answer(*given, momentum=momentum, eps=1e-5)
        expect(got is not None and got is not Ellipsis, "there is no answer yet: return z, new running mean, new running variance")
        expect(isinstance(got, (tuple, list)) and len(got) == 3, "return three arrays: z, new running mean, new running variance")
        same = all(np.array_equal(a, b) for a, b in zip(given, (x, gamma, beta, old_mean, old_var), strict=True))
        expect(same, "you changed one of the arrays you were given: compute new ones")
        count = shape[0] * shape[2]
        mean, var = x.mean(axis=(0, 2)), x.var(axis=(0, 2))

        def scaled(mean, var, x=x, gamma=gamma, beta=beta):
            return gamma[:, None] * (x - mean) / np.sqrt(var + 1e-5) + beta[:, None]

        z, new_mean, new_var = got
        wanted = scaled(mean[:, None], var[:, None])
        if np.shape(z) == x.shape and not np.allclose(z, wanted):
            over_crops = scaled(x.mean(axis=0), x.var(axis=0))
            expect(not np.allclose(z, over_crops), "the mean runs over crops *and* time: axes 0 and 2")
            over_time = scaled(x.mean(axis=2, keepdims=True), x.var(axis=2, keepdims=True))
            expect(not np.allclose(z, over_time), "the mean runs over the crops, too, not over time alone: axes 0 and 2")
            unbiased = scaled(mean[:, None], (var * count / (count - 1))[:, None])
            expect(not np.allclose(z, unbiased), "for normalising, divide the sum of squares by m, not by m - 1")
        close(z, wanted, "z = gamma (x - mean) / sqrt(variance + eps) + beta, gamma and beta by channel (axis 1)", 1e-9)
        swapped = momentum * old_mean + (1 - momentum) * mean
        if np.shape(new_mean) == mean.shape:
            expect(not np.allclose(new_mean, swapped), "PyTorch's momentum is the share of the *new* mean")
        close(new_mean, (1 - momentum) * old_mean + momentum * mean, "new running mean = (1 - momentum) old + momentum mean", 1e-9)
        if np.shape(new_var) == var.shape:
            biased = (1 - momentum) * old_var + momentum * var
            expect(not np.allclose(new_var, biased, rtol=1e-9), "the running variance takes the unbiased variance: times m / (m - 1)")
        wanted_var = (1 - momentum) * old_var + momentum * var * count / (count - 1)
        close(new_var, wanted_var, "new running variance = (1 - momentum) old + momentum (unbiased variance)", 1e-9)


@checker("05.4")
def transposed(answer) -> None:
    rng = np.random.default_rng(54)
    for T, m, s, p in [(4, 3, 1, 0), (4, 3, 2, 0), (6, 4, 2, 1), (5, 5, 3, 2), (3, 2, 4, 0)]:
        x, w = rng.standard_normal(T), rng.standard_normal(m)
        full = np.zeros((T - 1) * s + m)
        for t in range(T):
            full[t * s : t * s + m] += x[t] * w
        wanted = full[p : len(full) - p]
        got = answer(x.copy(), w.copy(), s, p)
        case = f"T = {T}, m = {m}, stride {s}, padding {p}"
        expect(got is not None and got is not Ellipsis, "there is no answer yet: return an array")
        if p and np.shape(got) == full.shape:
            expect(False, f"{case}: padding removes {p} sample(s) from each end")
        if s > 1 and np.shape(got) == (T * s + m - 1 - 2 * p,):
            expect(False, f"{case}: after the *last* sample no zeros are needed: (T - 1) s + 1 stuffed samples")
        close(np.shape(got), wanted.shape, f"{case}: (T - 1) s + m - 2p = {len(wanted)} samples should come out")
        if not np.allclose(got, wanted):
            turned = np.zeros_like(full)
            for t in range(T):
                turned[t * s : t * s + m] += x[t] * w[::-1]
            expect(not np.allclose(got, turned[p : len(full) - p]), f"{case}: the copies of the kernel are not flipped")
        close(got, wanted, f"{case}: sample t adds x(t) w at position s t; overlapping copies add up", 1e-9)


@checker("05.5")
def fold_before(answer) -> None:
    rng = np.random.default_rng(55)
    for outs, C, m in [(1, 1, 1), (3, 2, 3), (2, 4, 5)]:
        w, b = rng.standard_normal((outs, C, m)), rng.standard_normal(outs)
        gamma, beta, mean = (rng.standard_normal(C) for _ in range(3))
        var = rng.uniform(0.01, 0.05, C)
        scale = gamma / np.sqrt(var + 1e-3)
        wanted_w = w * scale[:, None]
        wanted_b = b + np.einsum("ocm,c->o", w, beta - mean * scale)
        got = answer(w.copy(), b.copy(), gamma.copy(), beta.copy(), mean.copy(), var.copy(), eps=1e-3)
        expect(got is not None and got is not Ellipsis, "there is no answer yet: return new weights and new bias")
        expect(isinstance(got, (tuple, list)) and len(got) == 2, "return two arrays: new weights (O, C, m) and new bias (O,)")
        if np.shape(got[0]) == w.shape and not np.allclose(got[0], wanted_w):
            expect(not np.allclose(got[0], w * (gamma / np.sqrt(var))[:, None]), "do not forget eps under the root; it is an argument")
            expect(not (outs == C and np.allclose(got[0], w * scale[:, None, None])), "the norm acts on *input* channels: axis 1 of w")
        close(got[0], wanted_w, "each input channel c is scaled by gamma_c / sqrt(var_c + eps): axis 1 of w", 1e-9)
        expect(not np.allclose(got[1], b), "the shift beta - scale mean goes through the kernel as well: it ends up in the bias")
        close(
            got[1],
            wanted_b,
            "a constant d_c on input channel c adds d_c times the sum of w[o, c, :] to output o; d = beta - scale mean",
            1e-9,
        )


@checker("05.6")
def field_ms(answer) -> None:
    cases = [
        ([("conv", 3, 1)], 1000.0),
        ([("conv", 3, 1), ("conv", 5, 1)], 1000.0),
        ([("conv", 3, 2), ("conv", 3, 2), ("conv", 3, 1)], 8000.0),
        ([("conv", 3, 2), ("up", 2), ("conv", 3, 1)], 22050.0),
        ([("conv", 5, 2), ("conv", 3, 2), ("up", 2), ("conv", 3, 1), ("up", 2), ("conv", 7, 1)], 44100.0),
    ]
    for layers, sr in cases:

        def field(layers=layers, late=False, up=True):
            r = j = 1.0
            for kind, *n in layers:
                if kind == "conv":
                    r, j = r + (n[0] - 1) * j * (n[1] if late else 1), j * n[1]
                else:
                    r, j = r + j * up, j / n[0]
            return r

        got, wanted = answer(list(layers), sr), 1000 * field() / sr
        close(got, got if got is not None and got is not Ellipsis and np.ndim(got) == 0 else 0.0, "return one number, in milliseconds")
        if not np.isclose(got, wanted):
            case = f"{layers} at {sr:g} Hz: "
            expect(not np.isclose(got, field()), case + "that is in samples: return 1000 r / sr milliseconds")
            expect(not np.isclose(got, field() / sr), case + "that is in seconds")
            expect(
                not np.isclose(got, 1000 * field(late=True) / sr), case + "a layer's own stride widens the steps of the layers *after* it"
            )
            expect(
                not np.isclose(got, 1000 * field(up=False) / sr),
                case + "linear upsampling reads two neighbours: r grows by j before j is divided",
            )
            expect(not np.isclose(got, wanted - 1000 / sr), case + "start with r = 1, the sample itself")
        close(got, wanted, f"{layers}: r grows by (m - 1) j at a convolution, by j at an upsampling; then j is multiplied or divided", 1e-9)
