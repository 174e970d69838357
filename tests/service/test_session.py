"""onnxruntime behind its one door: telemetry, exceptions, providers, threads, plain refusals."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as raised

from service.errors import Internal, ModelError, Unfit
from service.session import (
    CPU,
    NotCarriedModel,
    Runtime,
    Session,
    cuda_problem,
    library,
    opening,
    redact,
    usable_provider,
)
from service.session.providers import _problem

HOOK = """
import builtins, os, sys
assert "ORT_DISABLE_TELEMETRY" not in os.environ
real = builtins.__import__
seen = []

def watched(name, *rest, **named):
    if name.partition(".")[0] == "onnxruntime" and "onnxruntime" not in sys.modules:
        seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
    return real(name, *rest, **named)

builtins.__import__ = watched
import {module}
assert "onnxruntime" in sys.modules
assert seen and set(seen) == {{"1"}}, seen
print("set before the import")
"""


@pytest.mark.parametrize("imported", ["service.session", "service.app", "service.server", "service.cli.predict"])
def test_telemetry_is_off_before_the_library_is_imported(imported: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "COVERAGE_"))}
    done = subprocess.run(
        [sys.executable, "-c", HOOK.format(module=imported)],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "set before the import\n", done.stderr


def test_every_exception_of_the_library_is_known() -> None:
    found = {
        member
        for _, member in inspect.getmembers(raised, inspect.isclass)
        if issubclass(member, Exception) and member.__module__.startswith("onnxruntime")
    }
    assert found
    assert set(library.ORT_ERRORS) == found


def test_threads_are_set_and_do_not_spin(graphs: Any, tmp_path: Path) -> None:
    found = Session(graphs.identity(tmp_path / "x.onnx", 1, ["n"]), Runtime("cpu", 3))
    options = found._session.get_session_options()
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    for key in ("session.intra_op.allow_spinning", "session.inter_op.allow_spinning"):
        assert options.get_session_config_entry(key) == "0"


SHIPPED = Path(__file__).parents[2] / "models" / "repository"
MEBIBYTE = 1 << 20


def resident() -> int:
    """Bytes of this process that are in memory."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))


def activation(name: str, cpu: Runtime) -> Session:
    return Session(SHIPPED / name / "1" / "model.onnx", cpu)


def test_models_share_what_their_runs_need(cpu: Runtime) -> None:
    names = ["gelu", "tanh", "mish", "silu", "elu", "celu", "softplus", "softsign", "sigmoid", "selu"]
    sessions = [activation(name, cpu) for name in names]
    x = np.ones((1024, 1024), np.float32)
    sessions[0].run({"x": x}, ["y"])
    before = resident()
    for session in sessions[1:]:
        session.run({"x": x}, ["y"])
    assert resident() - before < 32 * MEBIBYTE  # arenas of their own would hold 8 to 30 MiB each


def test_shape_that_came_once_leaves_nothing_behind(cpu: Runtime) -> None:
    session = activation("gelu", cpu)
    session.run({"x": np.ones(5000, np.float32)}, ["y", "grad_x"])
    before = resident()
    for size in range(1, 5000):
        session.run({"x": np.ones(size, np.float32)}, ["y", "grad_x"])
    assert resident() - before < 8 * MEBIBYTE  # a plan for each would be 25 MiB


def test_what_runs_needed_is_given_back_when_asked_for(cpu: Runtime) -> None:
    session = activation("gelu", cpu)
    session.run({"x": np.ones((4096, 1024), np.float32)}, ["y"])
    before = resident()
    session.give_back({"x": np.ones((), np.float32)}, ["y"])
    assert before - resident() > 32 * MEBIBYTE


