"""What the catalogue says was measured: every such claim by its text, and the facts monotone, smooth, zero-centred."""

import re
from pathlib import Path

import numpy as np
import pytest

from models.activations.catalogue import entry
from models.activations.run import evaluate
from models.activations.table import ACTIVATIONS, Elementwise
from models.network import ACTIVATIONS as ACTIVATIONS_OF_STUDY
from models.study import inside, outside, results
from models.study.case import CASES, PROVOKED
from models.study.comparison import corrected
from models.study.figures import dead, last

GRID = np.linspace(-12, 12, 4801, dtype=np.float32)  # steps of 1/200
ELEMENTWISE = sorted(name for name, activation in ACTIVATIONS.items() if isinstance(activation, Elementwise))
DOCS = Path(__file__).parents[3] / "docs"
ACTIVATIONS_PAGE = DOCS / "activations.md"
TINY = np.float32(1e-30)


def y(name, *x, **parameters):
    return evaluate(name, np.float32(x), **parameters)


def slope(name, *x, **parameters):
    return evaluate(name, np.float32(x), "grad_x", **parameters)


def no_slope(name, *x):
    return not slope(name, *x).any()


def minimum(name, value, place):
    curve = evaluate(name, GRID)
    return abs(curve.min() - value) < 5e-4 and abs(GRID[curve.argmin()] - place) < 5e-3


def rises(name, **parameters):
    return bool((np.diff(evaluate(name, GRID, **parameters)) >= 0).all())


def shifted_softmax_is_equal():
    x = np.float32([[1, 2, 3], [0, -5, 7]])
    return np.allclose(evaluate("softmax", x), evaluate("softmax", x + 64), rtol=4e-7)


def bounded_slope(name, **parameters):
    """Whether the slope is within [0, 1] and has no jump."""
    slopes = evaluate(name, GRID, "grad_x", **parameters)
    return slopes.min() >= 0 and slopes.max() <= 1 and np.abs(np.diff(slopes)).max() < 0.03


