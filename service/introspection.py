"""What the server and its models tell of themselves in the Open Inference Protocol: plain objects, which HTTP writes
as JSON and gRPC as messages. The configuration is Triton's, since its clients read it
(https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto).
"""

from __future__ import annotations

from typing import Any

from service import __version__
from service.model import Model
from service.repository import Repository
from service.settings import Settings
from service.statistics import added
from service.tensors import TensorSpec
from service.workers import Workers

EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "parameters",
    "statistics",
]
STATISTICS = "statistics"
WORKERS_ANSWER_S = 5.0

Told = dict[str, Any]


def server() -> Told:
    """Name, version and the extensions that are really there, by Triton's names."""
    return {"name": "actserve", "version": __version__, "extensions": EXTENSIONS}


class Introspection:
    """Answers about the models of one repository, statistics over all workers."""

    def __init__(self, repository: Repository, workers: Workers, settings: Settings) -> None:
        self._repository = repository
        self._workers = workers
        self._settings = settings
        self._instances = settings.worker_count
        workers.on(STATISTICS, self._own)

    def metadata(self, model: Model) -> Told:
        """Versions, inputs and outputs; every shape is one to send, -1 for a free size. A scalar is [1], as Triton has
        it: Perf Analyzer cannot send []."""
        return {
            "name": model.name,
            "versions": self._repository.versions(model.name),
            "platform": "onnxruntime_onnx",
            "inputs": [_tensor(model, spec) | ({"shape": [1]} if spec.shape == () else {}) for spec in model.inputs],
            "outputs": [_tensor(model, spec) for spec in model.outputs],
        }

    def configuration(self, model: Model) -> Told:
        """Triton's model configuration. `dims` leave out the batch where there is one, so that -b of Perf Analyzer
        and its like can set it."""
        on_device, settings = model.session.on_device, self._settings
        largest = settings.cuda_max_batch_size if on_device else settings.max_batch_size
        batch = largest if has_batch(model) else 0
        kind = "KIND_GPU" if on_device else "KIND_CPU"
        found: Told = {
            "name": model.name,
            "platform": "onnxruntime_onnx",
            "backend": "onnxruntime",
            "version_policy": {"all": {}},
            "max_batch_size": batch,
            "input": [_configured(model, spec) | _scalar(spec) for spec in model.inputs],
            "output": [_configured(model, spec) for spec in model.outputs],
            "instance_group": [{"name": model.name, "kind": kind, "count": self._instances}],
            "default_model_filename": "model.onnx",
            "parameters": {"execution_provider": {"string_value": model.session.provider}},
        }
        queue = {"preferred_batch_size": [batch], "max_queue_delay_microseconds": 0}
        return found | ({"dynamic_batching": queue} if model.metadata.joinable and batch else {})

    async def statistics(self, name: str = "", version: str | None = None) -> Told:
        """Of every model, or of one in all its versions or in one. Raises what `Repository.model` does."""
        chosen = self._all() if not name else [self._repository.model(name, version)]
        if name and version is None:
            chosen = self._all(chosen[0].name)
        asked = {"name": chosen[0].name if name else ""}
        answers = await self._workers.ask(STATISTICS, asked, WORKERS_ANSWER_S)
        others = [told for answer in answers for told in answer["model_stats"]]
        return {"model_stats": added([_counted(model) for model in chosen], others)}

    async def _own(self, question: Told) -> Told:
        """This worker's part of another's answer; it may have models that the other has not, or the reverse."""
        return {"model_stats": [_counted(model) for model in self._all(question["name"])]}

    def _all(self, name: str = "") -> list[Model]:
        entries = self._repository.entries()
        return [model for entry in entries if name in ("", entry.name) for model in entry.loaded]


def _counted(model: Model) -> Told:
    return model.tally.told(model.name, model.version)


def has_batch(model: Model) -> bool:
    """True where the first dimension of every input and output is free, and so counts what is sent at once. An input
    without another dimension would have no `dims`, which no configuration of Triton's may lack."""
    if model.metadata.is_activation:
        return True
    has_dims = bool(model.inputs) and all(len(spec.shape or ()) > 1 for spec in model.inputs)
    return has_dims and all(spec.has_rows for spec in (*model.inputs, *model.outputs))


def _sizes(model: Model, spec: TensorSpec) -> list[int]:
    """-1 for a free size. There is no way to say that any rank will do: an activation is shown as rows of any length,
    and a graph that leaves the rank open as one row of any length."""
    if spec.shape is None:
        return [-1, -1] if model.metadata.is_activation else [-1]
    return [size if isinstance(size, int) else -1 for size in spec.shape]


def _tensor(model: Model, spec: TensorSpec) -> Told:
    return {"name": spec.name, "datatype": spec.datatype.name, "shape": _sizes(model, spec)}


def _configured(model: Model, spec: TensorSpec) -> Told:
    kind = "STRING" if spec.datatype.name == "BYTES" else spec.datatype.name
    sizes = _sizes(model, spec)
    return {"name": spec.name, "data_type": f"TYPE_{kind}", "dims": sizes[1:] if has_batch(model) else sizes}


def _scalar(spec: TensorSpec) -> Told:
    """What Triton configures for an input without dimensions: `dims` may not be empty, so it comes as [1]."""
    return {"dims": [1], "reshape": {"shape": []}} if spec.shape == () else {}
