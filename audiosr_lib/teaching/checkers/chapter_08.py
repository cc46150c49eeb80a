"""Checkers of chapter 08, the U-Net and its training."""

from __future__ import annotations

import numpy as np

from audiosr_lib.teaching.exercises import checker, close, expect


@checker("08.1")
def parameters_of_a_block(answer) -> None:
    from audiosr_lib.unet import ConvBlock, count_parameters

    for c_in, c_out in ((1, 16), (16, 32), (32, 16)):
        wanted = count_parameters(ConvBlock(c_in, c_out))
        got = answer(c_in, c_out)
        if got is not None and np.ndim(got) == 0 and wanted - got == 2 * c_out:
            expect(
                False, "nearly: there are two batch norms, each with a scale and a shift for every channel, and each convolution has a bias"
            )
        close(
            got,
            wanted,
            f"ConvBlock({c_in}, {c_out}) has {wanted} parameters: 3 c_in c_out + c_out for a convolution, 2 c_out for a batch norm",
        )


@checker("08.2")
def field_of_the_bottom(answer) -> None:
    close(answer(0), 5, "without halvings there are two convolutions of width 3: the sample itself and two on each side, 5")
    close(answer(1), 9, "after one halving: both convolutions of the block read the finer grid, so the field is 5 + 2 + 2")
    for n in (2, 3, 7, 9):
        close(
            answer(n),
            5 + 4 * (2**n - 1),
            "each convolution adds 2 steps of the grid it reads; the step doubles at each level",
        )


@checker("08.3")
def clipping(answer) -> None:
    rng = np.random.default_rng(8)
    for max_norm in (10.0, 0.5):
        gradients = [rng.standard_normal((3, 4)), rng.standard_normal(5)]
        before = [g.copy() for g in gradients]
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        got = answer(gradients, max_norm)
        expect(got is not None, "there is no answer yet: replace the ... by your own code")
        expect(len(got) == len(gradients), "return as many arrays as you were given")
        expect(
            all(np.array_equal(a, b) for a, b in zip(gradients, before, strict=True)),
            "the arrays you were given have changed: make new ones",
        )
        factor = min(1.0, max_norm / norm)
        hint = (
            "a gradient that is short enough stays as it is" if factor == 1 else "one factor for all arrays: max_norm over their joint norm"
        )
        for part, original in zip(got, before, strict=True):
            close(part, factor * original, hint, tolerance=1e-5)
