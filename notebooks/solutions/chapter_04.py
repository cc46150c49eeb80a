"""Worked solutions of chapter 04, neural networks, gradient descent and Adam."""

import numpy as np


def exercise_04_1(w, b, x):
    """The class is the step of z = w . x + b, and z = 0 counts as +1.

    Walk one unit straight away from the line, that is along w / ||w||: z grows by w . w / ||w|| = ||w||. So z counts the
    distance in units of 1 / ||w||. The bias has no part in ||w||: it moves the line and does not turn it.
    """
    z = np.dot(w, x) + b
    return (1 if z >= 0 else -1), abs(z) / np.linalg.norm(w)


# One hidden neuron says "at least -40", the other "at least -20"; both answer +1 or -1. Wanted is the first without the second.
# h1 - h2 is 0 below -40 (both -1), 2 between the limits, 0 from -20 on (both +1). A bias of -1 makes that -1, +1, -1.
exercise_04_2 = (np.array([1.0, 1.0]), np.array([40.0, 20.0]), np.array([1.0, -1.0]), -1.0)


def exercise_04_3(theta, X, y, rows):
    """The same formula as for all items, on the chosen rows: a mean over B items, so the factor is 2 / B."""
    X, y = X[rows], y[rows]
    return 2 / len(y) * X.T @ (X @ theta - y)


def exercise_04_4(X, decay):
    """The second derivatives of the MSE are (2 / n) X^T X; those of the penalty are decay on the diagonal, 0 elsewhere.

    The sum has the same eigenvectors, and every eigenvalue grows by decay. Along an eigenvector the error is multiplied by
    1 - eta lambda at each step, and |1 - eta lambda| < 1 for every lambda means eta < 2 / lambda_max.
    """
    hessian = 2 / len(X) * X.T @ X + decay * np.eye(X.shape[1])
    return 2 / np.linalg.eigvalsh(hessian)[-1]


def exercise_04_5(X, y, W1, b1, w2, b2):
    """Forward, keeping what the way back needs; then the chain rule from the output to the input.

    The ReLU's slope is 1 where its input is positive, else 0: a neuron that was switched off for an item learns nothing from it.
    """
    z = X @ W1.T + b1  # (n, h)
    a = np.maximum(0, z)
    estimate = a @ w2 + b2  # (n,)
    delta = 2 / len(y) * (estimate - y)  # dJ / d estimate
    dw2, db2 = a.T @ delta, delta.sum()
    delta_hidden = np.outer(delta, w2) * (z > 0)  # (n, h): back through w2, then through the ReLU
    return delta_hidden.T @ X, delta_hidden.sum(axis=0), dw2, db2


def exercise_04_6(gradients, eta, beta_1, beta_2, epsilon):
    """Two running averages that start at 0, corrected by what their weights add up to, and a step against the average."""
    theta = m = s = 0.0
    values = []
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        s = beta_2 * s + (1 - beta_2) * g * g
        m_hat = m / (1 - beta_1**t)
        s_hat = s / (1 - beta_2**t)
        theta = theta - eta * m_hat / (np.sqrt(s_hat) + epsilon)
        values.append(theta)
    return np.array(values)
