"""Checkers of chapter 04, neural networks, gradient descent and Adam."""

from __future__ import annotations

import numpy as np

from audiosr_lib.teaching.exercises import checker, close, equals, expect

NO_ANSWER = "there is no answer yet: replace the ... by your own code"


@checker("04.1")
def side_and_distance(answer) -> None:
    cases = [
        ([3.0, 4.0], -5.0, [3.0, 4.0]),
        ([3.0, 4.0], -5.0, [0.0, 0.0]),
        ([1.0, -1.0], 2.0, [1.0, 3.0]),
        ([0.5, 0.0, 2.0], 1.0, [-8.0, 7.0, 0.25]),
    ]
    for w, b, x in cases:
        w, x = np.array(w), np.array(x)
        got = answer(w.copy(), b, x.copy())
        expect(got is not None, NO_ANSWER)
        expect(np.shape(got) == (2,), "return a pair: (class, distance)")
        z = float(w @ x + b)
        expect(got[0] != 0, "z = 0 counts as +1 by the step's definition; np.sign gives 0 there")
        expect(
            got[0] == (1 if z >= 0 else -1), f"w = {w}, b = {b}, x = {x}: z = w . x + b = {z:g}; the class is its sign, and +1 for z = 0"
        )
        distance = abs(z) / np.linalg.norm(w)
        expect(got[1] >= 0, "a distance is not negative: the class already tells the side")
        expect(
            z == 0 or not equals(got[1], abs(z)),
            "|z| is not yet a distance: z grows by ||w|| for each unit away from the line, so divide by ||w||",
        )
        expect(
            z == 0 or not equals(got[1], abs(z) / np.sqrt(w @ w + b * b)),
            "the bias does not belong to the length of w: it shifts the line, it does not turn it",
        )
        close(got[1], distance, f"w = {w}, b = {b}, x = {x}: the distance is |w . x + b| / ||w||")


@checker("04.2")
def between_limits(answer) -> None:
    expect(answer is not None and answer is not Ellipsis, NO_ANSWER)
    expect(isinstance(answer, (tuple, list)) and len(answer) == 4, "give four things: (w1, b1, w2, b2)")
    w1, b1, w2, b2 = (np.asarray(part, dtype=float) for part in answer)
    expect(w1.shape == b1.shape == w2.shape == (2,) and b2.shape == (), "w1, b1 and w2 have two entries each, b2 is a number")

    def step(z):
        return np.where(np.asarray(z) >= 0, 1, -1)

    def network(x):
        return int(step(w2 @ step(w1 * x + b1) + b2))

    wanted = {-60: -1, -41: -1, -40.0001: -1, -40: 1, -30: 1, -21: 1, -20.0001: 1, -20: -1, -10: -1, 0: -1}
    got = {x: network(x) for x in wanted}
    expect(
        len(set(got.values())) == 2,
        f"it always says {got[0]:+d}: the output neuron's bias decides; hidden values are +1 and -1, not 1 and 0",
    )
    expect([-v for v in got.values()] != list(wanted.values()), "exactly the wrong way round: turn the signs of w2 and b2")
    wrong = [x for x in wanted if got[x] != wanted[x]]
    expect(wrong != [-20], "nearly: x = -20 itself must be -1. A neuron that says +1 from -20 on, with a negative weight, gives this")
    expect(wrong != [-40], "nearly: x = -40 itself must be +1, and z = 0 counts as +1")
    expect(
        not wrong,
        f"wrong at x = {wrong}: one hidden neuron says 'at least -40' (w = 1, b = 40), the other 'at least -20'; the output says: "
        "the first, and not the second",
    )


