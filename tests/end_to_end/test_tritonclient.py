"""Triton's own client, unmodified: what it does alike over HTTP and gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

NUMBERS = {
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
}
FLOATS = {"FP16": np.float16, "BF16": ml_dtypes.bfloat16, "FP32": np.float32, "FP64": np.float64}


def samples() -> dict[str, np.ndarray]:
    """A tensor [n, 2] of each datatype with what is easily lost on the way: extremes, signs, NaN's own bits."""
    found = {name: np.array([[np.iinfo(kind).min, 1], [2, np.iinfo(kind).max]], kind) for name, kind in NUMBERS.items()}
    for name, kind in FLOATS.items():
        limits = ml_dtypes.finfo(kind)
        values = [[-0.0, limits.tiny], [limits.max, limits.eps], [np.inf, -np.inf], [np.nan, 1 / 3]]
        found[name] = np.array(values).astype(kind)
    found["BOOL"] = np.array([[True, False], [False, True]])
    found["BYTES"] = np.array([[b"", b"a"], ["Grüße, 世界 \0".encode(), b'"\\']], np.object_)
    return found


class Client:
    """One face of the client, and how a test says what goes in and comes out."""

    def __init__(self, face: str, port: int) -> None:
        self.face = face
        self._module = import_module(f"tritonclient.{face}")
        self.plain = self._module.InferenceServerClient(f"127.0.0.1:{port}")

    def inputs(self, **arrays: np.ndarray) -> list[Any]:
        return [self._input(name, array) for name, array in arrays.items()]

    def _input(self, name: str, array: np.ndarray) -> Any:
        made = self._module.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        return made.set_data_from_numpy(array)

    def output(self, name: str, **options: Any) -> Any:
        return self._module.InferRequestedOutput(name, **options)

    def infer(self, model: str, arrays: Mapping[str, np.ndarray], **options: Any) -> Any:
        return self.plain.infer(model, self.inputs(**arrays), **options)

    def json(self, call: str, *arguments: Any, **options: Any) -> Any:
        """A call whose answer the one face gives as JSON anyhow and the other on demand."""
        return getattr(self.plain, call)(*arguments, **options, **({"as_json": True} if self.face == "grpc" else {}))

    def refused(self, call: Callable[[], Any], status: int, code: str) -> str:
        """The sentence of a refusal, whose status over HTTP and code over gRPC are given."""
        with pytest.raises(InferenceServerException) as caught:
            call()
        expected = str(status) if self.face == "http" else f"StatusCode.{code}"
        assert caught.value.status() == expected
        return str(caught.value.message())


@pytest.fixture(scope="module", params=["http", "grpc"])
def client(request: pytest.FixtureRequest, protocol_server: Any) -> Iterator[Client]:
    port = protocol_server.port if request.param == "http" else protocol_server.grpc_port
    made = Client(request.param, port)
    yield made
    made.plain.close()


def test_server_is_live_and_ready_and_tells_what_it_can(client: Client) -> None:
    assert client.plain.is_server_live()
    assert client.plain.is_server_ready()
    found = client.json("get_server_metadata")
    assert found["name"] == "actserve"
    # Perf Analyzer asks for configuration and statistics only where they are named.
    named = {"binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"}
    assert named <= set(found["extensions"])


def test_readiness_of_a_model_is_told_by_name_and_version(client: Client) -> None:
    assert client.plain.is_model_ready("pair")
    assert client.plain.is_model_ready("twice", "1")
    assert client.plain.is_model_ready("relu")
    assert not client.plain.is_model_ready("twice", "3")
    assert not client.plain.is_model_ready("zork")


def test_metadata_names_tensors_datatypes_and_free_dimensions(client: Client) -> None:
    found = client.json("get_model_metadata", "pair")
    described = {
        end["name"]: (end["datatype"], [*map(int, end["shape"])]) for end in found["inputs"] + found["outputs"]
    }
    assert described == {
        "number": ("FP32", [-1, 2]),
        "text": ("BYTES", [-1]),
        "same_number": ("FP32", [-1, 2]),
        "same_text": ("BYTES", [-1]),
    }
    assert found["platform"] == "onnxruntime_onnx"
    assert sorted(client.json("get_model_metadata", "twice", "1")["versions"]) == ["1", "2"]


