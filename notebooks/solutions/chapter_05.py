"""Worked solutions of chapter 05, convolutional networks."""

import numpy as np


def exercise_05_1(length, layers):
    """Padding adds p at both ends. The kernel's first place is 0 and the last one must fit, so floor((T + 2p - m) / s) + 1.

    Round down after every layer: a later layer only gets what really came out.
    """
    for width, stride, padding in layers:
        length = (length + 2 * padding - width) // stride + 1
    return length


def exercise_05_2(x, w, stride, padding):
    """Zeros at both ends, then one sum of products for each place of the kernel. The kernel is not flipped."""
    x = np.pad(x, padding)
    return np.array([np.sum(x[t : t + len(w)] * w) for t in range(0, len(x) - len(w) + 1, stride)])


def exercise_05_3(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5):
    """One mean and variance for each channel, over crops and time. keepdims lets them broadcast against (B, C, T).

    The output is normalised with the biased variance (divided by m), the running one takes the unbiased one (divided by m - 1).
    """
    count = x.shape[0] * x.shape[2]
    mean, variance = x.mean(axis=(0, 2), keepdims=True), x.var(axis=(0, 2), keepdims=True)
    z = gamma[:, None] * (x - mean) / np.sqrt(variance + eps) + beta[:, None]
    new_mean = (1 - momentum) * running_mean + momentum * mean.ravel()
    new_var = (1 - momentum) * running_var + momentum * variance.ravel() * count / (count - 1)
    return z, new_mean, new_var


def exercise_05_4(x, w, stride, padding):
    """Each sample launches a scaled copy of the kernel, `stride` samples after the one before. Overlaps add up."""
    out = np.zeros((len(x) - 1) * stride + len(w))
    for t, value in enumerate(x):
        out[t * stride : t * stride + len(w)] += value * w
    return out[padding : len(out) - padding]


def exercise_05_5(w, b, gamma, beta, running_mean, running_var, eps=1e-5):
    """Per input channel the norm is a x + d, with a = gamma / sqrt(var + eps) and d = beta - a mean.

    The factor a goes into the weights of that input channel. The constant d meets every tap of the kernel, so output o gets
    the sum over c of d_c times the sum of w[o, c, :]. With zero padding this would be wrong near the ends: there the
    convolution sees 0, not d.
    """
    a = gamma / np.sqrt(running_var + eps)
    d = beta - a * running_mean
    return w * a[:, None], b + (w.sum(axis=2) * d).sum(axis=1)


def exercise_05_6(layers, sr):
    """Two numbers: the width r of the field and the jump j between neighbours, both in input samples."""
    r, j = 1.0, 1.0
    for kind, *numbers in layers:
        if kind == "conv":
            width, stride = numbers
            r += (width - 1) * j
            j *= stride
        else:  # linear upsampling reads the two samples around the new one
            r += j
            j /= numbers[0]
    return 1000 * r / sr
