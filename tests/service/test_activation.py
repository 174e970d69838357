"""Parameters of every type in the catalogue, and their bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service import activation
from service.errors import Unfit
from service.model import Model
from service.repository import Repository
from service.session import Runtime


@pytest.fixture(scope="module")
def repository() -> Repository:
    return Repository(None, Runtime("cpu", 1))


def feeds(model: Model, given: dict[str, Any], shape: tuple[int, ...] = (2, 4)) -> dict[str, np.ndarray]:
    return activation.feeds(model, model.session, given, shape)


def test_choice_is_its_place_in_the_list(repository: Repository) -> None:
    model = repository.activation("gelu")
    assert int(feeds(model, {"approximate": "none"})["approximate"]) == 0
    assert int(feeds(model, {"approximate": "tanh"})["approximate"]) == 1
    for wrong in ("TANH", "", 1, None, ["tanh"], {"a": 1}):
        with pytest.raises(Unfit, match='"none", "tanh"'):
            feeds(model, {"approximate": wrong})


@pytest.mark.parametrize(
    ("name", "parameter", "wrong", "says"),
    [
        ("celu", "alpha", 0, "above 0"),
        ("celu", "alpha", -1, "above 0"),
        ("softshrink", "lambd", -0.1, "at least 0"),
        ("softplus", "beta", 0, "above 0"),
        ("softplus", "threshold", -1, "at least 0"),
    ],
)
def test_number_out_of_its_bounds_is_422(
    repository: Repository, name: str, parameter: str, wrong: float, says: str
) -> None:
    with pytest.raises(Unfit, match=says) as caught:
        feeds(repository.activation(name), {parameter: wrong})
    assert caught.value.details[0].path == f"parameters.{parameter}"


def test_lower_bound_above_the_upper_is_422(repository: Repository) -> None:
    model = repository.activation("hardtanh")
    assert feeds(model, {"min_val": 0.5}).keys() == {"min_val"}
    assert feeds(model, {"min_val": 2, "max_val": 2}).keys() == {"min_val", "max_val"}
    for wrong in ({"min_val": 2}, {"max_val": -2}, {"min_val": 3, "max_val": 2}):
        with pytest.raises(Unfit, match="at most `max_val`"):
            feeds(model, wrong)


@pytest.mark.parametrize(
    ("shape", "given", "halved"),
    [
        ((2, 4), {}, (2, 2)),
        ((2, 4), {"dim": 0}, (1, 4)),
        ((4,), {}, (2,)),
        ((0,), {}, (0,)),
        ((3, 2), {"dim": -1}, (3, 1)),
    ],
)
def test_axis_that_is_halved_gives_the_outputs_shape(
    repository: Repository, shape: tuple[int, ...], given: dict[str, int], halved: tuple[int, ...]
) -> None:
    model = repository.activation("glu")
    assert activation.output_shape(model, shape, feeds(model, given, shape)) == halved


@pytest.mark.parametrize(("shape", "given"), [((), {}), ((3,), {}), ((2, 3), {}), ((3, 2), {"dim": 0})])
def test_axis_that_cannot_be_halved_is_422(
    repository: Repository, shape: tuple[int, ...], given: dict[str, int]
) -> None:
    model = repository.activation("glu")
    with pytest.raises(Unfit, match="even size"):
        activation.output_shape(model, shape, feeds(model, given, shape))


def test_other_activations_keep_the_shape(repository: Repository) -> None:
    assert activation.output_shape(repository.activation("relu"), (3,), {}) == (3,)


def test_query_is_read_as_json_or_text() -> None:
    given = {"a": "1", "b": "[1, 2.5]", "c": "tanh", "d": "true", "e": "", "f": "1, 2", "g": '1,"h":2', "i": "1e999"}
    found = activation.from_query(given)
    assert found == {
        "a": 1,
        "b": [1, 2.5],
        "c": "tanh",
        "d": True,
        "e": "",
        "f": "1, 2",
        "g": '1,"h":2',
        "i": float("inf"),
    }


@pytest.mark.parametrize("name", ["FP8", "fp32", "", None, 32, "INT64", ["FP32"]])
def test_datatype_that_is_no_float_is_422(name: Any) -> None:
    with pytest.raises(Unfit, match="FP16, BF16, FP32 or FP64"):
        activation.datatype(name)