@checker("04.3")
def mini_batch_gradient(answer) -> None:
    rng = np.random.default_rng(43)
    for n, m, size in ((12, 2, 4), (30, 3, 7), (9, 1, 1)):
        X, y, theta = rng.standard_normal((n, m)), rng.standard_normal(n), rng.standard_normal(m)
        rows = rng.choice(n, size=size, replace=False)
        part, targets = X[rows], y[rows]
        error = part @ theta - targets
        wanted = 2 / size * part.T @ error
        got = answer(theta.copy(), X.copy(), y.copy(), rows.copy())
        expect(got is not None, NO_ANSWER)
        expect(np.shape(got) == (m,), f"the gradient has one entry for each of the {m} parameters, your answer has shape {np.shape(got)}")
        expect(not equals(got, -wanted), "the sign: the error is X theta - y, not y - X theta")
        expect(not equals(got, wanted / 2), "the factor 2 of the squared error's derivative is missing")
        expect(size == 1 or not equals(got, wanted * size), "a mean, not a sum: divide by the number of items in the mini-batch")
        expect(not equals(got, wanted * size / n), "divide by the number of items in the mini-batch, not by the number of all items")
        expect(not equals(got, wanted * size / (size + 1)), "there are len(rows) items, not len(rows) + 1")
        expect(not equals(got, 2 / n * X.T @ (X @ theta - y)), "that is the gradient over all items: take only those of `rows`")
        close(got, wanted, "2 / B times the transposed rows times the errors: X[rows].T @ (X[rows] @ theta - y[rows])")


@checker("04.4")
def largest_rate(answer) -> None:
    rng = np.random.default_rng(44)
    for n, m, decay in ((40, 2, 0.7), (25, 4, 3.0), (10, 1, 1.5), (30, 3, 0.0)):
        X = rng.standard_normal((n, m)) * np.linspace(1, 3, m)
        curvature = np.linalg.eigvalsh(X.T @ X / n)
        steepest = 2 * curvature[-1] + decay  # largest eigenvalue of (2 / n) X^T X + decay I
        wanted = 2 / steepest
        got = answer(X.copy(), decay)
        expect(got is not None, NO_ANSWER)
        expect(np.ndim(got) == 0, "return one number")
        expect(not decay or not equals(got, 1 / curvature[-1]), "that is the limit without the penalty, which adds to the curvature")
        expect(
            not decay or not equals(got, 2 / (2 * curvature[-1] + 2 * decay)),
            "the penalty is decay / 2 theta^2: its second derivative is decay",
        )
        expect(
            not decay or not equals(got, 2 / (2 * curvature[-1] + decay / 2)), "the penalty has the second derivative decay, not decay / 2"
        )
        expect(not equals(got, 2 / (curvature[-1] + decay)), "the second derivatives of the MSE are (2 / n) X^T X: a factor 2 is missing")
        expect(
            not equals(got, 1 / steepest),
            "that is 1 / lambda_max, the rate that reaches the bottom in one step; the limit is twice as large",
        )
        expect(
            m == 1 or not equals(got, 2 / (2 * curvature[0] + decay)),
            "that is the limit of the flattest direction; the steepest one, with the largest eigenvalue, decides",
        )
        expect(not equals(got, 2 / (2 * n * curvature[-1] + decay)), "the MSE is a mean: its second derivatives are (2 / n) X^T X")
        close(got, wanted, "2 / lambda_max, with lambda_max the largest eigenvalue of (2 / n) X^T X + decay I")


