"""What a candidate must show before it is served, and what its trial may not conclude."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from service import vetting
from service.folder import Candidate, Folders
from service.session import NotCarriedModel, Runtime
from service.vetting import Vetting, copied

CPU = Runtime("cpu", 4)


def candidate(folder: Path, name: str = "own") -> Candidate:
    return Folders(folder, with_networks=False).look().candidates[name]["1"]


def reason(folder: Path) -> str:
    found = Vetting(CPU).vet(candidate(folder))
    assert found.model is None
    assert str(folder) not in str(found.error)
    return str(found.error)


def test_good_candidate_answers(graphs: Any, tmp_path: Path) -> None:
    graphs.adder(tmp_path / "own.onnx")
    found = Vetting(CPU).vet(candidate(tmp_path))
    assert found.error is None
    assert found.model is not None
    assert found.model.name == "own"
    assert found.candidate == candidate(tmp_path)
    assert found.is_required


@pytest.mark.parametrize("content", [b"", b"text", bytes(100)])
def test_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.onnx").write_bytes(content)
    assert reason(tmp_path)


def test_versions_and_operators_that_the_runtime_has_not_are_named(graphs: Any, tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    ends = ([("x", 1, ["n"])], [("y", 1, ["n"])])
    graphs.write(tmp_path / "own.onnx", [node], *ends, ir_version=99)
    assert "IR version 99" in reason(tmp_path)
    graphs.write(tmp_path / "own.onnx", [node], *ends, opset=99)
    assert "opset 99" in reason(tmp_path)
    graphs.write(tmp_path / "own.onnx", [helper.make_node("Nonsense", ["x"], ["y"])], *ends)
    assert "Nonsense" in reason(tmp_path)


def test_limit_of_device_memory_is_the_models_own_where_it_has_one(graphs: Any, tmp_path: Path) -> None:
    graphs.adder(tmp_path / "own.onnx")
    graphs.adder(tmp_path / "other.onnx")
    (tmp_path / "own.toml").write_text("cuda_memory_limit_bytes = 1000")
    vet = Vetting(Runtime("cpu", 4, device_bytes=2000)).vet
    limits = {name: vet(candidate(tmp_path, name)).model.runtime.device_bytes for name in ("own", "other")}
    assert limits == {"own": 1000, "other": 2000}


@pytest.mark.parametrize("said", ["0", "-1", "true", "1.5", '"1 GB"'])
def test_limit_of_device_memory_that_is_no_size_is_refused(graphs: Any, tmp_path: Path, said: str) -> None:
    graphs.adder(tmp_path / "own.onnx")
    (tmp_path / "own.toml").write_text(f"cuda_memory_limit_bytes = {said}")
    assert "`cuda_memory_limit_bytes`" in reason(tmp_path)


def test_output_that_cannot_be_carried_is_told_as_such(graphs: Any, tmp_path: Path) -> None:
    graphs.sequence(tmp_path / "own.onnx")
    assert isinstance(Vetting(CPU).vet(candidate(tmp_path)).error, NotCarriedModel)


def test_example_that_the_graph_refuses_says_nothing_of_other_values(graphs: Any, tmp_path: Path) -> None:
    node = helper.make_node("Gather", ["table", "index"], ["y"])
    constants = {"table": np.zeros(0, np.float32)}  # index 0, as in the example, is out of range already
    ends = ([("index", TensorProto.INT64, ["n"])], [("y", TensorProto.FLOAT, ["n"])])
    graphs.write(tmp_path / "own.onnx", [node], *ends, constants)
    assert Vetting(CPU).vet(candidate(tmp_path)).model is not None


def test_example_that_takes_long_is_ended_and_the_model_runs_later(
    graphs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = helper.make_graph(
        [helper.make_node("Add", ["value", "one"], ["next"]), helper.make_node("Identity", ["go"], ["goes_on"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, []),
        ],
    )
    nodes = [
        helper.make_node("Sub", ["many", "fewer"], ["times"]),
        helper.make_node("Loop", ["times", "", "one"], ["y"], body=body),
    ]
    ends = ([("fewer", TensorProto.INT64, [])], [("y", TensorProto.FLOAT, [])])
    constants = {"many": np.array(10**12), "one": np.array(1, np.float32)}
    graphs.write(tmp_path / "own.onnx", nodes, *ends, constants)
    monkeypatch.setattr(vetting, "WARM_UP_S", 0.2)
    model = Vetting(CPU).vet(candidate(tmp_path)).model
    assert model is not None
    assert model.session.run({"fewer": np.array(10**12 - 3)}, ["y"]) == [4]


@pytest.mark.parametrize(("text", "is_required"), [("", True), ("required = false", False), ("required = true", True)])
def test_model_toml_says_whether_it_is_required(graphs: Any, tmp_path: Path, text: str, is_required: bool) -> None:
    graphs.adder(tmp_path / "own.onnx")
    (tmp_path / "own.toml").write_text(text)
    assert Vetting(CPU).vet(candidate(tmp_path)).is_required == is_required
    (tmp_path / "own.onnx").write_bytes(b"broken")
    assert Vetting(CPU).vet(candidate(tmp_path)).is_required == is_required


@pytest.mark.parametrize("value", ["1", "'no'", "[]"])
def test_required_that_is_neither_true_nor_false_is_refused(graphs: Any, tmp_path: Path, value: str) -> None:
    graphs.adder(tmp_path / "own.onnx")
    (tmp_path / "own.toml").write_text(f"required = {value}")
    assert "true or false" in reason(tmp_path)


def test_file_that_changes_while_it_is_read_is_refused(graphs: Any, tmp_path: Path) -> None:
    graphs.adder(tmp_path / "own.onnx")
    seen = candidate(tmp_path)
    graphs.identity(tmp_path / "own.onnx", 1, ["n"])
    found = Vetting(CPU).vet(seen)
    assert found.model is None
    assert "changed" in str(found.error)


def test_error_that_nobody_thought_of_breaks_that_model_alone(
    graphs: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep = "[" * 100_000
    graphs.identity(tmp_path / "own.onnx", 1, ["n"], labels=deep)  # RecursionError, which nobody catches below
    found = Vetting(CPU).vet(candidate(tmp_path))
    assert found.model is None
    assert str(tmp_path) not in str(found.error)
    assert "own" in caplog.text


def test_pools_of_many_models_are_small_unless_the_user_set_their_size(graphs: Any, tmp_path: Path) -> None:
    for number in range(6):
        graphs.adder(tmp_path / f"m{number}.onnx")
    found = Folders(tmp_path, with_networks=False).look().candidates

    def started(among: int, *, shares_threads: bool) -> int:
        before = threads()
        models = [Vetting(CPU, shares_threads=shares_threads).vet(one["1"], among).model for one in found.values()]
        return threads() - before if all(models) else -1

    # 0 and 18, but that others begin and end in this process meanwhile
    assert started(1000, shares_threads=True) < 6
    assert started(1, shares_threads=True) > 12
    assert started(1000, shares_threads=False) > 12


def threads() -> int:
    """Of this process, as the kernel counts them; Python knows nothing of the runtime's."""
    return len(list(Path("/proc/self/task").iterdir()))


def test_copy_has_all_files_and_is_served_like_its_original(graphs: Any, tmp_path: Path) -> None:
    graphs.adder(tmp_path / "models" / "own" / "1" / "model.onnx")
    (tmp_path / "models" / "own" / "model.toml").write_text('description = "mine"')
    copy = copied(candidate(tmp_path / "models"), tmp_path / "copy")
    (tmp_path / "models" / "own" / "1" / "model.onnx").write_bytes(b"broken")
    model = Vetting(CPU).vet(copy).model
    assert model is not None
    assert model.metadata.description == "mine"


def test_file_that_is_gone_cannot_be_copied_and_says_so(graphs: Any, tmp_path: Path) -> None:
    graphs.adder(tmp_path / "models" / "own.onnx")
    seen = candidate(tmp_path / "models")
    (tmp_path / "models" / "own.onnx").unlink()
    with pytest.raises(vetting.ModelError) as caught:
        copied(seen, tmp_path / "copy")
    assert str(tmp_path) not in str(caught.value)
