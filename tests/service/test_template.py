"""What is kept of a request of the Open Inference Protocol: what is answered from it is what the whole body says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from service.app import Parts, assemble
from service.errors import ServiceError
from service.exchange import Request
from service.plan import Inputs, Plan
from service.settings import Settings

PATH = "/v2/models/pair/infer"
COLUMNS = 3


@pytest.fixture(scope="module")
def parts(graphs: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A model of rows of three floats, whose outputs are the rows and their doubles."""
    folder = tmp_path_factory.mktemp("templates")
    nodes = [helper.make_node("Identity", ["data"], ["same"]), helper.make_node("Add", ["data", "data"], ["twice"])]
    ends = (
        [("data", TensorProto.FLOAT, ["n", COLUMNS])],
        [(name, TensorProto.FLOAT, ["n", COLUMNS]) for name in NAMES],
    )
    graphs.write(folder / "pair" / "1" / "model.onnx", nodes, *ends, {}, {"batching": "rows"})
    made = assemble(Settings(models=folder, no_shipped_models=True))
    yield made
    made.scheduler.close()


NAMES = ("same", "twice")


def new_plan(parts: Parts) -> Plan:
    (route,) = [route for route in parts.heads.hot if route.path == "/v2/models/{model}/infer"]
    handler: Any = route.handler
    headers = {"content-type": "application/json"}
    plan: Plan = handler.plan(Request("POST", PATH, "", headers, "id", {"model": "pair"}))
    return plan


def request(rows: list[list[float]], **members: object) -> dict[str, Any]:
    flat = [value for row in rows for value in row]
    return {"inputs": [{"name": "data", "shape": [len(rows), COLUMNS], "datatype": "FP32", "data": flat}], **members}


def learnt(plan: Plan, body: bytes) -> bool:
    """Whether a body that has come twice is known by all but its values."""
    for _ in range(2):
        plan.decode(body)
    return plan.table(body) is not None


def same(one: Inputs, other: Inputs) -> bool:
    feeds = zip(one.feeds.items(), other.feeds.items(), strict=True)
    return one.fetches == other.fetches and all(
        name == again
        and values.dtype == others.dtype
        and values.shape == others.shape
        and values.tobytes() == others.tobytes()
        for (name, values), (again, others) in feeds
    )


def check(plan: Plan, body: bytes) -> bool:
    """Whether it is answered from what is kept; then it must be what reading all of it gives."""
    kept = plan.table(body)
    if kept is None:
        return False
    assert same(kept.read(kept.rows), new_read(plan, body))
    return True


def new_read(plan: Any, body: bytes) -> Inputs:
    read: Inputs = plan._read(body)
    return read


def test_values_alone_are_read_of_what_came_before(parts: Parts) -> None:
    plan = new_plan(parts)
    body = json.dumps(request([[1, 2, 3]])).encode()
    plan.decode(body)
    assert plan.table(body) is None  # once may be by chance
    assert learnt(plan, body)
    assert check(plan, json.dumps(request([[-0.0, 1e-50, 3.4e38]])).encode())
    assert not check(plan, json.dumps(request([[1, 2, 3], [4, 5, 6]])).encode())


def test_rows_of_any_number_are_of_one_form_and_stand_below_each_other(parts: Parts) -> None:
    plan = new_plan(parts)
    found = []
    for rows in ([[1.0, 2, 3]], [[4.0, 5, 6], [7, 8, 9]]):
        body = json.dumps(request(rows)).encode()
        assert learnt(plan, body)
        found.append(plan.table(body))
    (one, form), (two, again) = [kept for kept in found if kept is not None]
    assert form == again
    together = form(np.concatenate([one, two]))
    assert together.feeds["data"].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(
    "values",
    [
        "[1,2]",
        "[1,2,3,4]",
        "[[1,2,3]]",
        "[1,2,[3]]",
        "[1,2,null]",
        '[1,2,"3"]',
        "[1,2,true]",
        "[1,2,3e]",
        "[1,2,NaN]",
        '[1,2,"NaN"]',
        "[1,2,{}]",
        "[]",
        "[1,2,3",
        "1,2,3]",
        "[1,2,3]]",
        "[1,2,3],4",
        "[1,2,1" + "0" * 400 + "]",
        "[1,2,18446744073709551616]",
        "[1,2,-0]",
        " [ 1 , 2 , 3 ] ",
        '[1,2,3],"parameters":{}',
        '[1,2,3],"data":[4,5,6]',
    ],
)
def test_values_that_are_not_plain_are_never_taken_for_it(parts: Parts, values: str) -> None:
    plan = new_plan(parts)
    text = json.dumps(request([[1, 2, 3]]))
    assert learnt(plan, text.encode())
    check(plan, text.replace("[1, 2, 3]", values).encode())


