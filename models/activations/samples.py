"""The inputs on which everything is measured."""

from __future__ import annotations

from typing import Any

import numpy as np

# Where formulas change or overflow, where slopes are zero, where results underflow: inside the product and out of it.
TURNS = (
    1e-38,
    0.01,
    0.40625,
    0.5,
    0.5625,
    0.751791525,
    1,
    1.125,
    1.19245,
    1.27846,
    1.5,
    2,
    2.5,
    3,
    6,
    9.01,
    13.1,
    13.3,
)
ENDS = (14.5, 16.6, 20, 40, 64, 80, 87.3, 88, 88.7, 91.9, 103.9, 176, 1e19, 1e30, 3.4e38)

# Parameters other than the defaults, all exact in FP32, for the activations that have some.
PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "leaky_relu": [{"negative_slope": -0.375}, {"negative_slope": 0}],
    "prelu": [{"weight": 1.75}],
    "rrelu": [{"lower": 0.5, "upper": 0.75}, {"lower": 2.0**126, "upper": 1.5 * 2.0**127}],
    "hardtanh": [{"min_val": -2, "max_val": 0.5}],
    "threshold": [{"threshold": -1, "value": 20}],
    "thresholded_relu": [{"alpha": 0.25}, {"alpha": -2}],
    "hardshrink": [{"lambd": 2}, {"lambd": 0}],
    "softshrink": [{"lambd": 2}, {"lambd": 0}],
    "elu": [{"alpha": 0.3125}, {"alpha": 1e6}],
    "celu": [{"alpha": 0.3125}, {"alpha": 7}, {"alpha": 2.0**100}],
    "softplus": [{"beta": 0.3125, "threshold": 5}, {"beta": 7, "threshold": 1}],
    "swish": [{"alpha": 0.3125}, {"alpha": 1.75}, {"alpha": -2}, {"alpha": 0}],
    "gelu": [{"approximate": 1}],
}


def samples(count: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """About `count` finite FP32 numbers: evenly over all bit patterns (so all magnitudes, subnormals, both zeros),
    ordinary ones, and the neighbours of every turning point."""
    random = np.random.default_rng(seed)
    patterns = np.linspace(0, 2**32 - 64, count // 2).astype(np.int64) + random.integers(0, 64)
    steps = np.arange(-256, 257, dtype=np.int32)
    turns = np.array([*TURNS, *ENDS], np.float32).view(np.int32)
    near = (turns[:, None] + steps).view(np.float32).ravel()
    ordinary = random.normal(0, 3, count // 6), random.uniform(-2, 2, count // 6), random.uniform(-110, 110, count // 6)
    zeros = np.array([0.0, -0.0], np.float32)
    finite = patterns.astype(np.uint32).view(np.float32)
    finite = finite[np.isfinite(finite)]
    return np.concatenate([finite, near, -near, *(part.astype(np.float32) for part in ordinary), zeros])


def rows(seed: int = 0) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Rows for softmax and its kin: narrow and wide, short and long, near an end of the range, all but one tiny."""
    random = np.random.default_rng(seed)
    return [
        array.astype(np.float32)
        for array in (
            random.normal(0, 3, (8000, 50)),
            random.normal(0, 40, (4000, 50)),
            random.normal(-1000, 1, (2000, 60)),
            random.uniform(-90, 0, (40_000, 4)),
            random.uniform(-1e4, 1e4, (20_000, 2)),
            np.exp(random.normal(0, 8, (20_000, 6))) * random.choice([-1, 1], (20_000, 6)),
            np.array([[1, 1], [0, -20], [0, -80], [0, 1e-30], [88, 88], [-3e38, 3e38]]),
        )
    ]