CLAIMS = {
    "celu": {"never above 1": lambda: all(bounded_slope("celu", alpha=alpha) for alpha in (0.3125, 1, 7))},
    "elu": {"vanishes": lambda: np.isclose(slope("elu", -10), 4.5e-5, rtol=0.01).all()},
    "gelu": {"Not monotone": lambda: minimum("gelu", -0.170, -0.752)},
    "glu": {"two inputs": lambda: y("glu", 1, 2, 3, 4).size == 2},
    "hardmax": {
        "Exactly one": lambda: y("hardmax", 3, 1, 3).tolist() == [1, 0, 0],
        "gradient is 0": lambda: no_slope("hardmax", 3, 1, 3),
        "one-hot": lambda: np.isin(y("hardmax", 0.2, 0.7, 0.1), [0, 1]).all() and y("hardmax", 0.2, 0.7, 0.1)[1] == 1,
    },
    "hardshrink": {
        "does not change": lambda: y("hardshrink", 0.75, -8).tolist() == [0.75, -8],
        "jumps": lambda: y("hardshrink", 0.5, 0.5001).tolist() == [0, np.float32(0.5001)],
        "No gradient": lambda: no_slope("hardshrink", -0.5, -0.1, 0, 0.5),
    },
    "hardsigmoid": {"No gradient": lambda: no_slope("hardsigmoid", -9, -3, 3, 9)},
    "hardswish": {
        "Not monotone": lambda: (np.diff(y("hardswish", -3, -2.5, -2, -1.5)) < 0).all(),
        "jumps": lambda: np.allclose(slope("hardswish", -3, -2.9999, 2.9999, 3), [0, -0.5, 1.5, 1], atol=1e-3),
    },
    "hardtanh": {"No gradient": lambda: no_slope("hardtanh", -9, -1, 1, 9)},
    "log_softmax": {
        "Finite": lambda: y("log_softmax", 0, -200)[1] == -200 and y("softmax", 0, -200)[1] == 0,
        "negative log-likelihood": lambda: np.isclose(
            -y("log_softmax", 1, 2, 4), np.log(np.exp([0, 1, 3]).sum()) - [0, 1, 3]
        ),
    },
    "logsigmoid": {
        "Finite": lambda: y("logsigmoid", -200) == -200 and y("sigmoid", -200) == 0,
        "cross-entropy": lambda: np.isclose(-y("logsigmoid", -3, 3), np.log1p(np.exp([3, -3]))),
    },
    "mish": {"Not monotone": lambda: minimum("mish", -0.309, -1.192)},
    "prelu": {"monotone": lambda: rises("prelu", weight=0) and not rises("prelu", weight=-0.1)},
    "relu2": {
        "no jump": lambda: slope("relu2", -TINY, 0, TINY).max() < 1e-29,
        "without bound": lambda: slope("relu2", 10) == 20,
        "No gradient": lambda: no_slope("relu2", -5, -TINY),
    },
    "relu6": {"No gradient": lambda: no_slope("relu6", -1, 0, 6, 7)},
    "selu": {"jumps": lambda: np.allclose(slope("selu", -TINY, TINY), [1.7581, 1.0507], atol=1e-4)},
    "sigmoid": {"bounded": lambda: y("sigmoid", -3e38, 3e38).tolist() == [0, 1]},
    "silu": {"Not monotone": lambda: minimum("silu", -0.278, -1.278)},
    "softmax": {"same number": shifted_softmax_is_equal},
    "softmin": {
        "distribution": lambda: np.isclose(y("softmin", 1, 2, 5).sum(), 1),
        "saturates": lambda: y("softmin", 0, 200).tolist() == [1, 0],
        "from costs": lambda: (np.diff(y("softmin", 1, 2, 5)) < 0).all(),
    },
    "softplus": {
        "positive": lambda: (evaluate("softplus", GRID) > 0).all() and (evaluate("softplus", GRID, "grad_x") > 0).all()
    },
    "softshrink": {
        "Continuous": lambda: y("softshrink", 0.5, 0.5001).max() < 2e-4,
        "biased": lambda: y("softshrink", 100, -100).tolist() == [99.5, -99.5],
    },
    "softsign": {"vanishes": lambda: np.allclose(slope("softsign", -99, 99), 1e-4)},
    "swish": {"Not monotone": lambda: not rises("swish") and not rises("swish", alpha=-2) and rises("swish", alpha=0)},
    "tanhshrink": {
        "x³/3": lambda: np.allclose(y("tanhshrink", 0.01, -0.01), [1e-6 / 3, -1e-6 / 3], rtol=1e-4),
        "vanishes": lambda: np.allclose(slope("tanhshrink", 0.01), 1e-4, rtol=1e-3),
    },
    "threshold": {
        "Exact zeros": lambda: y("threshold", -1, -9).tolist() == [0, 0],
        "jumps": lambda: y("threshold", 0, 1e-3, value=7).tolist() == [7, np.float32(1e-3)],
        "No gradient": lambda: no_slope("threshold", -1, 0),
        "it is ReLU": lambda: np.array_equal(evaluate("threshold", GRID), evaluate("relu", GRID)),
    },
    "thresholded_relu": {
        "jumps": lambda: y("thresholded_relu", 1, 1.0001).tolist() == [0, np.float32(1.0001)],
        "No gradient": lambda: no_slope("thresholded_relu", 0.5, 1),
    },
}
PAIRS = [(name, text) for name, claims in CLAIMS.items() for text in claims]


TESTED = "tests/models/activations/test_claims.py"
SPEED = "docs/activations.md#how-fast-they-are"
MEASURED_SPEEDS = re.search(
    r"## How fast they are\n(.*?)\n## ", ACTIVATIONS_PAGE.read_text(encoding="utf-8"), re.DOTALL
)[1]
RATES = {
    name: float(rate.replace(",", "")) for name, rate in re.findall(r"^\| (\w+) \| ([\d,]+) ", MEASURED_SPEEDS, re.M)
}

# What may be said of speed, and from which ratio of its rate to that of another on.
SPEEDS = {
    "among the fastest": lambda name: RATES[name] >= 0.75 * max(RATES.values()),
    "many times the time of ReLU": lambda name: RATES["relu"] >= 3 * RATES[name],
    "early as cheap as ReLU": lambda name: RATES[name] >= 0.75 * RATES["relu"],
    "As fast as ReLU": lambda name: RATES[name] >= 0.9 * RATES["relu"],
    "Faster than the sigmoid": lambda name: RATES[name] >= 1.1 * RATES["sigmoid"],
    "Faster than tanh": lambda name: RATES[name] >= 1.1 * RATES["tanh"],
}


def said(name, source):
    about = entry(name)
    return [
        claim["text"]
        for kind in ("strengths", "weaknesses", "use")
        for claim in about[kind]
        if claim["source"] == source
    ]


@pytest.mark.parametrize(("name", "text"), PAIRS)
def test_measured_claim_holds(name, text):
    assert np.all(CLAIMS[name][text]())


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_claim_said_to_be_measured_here_is(name):
    claims = said(name, TESTED)
    assert len(claims) == len(CLAIMS.get(name, {}))
    assert all(any(text in claim for text in CLAIMS[name]) for claim in claims)


FOUND = results.load(DOCS / "study.json")
VERDICTS = {claim.anchor: claim.verdict for claim in [*inside.claims(FOUND), *outside.claims(FOUND)]}


