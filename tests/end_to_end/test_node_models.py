"""The ONNX project's own test of every operator, each a model with inputs, served as one repository and compared with
onnxruntime in this process, bit by bit.

Left out are the cases that onnxruntime itself cannot load or run, those that answer at random, and operators written
out as others (`_expanded`), which are nothing new here.
"""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import json
import math
import re
import struct
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as library

LENGTH = "inference-header-content-length"
SLOW = ("averagepool", "lppool", "maxpool")  # a reference in Python that takes seconds
LEFT_OUT = re.compile(r"bernoulli|dropout|randomnormal|randomuniform|multinomial|_expanded")
DATATYPES = {
    "bool": "BOOL",
    "float16": "FP16",
    "bfloat16": "BF16",
    "float32": "FP32",
    "float64": "FP64",
    "object": "BYTES",
    **{f"{sign}int{bits}": f"{sign}int{bits}".upper() for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
CARRIED = re.compile(r"tensor\((bool|u?int(8|16|32|64)|float|double|float16|bfloat16|string)\)")
CANNOT_RUN = tuple(
    member for _, member in inspect.getmembers(library, inspect.isclass) if issubclass(member, Exception)
)

Ask = Callable[..., tuple[int, Mapping[str, str], bytes]]


@dataclass(frozen=True)
class Case:
    """A served model, what it is given, and what onnxruntime answers."""

    name: str
    feeds: Mapping[str, np.ndarray]
    answers: Mapping[str, np.ndarray]

    @property
    def is_small(self) -> bool:
        """So that JSON tells nothing new by its length."""
        return sum(array.size for array in (*self.feeds.values(), *self.answers.values())) < 1000


@dataclass(frozen=True)
class Nodes:
    """The cases whose types are carried, and the names of the models with an input that is not."""

    folder: Path
    cases: list[Case]
    not_carried: list[str]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    found = Nodes(tmp_path_factory.mktemp("nodes"), [], [])
    for case in collected():
        loaded = None if LEFT_OUT.search(case.name) else opened(case.model)
        if loaded is None:
            continue
        model, session = loaded
        if not all(CARRIED.fullmatch(end.type) for end in session.get_inputs()):
            found.not_carried.append(case.name)
        elif all(CARRIED.fullmatch(end.type) for end in session.get_outputs()):
            names = [end.name for end in model.graph.input]
            feeds = dict(zip(names, map(array_of, case.data_sets[0][0]), strict=True))
            with contextlib.suppress(*CANNOT_RUN):
                found.cases.append(Case(case.name, feeds, answers(session, feeds)))
        path = found.folder / case.name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(model.SerializeToString())
    return found


@pytest.fixture(scope="module")
def ask(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory, server: Any) -> Iterator[Ask]:
    """One connection to a server of all of them: method, path, body and headers to status, headers and body."""
    arguments = ("--models", str(nodes.folder), "--no-shipped-models", "--intra-op-threads", "1", "--grpc-port", "0")
    own = type(server)(arguments, tmp_path_factory.mktemp("log") / "server.log", {}, measured=True)
    try:
        own.wait_until_live()
        with contextlib.closing(own.client()) as client:

            def exchange(
                method: str, path: str, body: bytes = b"", **headers: str
            ) -> tuple[int, Mapping[str, str], bytes]:
                client.request(method, path, body, {"Content-Type": "application/json", **headers})
                response = client.getresponse()
                named = {name.lower(): value for name, value in response.getheaders()}
                return response.status, named, response.read()

            yield exchange
    finally:
        status = own.stop()
    assert status == 0
    assert "Traceback" not in own.log


def test_binary_answers_have_the_bits_of_onnxruntime(nodes: Nodes, ask: Ask) -> None:
    assert len(nodes.cases) > 1000
    wrong = []
    for case in nodes.cases:
        tails = [to_bytes(array) for array in case.feeds.values()]
        inputs = [
            {**head(name, array), "parameters": {"binary_data_size": len(tail)}}
            for (name, array), tail in zip(case.feeds.items(), tails, strict=True)
        ]
        text = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        body = b"".join([text, *tails])
        status, headers, answer = ask("POST", f"/v2/models/{case.name}/infer", body, **{LENGTH: str(len(text))})
        if status != 200 or not same_bytes(answer, int(headers[LENGTH]), case.answers):
            wrong.append((case.name, status, answer[:200]))
    assert wrong == []


def test_json_answers_have_the_values_of_onnxruntime(nodes: Nodes, ask: Ask) -> None:
    small = [case for case in nodes.cases if case.is_small]
    assert len(small) > 900
    wrong = []
    for case in small:
        inputs = [{**head(name, array), "data": nested(array)} for name, array in case.feeds.items()]
        status, _, answer = ask("POST", f"/v2/models/{case.name}/infer", json.dumps({"inputs": inputs}).encode())
        outputs = {item["name"]: item for item in json.loads(answer).get("outputs", ())}
        if status != 200 or not all(
            head(name, array).items() <= outputs[name].items() and same(outputs[name]["data"], array.reshape(-1))
            for name, array in case.answers.items()
        ):
            wrong.append((case.name, status, answer[:200]))
    assert wrong == []


def test_columns_of_predict_have_the_values_of_onnxruntime(nodes: Nodes, ask: Ask) -> None:
    wrong = []
    for case in (case for case in nodes.cases if case.is_small):
        columns = {name: nested(array) for name, array in case.feeds.items()}
        status, _, answer = ask("POST", f"/predict/{case.name}", json.dumps({"inputs": columns}).encode())
        outputs = json.loads(answer).get("outputs")
        named = outputs if len(case.answers) > 1 else dict.fromkeys(case.answers, outputs)
        if status != 200 or not all(same(named[name], array) for name, array in case.answers.items()):
            wrong.append((case.name, status, answer[:200]))
    assert wrong == []


def test_every_example_request_is_accepted_as_it_stands(nodes: Nodes, ask: Ask) -> None:
    wrong = []
    for case in nodes.cases:
        example = json.loads(ask("GET", f"/models/{case.name}")[2])["example"]
        status, _, answer = ask(example["method"], example["path"], json.dumps(example["body"]).encode())
        if status != 200:
            wrong.append((case.name, status, answer[:200], str(example)[:200]))
    assert wrong == []


def test_model_whose_input_cannot_be_carried_is_501_with_the_type(nodes: Nodes, ask: Ask) -> None:
    assert len(nodes.not_carried) > 50
    for name in nodes.not_carried:
        for path in (f"/v2/models/{name}/infer", f"/predict/{name}"):
            status, _, answer = ask("POST", path, b'{"inputs": []}')
            assert status == 501, name
            assert re.search(r"`[^`]+` is a \w+\(.*\), which no tensor protocol can carry", json.loads(answer)["error"])


def collected() -> list[Any]:
    """The cases, without the modules whose references in Python take seconds."""
    for name in SLOW:
        sys.modules.setdefault(f"onnx.backend.test.case.node.{name}", ModuleType(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases: list[Any] = collect_testcases(None)
        return cases


def lowered(model: onnx.ModelProto) -> onnx.ModelProto:
    """In the oldest version that a service promises to read, where the operators have not changed since."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    made.ir_version = min(made.ir_version, 10)
    for entry in made.opset_import:
        entry.version = entry.version if entry.domain else min(entry.version, 21)
    return made


def opened(model: onnx.ModelProto) -> tuple[onnx.ModelProto, onnxruntime.InferenceSession] | None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    for candidate in (lowered(model), model):
        with contextlib.suppress(*CANNOT_RUN):
            content = candidate.SerializeToString()
            return candidate, onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return None


def array_of(value: Any) -> np.ndarray:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def answers(session: onnxruntime.InferenceSession, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [end.name for end in session.get_outputs()]
    ends = [*session.get_inputs(), *session.get_outputs()]
    if not any(end.type == "tensor(bfloat16)" for end in ends):
        return dict(zip(names, session.run(None, feeds), strict=True))
    values = session.run_with_ort_values(names, {name: to_value(array) for name, array in feeds.items()})
    return dict(zip(names, map(from_value, values), strict=True))


def to_value(array: np.ndarray) -> onnxruntime.OrtValue:
    if array.dtype == BFLOAT16:
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), onnx.TensorProto.BFLOAT16)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def from_value(value: onnxruntime.OrtValue) -> np.ndarray:
    if value.data_type() != "tensor(bfloat16)":
        array: np.ndarray = value.numpy()
        return array
    return np.frombuffer(ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes()), BFLOAT16).reshape(
        value.shape()
    )


def head(name: str, array: np.ndarray) -> dict[str, Any]:
    datatype = DATATYPES["object" if array.dtype.kind in "OUS" else array.dtype.name]
    return {"name": name, "datatype": datatype, "shape": [*array.shape]}


def to_bytes(array: np.ndarray) -> bytes:
    """The binary tensor data of the protocol."""
    if array.dtype.kind not in "OUS":
        return array.tobytes()
    texts = [text if isinstance(text, bytes) else str(text).encode() for text in array.ravel().tolist()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def same_bytes(answer: bytes, length: int, expected: Mapping[str, np.ndarray]) -> bool:
    outputs = json.loads(answer[:length])["outputs"]
    heads = [{key: output[key] for key in ("name", "datatype", "shape")} for output in outputs]
    tail = b"".join(map(to_bytes, expected.values()))
    return heads == [head(name, array) for name, array in expected.items()] and answer[length:] == tail


def nested(array: np.ndarray) -> Any:
    """As JSON has it: a number that is not finite is a string, a 16-bit float a number like another."""
    return spelt((array.astype(np.float64) if array.dtype.kind in "fV" else array).tolist())


def spelt(value: Any) -> Any:
    if isinstance(value, list):
        return [spelt(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value.decode() if isinstance(value, bytes) else value


def same(data: Any, array: np.ndarray) -> bool:
    """Shape, type and every bit; of a NaN only that it is one."""
    if isinstance(data, list):
        return array.ndim > 0 and len(data) == len(array) and all(map(same, data, array))
    if isinstance(array, np.ndarray) and array.ndim:
        return False
    expected = spelt(array.item() if isinstance(array, np.generic | np.ndarray) else array)
    if not isinstance(expected, float):
        return type(data) is type(expected) and data == expected
    if not isinstance(data, float):
        return False
    rounded = np.float64(data).astype(array.dtype)
    return bool(rounded == array and np.signbit(rounded) == np.signbit(array))