def test_number_out_of_range_is_refused(parts: Parts) -> None:
    plan = new_plan(parts)
    body = json.dumps(request([[1, 2, 3]])).encode()
    assert learnt(plan, body)
    kept = plan.table(body.replace(b"[1, 2, 3]", b"[1, 2, 1e39]"))
    assert kept is not None
    with pytest.raises(ServiceError, match="FP32"):
        kept.read(kept.rows)


MISLEADING = [
    # a tensor's parameters may be anything, and so may have members of that name with the same numbers
    '{"inputs":[{"name":"data","shape":[1,3],"datatype":"FP32","parameters":{"data":[1,2,3]},"data":[1,2,3]}]}',
    '{"inputs":[{"name":"data","shape":[1,3],"parameters":{"a\\"data":[1,2,3]},"datatype":"FP32","data":[1,2,3]}]}',
    '{"inputs":[{"name":"data","shape":[1,3],"parameters":{"x":"\\"data\\":[1,2,3]"},"datatype":"FP32","data":[1,2,3]}]}',
    '{"outputs":[{"name":"same","parameters":{"data":[1,2,3]}}],'
    '"inputs":[{"name":"data","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}',
]


@pytest.mark.parametrize("text", MISLEADING)
def test_values_are_those_of_the_tensor_and_not_what_looks_like_them(parts: Parts, text: str) -> None:
    plan = new_plan(parts)
    learnt(plan, text.encode())
    for old in ("[1,2,3]}}", "[1,2,3]}", "[1,2,3]"):
        at = text.find(old)
        if at >= 0:
            check(plan, (text[:at] + old.replace("2", "7") + text[at + len(old) :]).encode())
    last = text.rfind("[1,2,3]")
    check(plan, (text[:last] + "[4,5,6]" + text[last + 7 :]).encode())


def test_request_with_an_id_or_parameters_is_read_as_a_whole(parts: Parts) -> None:
    plan = new_plan(parts)
    for members in ({"id": "x"}, {"parameters": {"timeout": 1000000}}, {"parameters": {"sequence_id": 1}}):
        assert not learnt(plan, json.dumps(request([[1, 2, 3]], **members)).encode())
    assert not learnt(
        plan,
        json.dumps(
            {**request([[1, 2, 3]]), "outputs": [{"name": "same", "parameters": {"classification": 1}}]}
        ).encode(),
    )


WHITE = st.sampled_from(["", " ", "\n", "\t "])
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False, width=64))
MEMBERS = ("name", "shape", "datatype", "data", "parameters")


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, int]:
    """The text of a request with `@` where its numbers stand, its members in any order and with white space."""
    rows = draw(st.integers(1, 3))
    told = {
        "name": draw(st.sampled_from(['"data"', '"d\\u0061ta"'])),
        "shape": f"[{rows},{COLUMNS}]",
        "datatype": '"FP32"',
        "data": "@",
        "parameters": draw(st.sampled_from(["{}", '{"data":[1]}', '{"x":"\\"data\\": ["}', '{"data":@}'])),
    }
    if draw(st.booleans()):
        del told["parameters"]
    white = [draw(WHITE) for _ in range(4)]
    members = draw(st.permutations(list(told)))
    inner = ("," + white[0]).join(f'"{name}"{white[1]}:{white[2]}{told[name]}' for name in members)
    outputs = draw(st.sampled_from(["", '"outputs":[{"name":"twice"}],', '"outputs":[],', '"model_name":"pair",']))
    return f'{white[3]}{{{outputs}"inputs":[{{{inner}}}]}}{white[3]}', rows * COLUMNS


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies(), st.lists(NUMBERS, min_size=1, max_size=9), st.data())
def test_what_is_kept_of_any_body_gives_what_the_whole_of_the_next_says(
    parts: Parts, found: tuple[str, int], numbers: list[float], data: st.DataObject
) -> None:
    text, count = found
    plan = new_plan(parts)
    values = [numbers[index % len(numbers)] for index in range(count)]
    for _ in range(2):
        try:
            plan.decode(text.replace("@", json.dumps(values)).encode())
        except ServiceError:
            return
    others = data.draw(st.lists(NUMBERS, min_size=count, max_size=count + data.draw(st.integers(0, 1))))
    body = text.replace("@", json.dumps(others), 1).replace("@", json.dumps(values)).encode()
    try:
        check(plan, body)
    except ServiceError:  # out of range: then the whole is refused as well
        with pytest.raises(ServiceError):
            new_read(plan, body)