def figures(name, figure, case="plain"):
    return np.array(FOUND.column(case, name, figure), float)


def direction(name, other="relu"):
    """Of the accuracy of one of the variants after plain training, less ReLU's: as the page's verdict has it."""
    return corrected({each: outside.compared(FOUND, each, other, last) for each in outside.VARIANTS})[name].direction


def most_accurate(name, case):
    return max(ACTIVATIONS_OF_STUDY, key=lambda each: figures(each, last, case).mean()) == name


# What is said to follow from the study, by heading and words: the figures say so.
STUDIED = {
    "relu": {
        "about half": lambda: np.abs(figures("relu", inside.zeros) - 0.5).max() < 0.1,
        "die:": lambda: (
            VERDICTS["relu-units-die"] == "holds"
            and abs(figures("relu", dead).mean() / 128 - 0.1) < 0.03
            and all(figures("relu", dead, case.name).min() > 0.9 * 128 for case in PROVOKED)
        ),
        "none came back": lambda: all(not figures("relu", inside.revived, case).any() for case in CASES),
    },
    "leaky_relu": {
        "live where": lambda: (
            VERDICTS["leaky-relu-keeps-units-alive"] == "holds"
            and all(figures("leaky_relu", last, case.name).min() > 0.6 for case in PROVOKED)
            and figures("relu", last, "low_bias").max() < 0.15
        ),
        "no more accurate": lambda: direction("leaky_relu") <= 0,
        "Hidden layers where ReLU units die": lambda: VERDICTS["leaky-relu-keeps-units-alive"] == "holds",
    },
    "prelu": {
        "more accurate": lambda: direction("prelu") == 1,
        "not finite": lambda: (
            [name for name in ACTIVATIONS_OF_STUDY if np.isnan(figures(name, inside.slope, "fast_sgd")).any()]
            == ["prelu"]
        ),
    },
    "elu": {
        "nearer to zero": lambda: VERDICTS["negative-outputs-bring-the-mean-nearer-to-zero"] == "holds",
        "less accurate": lambda: direction("elu") == -1,
    },
    "selu": {"less accurate": lambda: direction("selu") == -1},
    "gelu": {
        "less accurate": lambda: direction("gelu") == -1,
        "can die": lambda: figures("gelu", dead, "fast_adam").min() > 64,
    },
    "silu": {"less accurate": lambda: direction("silu") == -1},
    "sigmoid": {
        "smallest gradients": lambda: VERDICTS["the-sigmoid-passes-on-the-smallest-gradients"] == "holds",
        "more slowly": lambda: (
            VERDICTS["tanh-converges-faster-than-the-sigmoid"] == "holds"
            and VERDICTS["relu-converges-faster-than-the-sigmoid"] == "holds"
        ),
        "learned on": lambda: most_accurate("sigmoid", "fast_sgd"),
    },
    "tanh": {
        "than with the sigmoid": lambda: VERDICTS["tanh-converges-faster-than-the-sigmoid"] == "holds",
        "than with ReLU": lambda: VERDICTS["relu-converges-faster-than-tanh"] == "the opposite shows",
        "nearer to zero": lambda: VERDICTS["negative-outputs-bring-the-mean-nearer-to-zero"] == "holds",
        "three quarters": lambda: abs(figures("tanh", lambda trial: trial.saturated, "fast_adam").mean() - 96) < 13,
    },
}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_claim_of_the_study_follows_from_its_figures(name):
    about = entry(name)
    claims = [
        claim["text"]
        for kind in ("strengths", "weaknesses", "use")
        for claim in about[kind]
        if claim["source"].startswith("docs/study.md#")
    ]
    assert len(claims) == len(STUDIED.get(name, {}))
    for claim in claims:
        (follows,) = [rule for words, rule in STUDIED[name].items() if words in claim]
        assert follows(), claim


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_what_is_said_of_speed_is_in_the_table(name):
    for claim in said(name, SPEED):
        (holds,) = [rule for words, rule in SPEEDS.items() if words in claim]
        assert holds(name), claim


@pytest.mark.parametrize("name", ELEMENTWISE)  # with the default parameters, as the two below
def test_monotone_is_told_truly(name):
    assert rises(name) == entry(name)["monotone"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_smooth_is_told_truly(name):
    slopes = evaluate(name, GRID, "grad_x")
    assert (np.abs(np.diff(slopes)).max() < 0.02) == entry(name)["smooth"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_zero_centred_is_told_truly(name):
    curve = evaluate(name, GRID)
    assert np.allclose(curve, -curve[::-1], atol=1e-5) == entry(name)["zero_centred"]