@pytest.mark.parametrize("name", ["fashion_mnist", "prelu"])
def test_sleeping_session_tells_the_same_and_is_loaded_once_for_its_first_runs(name: str, cpu: Runtime) -> None:
    path = SHIPPED / name / "1" / "model.onnx"
    awake, asleep = Session(path, cpu), Session(path, cpu, sleeps=True)
    assert asleep._session is None
    for told in ("inputs", "outputs", "parameters", "metadata", "provider", "not_carried"):
        assert getattr(asleep, told) == getattr(awake, told)
    feeds = {awake.inputs[0].name: np.linspace(-3, 3, 784, dtype=np.float32).reshape(1, 784)}
    fetches = [spec.name for spec in awake.outputs]
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda _: (asleep.run(feeds, fetches), asleep._session), range(8)))
    assert len({id(loaded) for _, loaded in seen}) == 1
    for answer, _ in seen:
        for mine, other in zip(answer, awake.run(feeds, fetches), strict=True):
            assert mine.tobytes() == other.tobytes()


def test_provider_in_use_is_told(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    assert Session(graphs.identity(tmp_path / "x.onnx", 1, ["n"]), cpu).provider == CPU


def test_cuda_without_cuda_is_one_clear_sentence(graphs: Any, tmp_path: Path) -> None:
    path = graphs.identity(tmp_path / "x.onnx", 1, ["n"])
    with pytest.raises(ModelError, match=r"^`--providers cuda` needs onnxruntime-gpu.*\.$"):
        Session(path, Runtime("cuda"))
    assert Session(path, Runtime("auto")).provider == CPU
    assert usable_provider("auto") == usable_provider("cpu") == CPU


AZURE = "AzureExecutionProvider"  # the one other provider of the CPU build, and it has no kernels for such graphs


def test_why_cuda_does_not_work_is_told() -> None:
    assert cuda_problem() == "needs onnxruntime-gpu, and the onnxruntime installed here was built without CUDA"


def test_provider_that_cannot_add_two_numbers_alone_does_not_work() -> None:
    problem = _problem(AZURE)
    assert problem is not None
    assert problem.startswith("does not start here: ")


def test_graph_that_a_provider_cannot_compute_alone_gets_the_cpu_beside_it(shipped: Path) -> None:
    path = shipped / "fashion_mnist" / "1" / "model.onnx"
    found = opening.placed(None, path, Runtime(), AZURE)
    assert found.get_providers() == [AZURE, CPU]
    assert found.run(["logits"], {"input": np.zeros((1, 784), np.float32)})[0].shape == (1, 10)


def test_provider_that_computes_no_node_is_not_told_as_the_one_in_use(shipped: Path) -> None:
    found = opening.placed(None, shipped / "fashion_mnist" / "1" / "model.onnx", Runtime(), AZURE)
    assert found.get_providers()[0] == AZURE
    assert opening.placement(found) == (CPU, 0)


def test_graph_that_no_provider_takes_is_refused_and_not_tried_on_the_cpu(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no graph")
    with pytest.raises(library.ORT_ERRORS):
        opening.placed(None, tmp_path / "x.onnx", Runtime(), AZURE)


def faulty(path: Path, said: str = "CUDA failure 700: an illegal memory access was encountered") -> Session:
    """Rows of a table, on what takes itself for a device: an index outside fails in the words of a broken one, since
    messages name the node."""
    node = helper.make_node("Gather", ["table", "index"], ["y"], name=f"{said} ; GPU=0 ; hostname=secret")
    ends = (
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", 1, ["n"])],
    )
    made = helper.make_graph([node], "g", *ends, [helper.make_tensor("table", 1, [2], [5, 6])])
    path.write_bytes(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    )
    found = Session(path, Runtime("cpu", 1))
    found.provider = "CUDAExecutionProvider"
    return found


def looked_up(session: Session, index: int) -> float:
    return float(session.run({"index": np.array([index])}, ["y"])[0][0])


def test_session_is_made_again_after_a_fault_of_its_device(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = faulty(tmp_path / "x.onnx")
    first = found._session
    with pytest.raises(Internal):
        looked_up(found, 99)
    assert found._session is not first
    assert found.fault is None
    assert looked_up(found, 1) == 6
    assert "illegal memory access" in caplog.text
    assert "secret" not in caplog.text


def test_shapes_that_a_device_does_not_take_are_422_and_leave_its_session_alone(tmp_path: Path) -> None:
    found = faulty(tmp_path / "x.onnx", "CUDNN failure 3000: CUDNN_STATUS_NOT_SUPPORTED")
    first = found._session
    with pytest.raises(
        Unfit, match=r"not take tensors of these shapes \(CUDNN failure 3000: CUDNN_STATUS_NOT_SUPPORTED\)"
    ):
        looked_up(found, 99)
    assert found._session is first


def test_fault_of_many_runs_at_once_makes_one_session(tmp_path: Path) -> None:
    found = faulty(tmp_path / "x.onnx")
    first = found._session
    for _ in range(3):
        found._renew(first, "CUDA failure 700: an illegal memory access was encountered")
    second = found._session
    assert second is not first
    found._renew(first, "CUDA failure 700: an illegal memory access was encountered")
    assert found._session is second


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_session_whose_file_is_not_what_it_was_stays_faulty_until_it_is(tmp_path: Path, change: str) -> None:
    path = tmp_path / "x.onnx"
    found = faulty(path)
    aside = tmp_path / "aside"
    path.rename(aside)
    if change == "changed":
        path.write_bytes(aside.read_bytes())
    with pytest.raises(Internal):
        looked_up(found, 99)
    assert found.fault is not None
    assert found.fault.startswith("CUDA failure 700: an illegal memory access was encountered, and it cannot be")
    assert str(tmp_path) not in found.fault
    aside.rename(path)
    with pytest.raises(Internal):
        looked_up(found, 99)
    assert found.fault is None
    assert looked_up(found, 0) == 5


def test_values_that_a_device_refuses_leave_its_session_alone(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    found = Session(graphs.lookup(tmp_path / "x.onnx"), cpu)
    found.provider = "CUDAExecutionProvider"
    first = found._session
    with pytest.raises(Unfit):
        found.run({"index": np.array([99])}, ["y"])
    assert found._session is first


def test_both_wheels_of_the_library_are_refused_in_one_sentence(tmp_path: Path) -> None:
    for name in ("onnxruntime", "onnxruntime-gpu"):
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for providers in ("cpu", "auto", "cuda"):
        done = subprocess.run(
            [sys.executable, "-m", "service", "serve", "--port", "0", "--grpc-port", "0", "--providers", providers],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 3
        assert "onnxruntime and onnxruntime-gpu are both installed" in done.stderr
        assert "Traceback" not in done.stderr


def test_outputs_come_in_the_order_asked_for(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    found = Session(graphs.two_outputs(tmp_path / "x.onnx"), cpu)
    power, negated = found.run({"x": np.ones((1, 2), np.float32)}, ["power", "negated"])
    assert negated.tolist() == [[-1, -1]]
    assert power == pytest.approx(np.e)
    assert len(found.run({"x": np.ones((1, 2), np.float32)}, ["negated"])) == 1


def test_refused_values_are_422_with_the_reason(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    found = Session(graphs.lookup(tmp_path / "x.onnx"), cpu)
    with pytest.raises(Unfit, match=r"cannot compute these values.*99"):
        found.run({"index": np.array([99])}, ["y"])


def test_machines_own_fault_is_500(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    nodes = [helper.make_node("ConstantOfShape", ["x"], ["y"])]
    ends = ([("x", TensorProto.INT64, ["n"])], [("y", TensorProto.FLOAT)])
    found = Session(graphs.write(tmp_path / "x.onnx", nodes, *ends), cpu)
    with pytest.raises(Internal):
        found.run({"x": np.array([2**20, 2**20, 2**10])}, ["y"])


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3)])
def test_bfloat16_goes_in_and_out(graphs: Any, tmp_path: Path, cpu: Runtime, shape: tuple[int, ...]) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["x"], ["y"]),
    ]
    ends = ([("x", TensorProto.BFLOAT16)], [("y", TensorProto.BFLOAT16), ("wide", TensorProto.FLOAT)])
    found = Session(graphs.write(tmp_path / "x.onnx", nodes, *ends), cpu)
    x = np.random.default_rng(0).normal(size=shape).astype(ml_dtypes.bfloat16)
    y, wide = found.run({"x": x}, ["y", "wide"])
    assert y.dtype == ml_dtypes.bfloat16
    assert y.shape == x.shape
    assert y.tobytes() == x.tobytes()
    assert wide.tobytes() == x.astype(np.float32).tobytes()


def test_signature_tells_scalars_from_unknown_ranks(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    assert Session(graphs.identity(tmp_path / "scalar.onnx", 1, []), cpu).inputs[0].shape == ()
    node = helper.make_node("Identity", ["x"], ["y"])
    unranked = graphs.write(tmp_path / "unranked.onnx", [node], [("x", 1)], [("y", 1)])
    assert Session(unranked, cpu).inputs[0].shape is None
    offset = Session(graphs.offset(tmp_path / "offset.onnx"), cpu)
    assert [spec.name for spec in offset.inputs] == ["x"]
    assert [spec.name for spec in offset.parameters] == ["bias"]


def test_relu_before_a_clip_in_double_is_loaded(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["h"]), helper.make_node("Clip", ["h", "low", "high"], ["y"])]
    ends = ([("x", TensorProto.DOUBLE, ["n"])], [("y", TensorProto.DOUBLE, ["n"])])
    constants = {"low": np.array(0.0), "high": np.array(6.0)}
    found = Session(graphs.write(tmp_path / "x.onnx", nodes, *ends, constants), cpu)
    assert found.run({"x": np.array([-1.0, 3.0, 9.0])}, ["y"])[0].tolist() == [0, 3, 6]


@pytest.mark.parametrize(("what", "number"), [("ir_version", 99), ("opset", 99)])
def test_version_from_the_future_is_told_plainly(
    graphs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: Runtime, what: str, number: int
) -> None:
    path = graphs.identity(tmp_path / "x.onnx", 1, ["n"])
    model = onnx.load(path)
    if what == "ir_version":
        model.ir_version = number
    else:
        model.opset_import[0].version = number
    path.write_bytes(model.SerializeToString())
    monkeypatch.chdir(tmp_path)
    for given in (path, Path("x.onnx")):
        with pytest.raises(ModelError, match=rf"it has (IR version|opset) {number}; onnxruntime .* reads up to \d+"):
            Session(given, cpu)


@pytest.mark.parametrize("content", [b"", b"this is no graph", b"\x08\x0a\x12\x00", bytes(100)])
def test_what_is_no_graph_is_told_without_a_path(tmp_path: Path, cpu: Runtime, content: bytes) -> None:
    path = tmp_path / "a folder" / "x.onnx"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        Session(path, cpu)
    assert "a folder" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert str(caught.value)


def test_missing_file_is_told_without_a_path(tmp_path: Path, cpu: Runtime) -> None:
    with pytest.raises(ModelError) as caught:
        Session(tmp_path / "a folder" / "x.onnx", cpu)
    assert "folder" not in str(caught.value)


def test_sequence_is_not_carried(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    with pytest.raises(NotCarriedModel, match="seq"):
        Session(graphs.sequence(tmp_path / "x.onnx"), cpu)


def external(path: Path, location: str) -> Path:
    """A graph whose one weight lies in another file."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4], bytes(16), raw=True)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        weight.external_data.add(key=key, value=value)
    ends = [helper.make_tensor_value_info(name, 1, [4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data_is_read_beside_the_model_and_nowhere_else(tmp_path: Path, cpu: Runtime) -> None:
    weight = np.arange(4, dtype=np.float32)
    (tmp_path / "secret.bin").write_bytes(weight.tobytes())
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "weight.bin").write_bytes(weight.tobytes())
    found = Session(external(tmp_path / "own" / "good.onnx", "weight.bin"), cpu)
    assert found.run({"x": np.zeros(4, np.float32)}, ["y"])[0].tolist() == [0, 1, 2, 3]
    for location in ("../secret.bin", str(tmp_path / "secret.bin"), "missing.bin"):
        with pytest.raises(ModelError) as caught:
            Session(external(tmp_path / "own" / "bad.onnx", location), cpu)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("[ONNXRuntimeError] : 1 : FAIL : Load model from /a/b c/x.onnx failed:Protobuf broke.", "Protobuf broke."),
        (
            "bad /onnxruntime_src/core/x.cc:83 virtual Status F::Apply(Graph&) const Unexpected type",
            "bad Unexpected type",
        ),
        ("/onnxruntime_src/core/gather.h:10 Status f(const T&) Index 9 is out", "Index 9 is out"),
        ("cannot open '/home/me/my models/x.data' here", "cannot open the file here"),
        ("cannot open /home/me/x.data: gone", "cannot open the file: gone"),
        ("two\n\nlines", "two lines"),
    ],
)
def test_messages_are_told_without_paths(message: str, told: str) -> None:
    assert redact(message) == told
    assert len(redact("x" * 5000)) == 500


def partly_carried(path: Path) -> Path:
    """y is its input, and `list` a sequence of it."""
    made = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x"], ["list"]), helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [
            helper.make_tensor_sequence_value_info("list", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"]),
        ],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


def test_output_that_cannot_be_carried_is_left_out_and_named(tmp_path: Path, cpu: Runtime) -> None:
    found = Session(partly_carried(tmp_path / "x.onnx"), cpu)
    assert [spec.name for spec in found.outputs] == ["y"]
    assert found.not_carried == {"list": "seq(tensor(float))"}
    assert found.run({"x": np.array([1, 2], np.float32)}, ["y"])[0].tolist() == [1, 2]


@pytest.mark.parametrize("kind", [TensorProto.FLOAT8E4M3FN, TensorProto.INT4, TensorProto.UINT4])
def test_input_of_a_type_without_a_name_in_the_protocol_is_not_carried(
    graphs: Any, tmp_path: Path, cpu: Runtime, kind: int
) -> None:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    path = graphs.write(tmp_path / "x.onnx", [node], [("x", kind, ["n"])], [("y", TensorProto.FLOAT, ["n"])])
    with pytest.raises(
        NotCarriedModel, match=r"^its input `x` is a tensor\(\w+\), which no tensor protocol can carry\.$"
    ):
        Session(path, cpu)


def test_strings_and_bfloat16_in_one_graph_are_not_carried(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    nodes = [helper.make_node("Identity", ["a"], ["c"]), helper.make_node("Identity", ["b"], ["d"])]
    ends = [("a", TensorProto.STRING, ["n"]), ("b", TensorProto.BFLOAT16, ["n"])]
    outputs = [("c", TensorProto.STRING, ["n"]), ("d", TensorProto.BFLOAT16, ["n"])]
    with pytest.raises(NotCarriedModel, match="both BF16 and strings"):
        Session(graphs.write(tmp_path / "x.onnx", nodes, ends, outputs), cpu)


def test_map_of_scores_by_label_is_the_tensor_it_is_made_from(cpu: Runtime) -> None:
    path = Path(__file__).parents[1] / "assets" / "iris_classifier.onnx"
    found = Session(path, cpu)
    assert [(spec.name, spec.shape) for spec in found.outputs] == [
        ("output_label", (None,)),
        ("output_probability", (None, 3)),
    ]
    assert found.metadata["labels"] == '["setosa", "versicolor", "virginica"]'
    rows = np.array([[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2]], np.float32)
    labels, maps = ort.InferenceSession(str(path), providers=[CPU]).run(None, {"X": rows})
    given, scores = found.run({"X": rows}, ["output_label", "output_probability"])
    assert given.tolist() == labels.tolist()
    assert scores.tolist() == [list(row.values()) for row in maps]
    assert [list(row) for row in maps] == [["setosa", "versicolor", "virginica"]] * 2


def test_map_of_whole_numbers_has_them_as_labels(tmp_path: Path, cpu: Runtime) -> None:
    node = helper.make_node("ZipMap", ["x"], ["map"], domain="ai.onnx.ml", classlabels_int64s=[7, 9])
    made = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])], [])
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    made.output.append(helper.make_value_info("map", helper.make_sequence_type_proto(kind)))
    opsets = [helper.make_opsetid("ai.onnx.ml", 1)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=9), str(tmp_path / "x.onnx"))
    found = Session(tmp_path / "x.onnx", cpu)
    assert found.metadata["labels"] == '["7", "9"]'
    assert found.run({"x": np.array([[1, 2]], np.float32)}, ["map"])[0].tolist() == [[1, 2]]