@checker("04.5")
def backpropagation(answer) -> None:
    rng = np.random.default_rng(45)
    for n, m, h in ((20, 3, 5), (7, 2, 4)):
        X, y = rng.standard_normal((n, m)), rng.standard_normal(n)
        W1, b1, w2, b2 = rng.standard_normal((h, m)), rng.standard_normal(h), rng.standard_normal(h), 0.3
        z = X @ W1.T + b1
        a = np.maximum(0, z)
        delta = 2 / n * (a @ w2 + b2 - y)  # (n,)
        back = delta[:, None] * w2
        hidden = back * (z > 0)
        wanted = (hidden.T @ X, hidden.sum(axis=0), a.T @ delta, delta.sum())
        got = answer(X.copy(), y.copy(), W1.copy(), b1.copy(), w2.copy(), b2)
        expect(got is not None, NO_ANSWER)
        expect(isinstance(got, (tuple, list)) and len(got) == 4, "return four gradients: (dW1, db1, dw2, db2)")
        expect(not equals(got[3], -wanted[3]), "the sign: start from 2 / n (estimate - target)")
        expect(not equals(got[3], wanted[3] / 2), "the factor 2 of the squared error is missing at the output")
        expect(not equals(got[3], wanted[3] * n), "the cost is a mean: divide by the number of items")
        close(got[3], wanted[3], "db2 is the sum over the items of delta = 2 / n (estimate - target)")
        expect(not equals(got[2], z.T @ delta), "dw2 needs the activations after the ReLU, not the sums before it")
        close(got[2], wanted[2], "dw2: each item's delta times that item's hidden activations, added up")
        expect(
            not equals(got[1], back.sum(axis=0)),
            "the gradient also passes through the ReLU: multiply by its slope, 1 where the sum is positive and 0 elsewhere",
        )
        expect(not equals(got[1], (back * a).sum(axis=0)), "multiply by the ReLU's slope (0 or 1), not by its value")
        close(got[1], wanted[1], "db1: delta times w2, times the ReLU's slope, added up over the items")
        expect(np.shape(got[0]) == W1.shape, f"dW1 must have the shape of W1, {W1.shape}; yours has {np.shape(got[0])}: transpose it")
        close(got[0], wanted[0], "dW1: the hidden deltas (n, h), transposed, times the inputs (n, m)")


@checker("04.6")
def adam(answer) -> None:
    rng = np.random.default_rng(46)

    def walk(g, eta, beta_1, beta_2, epsilon, *, first=1, inside=False, correct=True, both=False, sign=-1.0):
        theta = m = s = 0.0
        out = []
        for t, value in enumerate(g, start=first):
            m = beta_1 * m + (1 - beta_1) * value
            s = beta_2 * s + (1 - beta_2) * value**2
            m_hat = m / (1 - beta_1**t) if correct else m
            s_hat = s / (1 - (beta_1 if both else beta_2) ** t) if correct else s
            theta += sign * eta * m_hat / (np.sqrt(s_hat + epsilon) if inside else np.sqrt(s_hat) + epsilon)
            out.append(theta)
        return np.array(out)

    for eta, beta_1, beta_2, epsilon in ((0.1, 0.9, 0.999, 1e-8), (0.01, 0.5, 0.9, 1e-3)):
        g = rng.standard_normal(6)
        constants = (eta, beta_1, beta_2, epsilon)
        got = answer(g.copy(), *constants)
        expect(got is not None, NO_ANSWER)
        expect(np.shape(got) == (6,), "return one value for each step, 6 of them here")
        expect(
            bool(np.all(np.isfinite(np.asarray(got, dtype=float)))),
            "not a number: is s positive, and does t start at 1? With t = 0 the correction divides by zero",
        )
        expect(not equals(got, walk(g, *constants, sign=1.0)), "uphill: step 5 subtracts, if m is the average of the gradients")
        expect(
            not equals(got, walk(g, *constants, correct=False)),
            "the corrections are missing: divide m by 1 - beta_1^t and s by 1 - beta_2^t",
        )
        expect(not equals(got, walk(g, *constants, both=True)), "beta_1 stands in both corrections: s needs beta_2")
        expect(not equals(got, walk(g, *constants, first=2)), "the first step has t = 1")
        expect(
            epsilon < 1e-6 or not equals(got, walk(g, *constants, inside=True)), "epsilon belongs outside the root: sqrt(s_hat) + epsilon"
        )
        expect(
            not equals(got, np.diff(walk(g, *constants), prepend=0.0)),
            "these are the steps: return the parameter, their running sum",
        )
        close(
            got,
            walk(g, *constants),
            "m and s must be kept from step to step and start at 0; the first step is -eta times the sign of the gradient",
        )