@pytest.mark.parametrize("name", samples())
def test_every_datatype_comes_back_bit_by_bit(client: Client, name: str) -> None:
    sent = samples()[name]
    found = client.infer(f"same_{name}", {"x": sent}).as_numpy("y")
    assert (found.dtype, found.shape) == (sent.dtype, sent.shape)
    assert found.tolist() == sent.tolist() if name == "BYTES" else found.tobytes() == sent.tobytes()


@pytest.mark.parametrize("name", ["FP32", "INT8", "BOOL", "BYTES"])
def test_empty_batches_come_back_empty(client: Client, name: str) -> None:
    found = client.infer(f"same_{name}", {"x": samples()[name][:0]}).as_numpy("y")
    assert found.shape == (0, 2)


def test_scalars_and_several_inputs_are_carried(client: Client) -> None:
    assert client.infer("scalar", {"x": np.array(1.5, np.float32)}).as_numpy("y") == 1.5
    number, text = np.array([[1, 2]], np.float32), np.array([b"one"], np.object_)
    found = client.infer("pair", {"text": text, "number": number})
    assert found.as_numpy("same_number").tolist() == number.tolist()
    assert found.as_numpy("same_text").tolist() == text.tolist()


def test_only_the_outputs_asked_for_are_answered_in_their_order(client: Client) -> None:
    arrays = {"number": np.zeros((1, 2), np.float32), "text": np.array([b""], np.object_)}
    wanted = [client.output("same_text"), client.output("same_number")]
    assert names(client.infer("pair", arrays, outputs=wanted)) == ["same_text", "same_number"]
    found = client.infer("pair", arrays, outputs=wanted[:1])
    assert names(found) == ["same_text"]
    assert found.as_numpy("same_number") is None


def names(result: Any) -> list[str]:
    response = result.get_response()
    outputs: Sequence[Any] = response["outputs"] if isinstance(response, dict) else response.outputs
    return [output["name"] if isinstance(output, dict) else output.name for output in outputs]


def test_classification_gives_value_index_and_label(client: Client) -> None:
    rows = np.array([[0.25, 0.5, 0.125], [3, 1, 2]], np.float32)
    found = client.infer("scores", {"x": rows}, outputs=[client.output("y", class_count=2)]).as_numpy("y")
    assert found.tolist() == [[b"0.5:1:b", b"0.25:0:a"], [b"3.0:0:a", b"2.0:2:c"]]


def test_shipped_network_gives_the_bits_of_onnxruntime(
    client: Client, rows: np.ndarray, oracle: Callable[..., np.ndarray]
) -> None:
    found = client.infer("fashion_mnist", {"input": rows})
    for name in ("logits", "probabilities"):
        assert found.as_numpy(name).tobytes() == oracle("fashion_mnist", name, input=rows).tobytes()


def test_activation_takes_its_parameters_as_inputs(client: Client) -> None:
    arrays = {"x": np.array([[-1, 2]], np.float32), "negative_slope": np.array([0.5], np.float32)}
    found = client.infer("leaky_relu", arrays, outputs=[client.output("y")])
    assert found.as_numpy("y").tolist() == [[-0.5, 2.0]]


def test_id_and_version_are_echoed(client: Client) -> None:
    rows = np.zeros(3, np.float32)
    found = client.infer("twice", {"x": rows}, request_id="a request", model_version="1").get_response()
    told = found if isinstance(found, dict) else {name: getattr(found, name) for name in ("id", "model_version")}
    assert (told["id"], told["model_version"]) == ("a request", "1")


def test_what_the_client_may_say_besides_is_taken(client: Client) -> None:
    """Sequences and priorities mean nothing here, as for a Triton model that has none configured."""
    options = {"sequence_id": 7, "sequence_start": True, "priority": 1, "timeout": 10_000_000}
    parameters = {"flag": True, "count": 3, "text": "x", "share": 0.5}
    found = client.infer("twice", {"x": np.ones(2, np.float32)}, parameters=parameters, **options)
    assert found.as_numpy("y").tolist() == [1, 1]


