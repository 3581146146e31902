"""Classes that are not equally frequent."""

from __future__ import annotations

import numpy as np
import pytest

from kfine.answers.classes import Classes

pytestmark = pytest.mark.keras
SHARES = (0.9, 0.1)


def test_the_adjusted_loss_is_the_cross_entropy_of_logits_with_the_shares_in_them() -> None:
    import tensorflow as tf

    (loss,) = Classes(("a", "b"), 0.2, SHARES).losses().values()
    logits = np.array([[0.5, 1.5], [2.0, 0.0]], np.float32)
    truth = np.eye(2, dtype=np.float32)
    with_shares = np.exp(logits) * SHARES
    logarithms = np.log(with_shares / with_shares.sum(axis=1, keepdims=True))
    target = 0.8 * truth + 0.2 * np.array(SHARES)
    expected = -(target * logarithms).sum(axis=1).mean()
    assert float(loss(truth, logits)) == pytest.approx(expected, rel=1e-5)
    again = type(loss).from_config(loss.get_config())
    assert float(again(truth, logits)) == pytest.approx(expected, rel=1e-5)
    # What says no more than how frequent the classes are needs no logits at all.
    nothing = np.zeros((10, 2), np.float32)
    frequent = np.eye(2, dtype=np.float32)[[0] * 9 + [1]]
    (plain,) = Classes(("a", "b"), 0.0, SHARES).losses().values()
    given = tf.Variable(nothing)
    with tf.GradientTape() as tape:
        value = plain(frequent, given)
    gradient = np.asarray(tape.gradient(value, given)).sum(axis=0)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_the_start_of_the_head_takes_the_shares_out() -> None:
    random = np.random.default_rng(0)
    labels = np.array([0] * 180 + [1] * 20)
    features = (random.normal(size=(200, 4)) + labels[:, None] * [1, 0, 0, 0]).astype("float32")
    train, none = (features, np.eye(2)[labels]), (features[:0], np.eye(2)[:0])
    kernel, bias = Classes(("a", "b")).linear_model(train, none, None, 0)
    same, moved = Classes(("a", "b"), 0.0, SHARES).linear_model(train, none, None, 0)
    np.testing.assert_array_equal(kernel, same)
    np.testing.assert_allclose(moved - bias, -np.log(SHARES))
    rare = ((features @ kernel + moved).argmax(axis=1) == 1)[labels == 1].mean()
    assert rare > ((features @ kernel + bias).argmax(axis=1) == 1)[labels == 1].mean() + 0.2
