"""What is said of a measurement, and how sure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

TEXT = "g (float[n, 10] x) => (float[n, 10] y) { a = %s(x) y = Neg(a) }"


def rows(count: int, **columns: float) -> np.ndarray:
    """Healthy columns, -1 and 1 by turns, but for those that are given as c0=…, c1=…"""
    x = np.where(np.arange(count * 10).reshape(count, 10) % 2, 0.5, -0.5).astype(np.float32)
    x[::2] *= -1
    for name, value in columns.items():
        x[:, int(name[1:])] = value
    return x


def found(diagnosed: Any, path: Any, x: np.ndarray) -> list[tuple[str | None, str, str]]:
    return [(one["node"], one["severity"], one["text"]) for one in diagnosed(path, x)["findings"]]


def test_healthy_model_is_told_so_in_one_sentence(written: Any, diagnosed: Any) -> None:
    text = "No unit of `a` was dead or saturated on these 4 rows, and every value is finite."
    assert found(diagnosed, written(TEXT % "Relu"), rows(4)) == [(None, "ok", text)]


@pytest.mark.parametrize(
    ("count", "dead", "severity", "evidence"),
    [
        (1, 1, "note", "One row proves nothing; send a thousand."),
        (
            10,
            5,
            "note",
            "10 rows prove nothing: of the units that fire for one row in 10, 35 % would not be seen to on so few;",
        ),
        (99, 5, "note", "99 rows prove nothing"),
        (100, 1, "warning", "With 95 % confidence each of them fires for less than 3 % of such rows."),
        (1000, 5, "warning", "With 95 % confidence each of them fires for less than 0.3 % of such rows."),
    ],
)
def test_dead_units_are_told_by_what_their_rows_prove(
    written: Any, diagnosed: Any, count: int, dead: int, severity: str, evidence: str
) -> None:
    x = rows(count, **{f"c{unit}": -1.0 for unit in range(dead)})
    if count == 1:
        x[:, 1:] = 1
    ((node, told, text),) = found(diagnosed, written(TEXT % "Relu"), x)
    assert (node, told) == ("a", severity)
    which = f"these {count:,} rows" if count > 1 else "this one row"
    assert text.startswith(f"{dead} of 10 units of `a` never fired on {which}; ")
    assert "leaky_relu" in text
    assert evidence in text


def test_few_dead_units_are_a_note_however_many_rows_there_are(written: Any, diagnosed: Any) -> None:
    path = written("g (float[n, 20] x) => (float[n, 20] y) { y = Relu(x) }")
    x = np.hstack([rows(500, c0=-1), rows(500)])
    assert [severity for _, severity, _ in found(diagnosed, path, x)] == ["note"]


def test_dead_units_of_a_gelu_are_not_told_to_become_one(written: Any, diagnosed: Any) -> None:
    ((_, _, text),) = found(diagnosed, written(TEXT % "Gelu"), rows(200, c0=-1000, c1=-1000))
    assert text.startswith("2 of 10 units of `a` never fired")
    assert "leaky_relu" not in text


def test_saturated_units_are_told_once_and_at_the_output_without_alarm(written: Any, diagnosed: Any) -> None:
    x = rows(200, c3=-20, c4=20)
    ((node, severity, text),) = found(diagnosed, written(TEXT % "Tanh"), x)
    assert (node, severity) == ("a", "warning")
    assert text.startswith("2 of 10 units of `a` had a slope below 0.01 on each of these 200 rows; next to no gradient")
    at_output = written("g (float[n, 10] x) => (float[n, 10] y) { y = Sigmoid(x) }")
    ((_, severity, text),) = found(diagnosed, at_output, x)
    assert severity == "note"
    assert "that is certainty, and no fault by itself" in text


def test_softmax_is_never_dead_or_saturated(written: Any, diagnosed: Any) -> None:
    path = written("g (float[n, 10] x) => (float[n, 10] y) { y = Softmax(x) }")
    ((node, severity, text),) = found(diagnosed, path, rows(200, c0=1000))
    assert (node, severity) == (None, "ok")
    assert "nothing here is of a kind that can be dead or saturated" in text


def test_layer_that_is_mostly_zero_is_told(written: Any, diagnosed: Any) -> None:
    x = np.full((200, 10), -1, np.float32)
    x[np.arange(200), np.arange(200) % 10] = 1
    x[:20] = -1
    ((_, severity, text),) = found(diagnosed, written(TEXT % "Relu"), x)
    assert severity == "note"
    assert text.startswith("91.0% of the values of `a` are zero on these 200 rows")


def test_small_mean_slope_is_told(written: Any, diagnosed: Any) -> None:
    x = np.full((200, 10), 9, np.float32)
    x[0] = 0  # where the slope is 0.25, so that no unit is saturated
    ((node, severity, text),) = found(diagnosed, written(TEXT % "Sigmoid"), x)
    assert (node, severity) == ("a", "warning")
    mean = (0.25 + 199 * np.exp(-9) / (1 + np.exp(-9)) ** 2) / 200
    assert text.startswith(f"The mean slope of `a` is {mean:.2g} on these 200 rows")
    assert f"a gradient comes out about {1 / mean:,.0f} times smaller" in text


def test_what_is_not_finite_comes_first_and_says_where_it_came_from(written: Any, diagnosed: Any) -> None:
    path = written("g (float[n, 10] x) => (float[n, 10] y) { a = Relu(x) b = Softplus(a) y = Tanh(b) }")
    x = rows(200, c0=-1, c1=-1)
    x[5, 5] = np.nan
    told = found(diagnosed, path, x)
    assert [severity for _, severity, _ in told][:3] == ["error"] * 3
    assert told[0][2].startswith(
        "1 of 2,000 values of `a` are NaN or infinite; they were so before the activation as well."
    )
    assert told[3][:2] == ("a", "warning")


def test_infinity_that_the_activation_itself_made_is_told_as_such(written: Any, diagnosed: Any) -> None:
    path = written("g (float16[n, 2] x) => (float16[n, 2] y) { r = Relu(x) y = Mul(r, r) }")
    x = np.array([[1, 300], [1, 2]], np.float16)
    ((node, severity, text),) = found(diagnosed, path, x)
    assert (node, severity) == ("y", "error")
    assert "1 of 4 values of `y` are NaN or infinite; they were finite before the activation." in text


def test_masked_attention_is_no_error(written: Any, diagnosed: Any) -> None:
    """A mask of minus infinity before a softmax is how attention leaves places out."""
    path = written("g (float[n, 3] x) => (float[n, 3] y) { y = Softmax(x) }")
    x = np.array([[0, 1, -np.inf], [0, -np.inf, -np.inf]], np.float32)
    assert [severity for _, severity, _ in found(diagnosed, path, x)] == ["ok"]