def test_refusals_come_as_the_clients_exception_with_our_sentence(client: Client) -> None:
    x = {"x": np.zeros(2, np.float32)}
    assert "`zork`" in client.refused(lambda: client.infer("zork", x), 404, "NOT_FOUND")
    assert "7" in client.refused(lambda: client.infer("twice", x, model_version="7"), 404, "NOT_FOUND")
    wrong = {"x": np.zeros((1, 2), np.float32)}
    assert "`x`: expected FP32 [n]" in client.refused(lambda: client.infer("twice", wrong), 422, "INVALID_ARGUMENT")
    other = {"x": np.zeros(2, np.float64)}
    assert "FP64" in client.refused(lambda: client.infer("twice", other), 422, "INVALID_ARGUMENT")
    unknown = [client.output("nothing")]
    sentence = client.refused(lambda: client.infer("twice", x, outputs=unknown), 422, "INVALID_ARGUMENT")
    assert "outputs[0].name" in sentence
    assert "`zork`" in client.refused(lambda: client.plain.get_model_metadata("zork"), 404, "NOT_FOUND")
    assert client.infer("twice", x).as_numpy("y").tolist() == [0, 0]


def test_configuration_says_which_tensors_of_which_kind_there_are(client: Client) -> None:
    found = client.json("get_model_config", "pair")
    config = found.get("config", found)
    assert (config["name"], config["platform"]) == ("pair", "onnxruntime_onnx")
    assert config.get("max_batch_size", 0) == 0  # protobuf leaves out a zero
    kinds = {end["name"]: (end["data_type"], [*map(int, end["dims"])]) for end in config["input"] + config["output"]}
    assert kinds == {
        "number": ("TYPE_FP32", [-1, 2]),
        "text": ("TYPE_STRING", [-1]),
        "same_number": ("TYPE_FP32", [-1, 2]),
        "same_text": ("TYPE_STRING", [-1]),
    }
    assert "`zork`" in client.refused(lambda: client.plain.get_model_config("zork"), 404, "NOT_FOUND")


def test_statistics_count_what_was_answered_and_what_was_refused(client: Client) -> None:
    def counted() -> dict[str, int]:
        (of_model,) = client.json("get_inference_statistics", "scores", "1")["model_stats"]
        stages = {name: int(stage.get("count", 0)) for name, stage in of_model["inference_stats"].items()}
        return stages | {"rows": int(of_model["inference_count"]), "runs": int(of_model["execution_count"])}

    client.infer("scores", {"x": np.zeros((1, 3), np.float32)})
    before = counted()
    for _ in range(3):
        client.infer("scores", {"x": np.zeros((5, 3), np.float32)})
    client.refused(lambda: client.infer("scores", {"x": np.zeros((5, 4), np.float32)}), 422, "INVALID_ARGUMENT")
    grown = {name: count - before[name] for name, count in counted().items() if count != before[name]}
    stages = dict.fromkeys(("success", "queue", "compute_input", "compute_infer", "compute_output"), 3)
    assert grown == {**stages, "fail": 1, "rows": 15, "runs": 3}
    everything = client.json("get_inference_statistics")["model_stats"]
    assert {"scores", "fashion_mnist", "relu"} <= {of_model["name"] for of_model in everything}
    assert "`zork`" in client.refused(lambda: client.plain.get_inference_statistics("zork"), 404, "NOT_FOUND")


def test_deadline_in_the_request_is_kept(client: Client, rows: np.ndarray) -> None:
    """`timeout` is in microseconds."""
    late = partial(client.infer, "fashion_mnist", {"input": rows}, timeout=1)
    client.refused(late, 504, "DEADLINE_EXCEEDED")
    assert client.infer("fashion_mnist", {"input": rows}, timeout=60_000_000).as_numpy("logits").shape == (32, 10)
