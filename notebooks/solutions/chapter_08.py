"""Worked solutions of notebook 08."""

import numpy as np


def exercise_08_1(c_in, c_out):
    """A convolution has 3 weights for each pair of channels and one bias for each output, a batch norm a scale and a shift a channel.

    The second convolution reads what the first one wrote, so it goes from c_out to c_out.
    """
    first = 3 * c_in * c_out + c_out
    second = 3 * c_out * c_out + c_out
    return first + second + 2 * (2 * c_out)


def exercise_08_2(halvings):
    """A convolution of width 3 reads one grid step more on each side, so it adds two steps of the grid it reads.

    The first block reads the input's grid: 1 + 2 + 2. Block i (from 1) reads a grid of step 2**(i - 1) with both of its
    convolutions: the stride of the second one thins what comes out, not what it reads. The sum of 4 * 2**(i - 1) over the
    blocks is 4 * (2**halvings - 1).
    """
    field = 1 + 2 + 2
    for i in range(1, halvings + 1):
        field += 2 * 2 * 2 ** (i - 1)
    return field


def exercise_08_3(gradients, max_norm):
    """One joint norm, one factor. Clipping each array alone would turn the direction of the whole gradient."""
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    factor = min(1.0, max_norm / norm) if norm > 0 else 1.0
    return [factor * g for g in gradients]
