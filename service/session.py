"""The only module that imports onnxruntime: one loaded graph on one provider, its exceptions turned into ours."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

# Since 1.29 the Linux builds of onnxruntime upload telemetry unless this is set before the library is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import build_and_package_info as build
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from service import device, graph
from service.errors import Internal, ModelError, Unfit
from service.staging import Staging
from service.tensors import BY_ONNX, Array, TensorSpec

log = logging.getLogger("actserve.session")

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
SWITCH = "compute_"  # `compute_y`, a boolean initializer: whether the output `y` is computed
FALSE = np.array(False)
Run = Callable[[Mapping[str, Array], Sequence[str]], list[Array]]
BFLOAT16 = BY_ONNX["tensor(bfloat16)"]
# One arena for all sessions. Each has its own otherwise, which keeps what the largest run of its model needed: ten
# times as much, all together (https://onnxruntime.ai/docs/get-started/with-c.html#features, "Share allocator(s)").
ort.create_and_register_allocator(
    ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT),
    ort.OrtArenaCfg(0, -1, -1, -1),  # without a limit, the rest as it is by default
)

# All that onnxruntime raises, none of them under a common base; a test compares this list with the library's own.
ORT_ERRORS = (
    ort_errors.DeviceReset,
    ort_errors.EPFail,
    ort_errors.EngineError,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.ModelLoadCanceled,
    ort_errors.ModelLoaded,
    ort_errors.ModelRequiresCompilation,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotFound,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
# Its providers throw some of theirs past it, which come as Python's own: those of a device that is lost, for one.
FAILURES = (*ORT_ERRORS, RuntimeError)
BROKEN_OPTIMIZERS = ["FuseReluClip"]  # refuses a graph with a Relu before a Clip in FP64, which is a good graph
MEMORY = re.compile(r"alloc|out of memory", re.IGNORECASE)  # the machine's fault, never the request's
LEFT_TO_THE_CPU = "fallback to CPU EP has been explicitly disabled"
WHEELS = ("onnxruntime", "onnxruntime-gpu")  # they share an import name, and each overwrites the other's files


@dataclass(frozen=True, slots=True)
class Runtime:
    """How sessions are made: `providers` is auto, cpu or cuda; `intra_op_threads` is the size of a session's pool;
    `keeps_memory` whether a session keeps what one run needed for the next, which is faster. On CUDA, `tf32` is whether
    products may be computed with TF32, and `device_bytes` what one session may hold of the device's memory."""

    providers: str = "cpu"
    intra_op_threads: int = 1
    keeps_memory: bool = True
    tf32: bool = False
    device_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """A graph as bytes, and the folder of the files that it takes data from."""

    graph: bytes
    folder: Path | None = None


class NotCarriedModel(ModelError):
    """The graph runs, but has an input, or only outputs (sequences, maps), that no tensor protocol can carry."""


class ProviderError(ModelError):
    """The provider that was demanded does not work here, whatever the model."""


class Session:
    """A graph, ready to run. `inputs`, `outputs` and `parameters` (the initializers a caller may override) come from
    the graph itself; `provider` is the one really in use, and where that is a device, `nodes_on_cpu` counts what it
    has no kernels for. `fault` is why a device that failed could not be used again, None while all is well.

    One that `sleeps` is let go once it has told all this, and loaded again for its first run. `content` is run in the
    place of the file, which it is made from."""

    def __init__(self, path: Path, runtime: Runtime, content: Content | None = None, *, sleeps: bool = False) -> None:
        session, labels = _open(path, runtime, content)
        self.provider, self.nodes_on_cpu = _placement(session)
        self.fault: str | None = None
        self.metadata: dict[str, str] = labels | session.get_modelmeta().custom_metadata_map
        inputs, outputs = session.get_inputs(), session.get_outputs()
        self.not_carried = {end.name: end.type for end in outputs if end.type not in BY_ONNX}
        carried = [end for end in outputs if end.name not in self.not_carried]
        self._check(inputs, carried)
        unshaped = self._unshaped(path if content is None else None, (*inputs, *carried))
        self.inputs = tuple(_spec(argument, unshaped) for argument in inputs)
        self.outputs = tuple(_spec(argument, unshaped) for argument in carried)
        initializers = session.get_overridable_initializers()
        overridable = [_spec(end, {end.name}) for end in initializers if end.type in BY_ONNX]
        switches = {f"{SWITCH}{spec.name}" for spec in self.outputs}
        self.parameters = tuple(spec for spec in overridable if spec.name not in switches)
        self._switches = [spec.name for spec in overridable if spec.name in switches]
        self._datatypes = {spec.name: spec.datatype for spec in (*self.inputs, *self.outputs, *self.parameters)}
        self._bfloat16 = {name for name, datatype in self._datatypes.items() if datatype is BFLOAT16}
        self._options = ort.RunOptions()
        self._session: Any = None if sleeps else session
        # What is no file is held only where it may be needed again.
        is_reloaded = sleeps or content is None or self.on_device
        self._load = partial(_open, path, runtime, content) if is_reloaded else None
        self._staging = _staging() if self.provider == CUDA else None
        self._path, self._signs = path, _signs(path)
        self._waking = threading.Lock()

    @property
    def on_device(self) -> bool:
        """Whether runs are waited for, and not computed by this process."""
        return self.provider != CPU

    def joined(self, feeds: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """The rows of several as one, for one run, which must be over before the next are joined."""
        parts = {name: [one[name] for one in feeds] for name in feeds[0]}
        if self._staging is None:
            return {name: np.concatenate(arrays) for name, arrays in parts.items()}
        return {name: self._staging.joined(name, arrays) for name, arrays in parts.items()}

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str], options: Any = None) -> list[Array]:
        """Computes `fetches`. Thread-safe. The arrays must fit the signature already.

        onnxruntime computes every output, fetched or not (`only_execute_path_to_fetches` works in its training builds
        only), so an output that has a switch and is not fetched is switched off.
        Raises Unfit where the graph refuses the values (an index out of range, say), Internal where the machine fails.
        """
        session = self._session or self._wake()
        options = options or self._options
        if self._switches:
            off = {name: FALSE for name in self._switches if name.removeprefix(SWITCH) not in fetches}
            feeds = {**feeds, **off} if off else feeds
        try:
            if self._bfloat16 and not self._bfloat16.isdisjoint((*feeds, *fetches)):
                return self._run_values(session, feeds, fetches, options)
            # The public `run` looks at names and kinds first, which is a fifth of a small run and has been done here.
            return session._sess.run(fetches, feeds, options)  # type: ignore[no-any-return]
        except FAILURES as error:
            message = str(error)
            if self.on_device and device.is_fault(message):
                self._renew(session, message)
            if device.is_refusal(message):
                raise Unfit(f"The device does not take tensors of these shapes ({device.plain(message)}).") from error
            if isinstance(error, RuntimeError) or MEMORY.search(message) or device.FAILURE.search(message):
                raise Internal from error
            raise Unfit(f"The model cannot compute these values: {redact(message)}") from error

    @contextmanager
    def limited(self, limit_s: float) -> Iterator[Run]:
        """A `run` for values that nobody has looked at: after `limit_s` it is ended, as if the graph refused them."""
        run, stop = self.stoppable()
        timer = threading.Timer(limit_s, stop)
        timer.daemon = True
        timer.start()
        try:
            yield run
        finally:
            timer.cancel()

    def stoppable(self) -> tuple[Run, Callable[[], None]]:
        """A `run`, and what ends its runs at their next node, and all later ones."""
        options = ort.RunOptions()
        options.log_severity_level = 4  # a refusal is no event
        return partial(self.run, options=options), partial(setattr, options, "terminate", True)

    def give_back(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> None:
        """Gives back what the arena of all sessions holds for no run. onnxruntime does that behind a run only: this."""
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.run(feeds, fetches, options)

    def abort(self) -> None:
        """Ends the runs under way, at their next node, and all later ones."""
        self._options.terminate = True

    def _wake(self) -> Any:
        with self._waking:
            if self._session is None and self._load is not None:
                self._session, _ = self._load()
        return self._session

    def _renew(self, broken: Any, reason: str) -> None:
        """Loads the graph again in the place of a session whose device failed; runs under way end on the old one.

        Where the device, or the file, is not what it was, `fault` says so, and the next failure tries again."""
        with self._waking:
            if self._session is not broken or self._load is None:  # another run's failure has done it
                return
            try:
                if self._signs != _signs(self._path):
                    raise ModelError("its file has changed since it was loaded.")
                self._session, _ = self._load()
                self.fault = None
            except ModelError as error:
                self.fault = f"{device.plain(redact(reason))}, and it cannot be loaded again: {error}"
        log.error("a run failed (%s): %s", device.plain(redact(reason)), self.fault or "the model is loaded again")

    def _check(self, inputs: Sequence[Any], carried: Sequence[Any]) -> None:
        """Raises NotCarriedModel where an input or every output has a type that no tensor protocol carries."""
        for end in inputs:
            if end.type not in BY_ONNX:
                raise NotCarriedModel(f"its input `{end.name}` is a {end.type}, which no tensor protocol can carry.")
        if self.not_carried and not carried:
            name, kind = next(iter(self.not_carried.items()))
            raise NotCarriedModel(f"its output `{name}` is a {kind}, which no tensor protocol can carry.")
        kinds = {BY_ONNX[end.type].name for end in (*inputs, *carried)}
        if {"BF16", "BYTES"} <= kinds:
            raise NotCarriedModel("it has both BF16 and strings, which onnxruntime cannot pass in one run.")

    def _unshaped(self, path: Path | None, arguments: Sequence[Any]) -> set[str]:
        """onnxruntime says [] both for a scalar and for a tensor of which not even the rank is declared.

        An activation takes any shape; for another graph the file itself is asked, if there is one."""
        doubtful = {argument.name for argument in arguments if not argument.shape}
        if not doubtful or path is None or self.metadata.get("task") == "activation":
            return doubtful
        return graph.unshaped(path)

    def _run_values(
        self, session: Any, feeds: Mapping[str, Array], fetches: Sequence[str], options: Any
    ) -> list[Array]:
        """The way round NumPy's lack of a bfloat16: values that carry onnxruntime's own type."""
        values = {name: self._value(array) for name, array in feeds.items()}
        results = session.run_with_ort_values(fetches, values, options)
        return [self._array(name, value) for name, value in zip(fetches, results, strict=True)]

    @staticmethod
    def _value(array: Array) -> Any:
        if array.dtype == BFLOAT16.dtype:
            return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), BFLOAT16.onnx_code)
        return ort.OrtValue.ortvalue_from_numpy(array)

    def _array(self, name: str, value: Any) -> Array:
        datatype = self._datatypes[name]
        if datatype.name != "BF16":
            return value.numpy()  # type: ignore[no-any-return]
        raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
        return np.frombuffer(raw, datatype.dtype).reshape(value.shape())


def usable_provider(providers: str) -> str:
    """The provider that `--providers` comes to on this machine.

    Raises ProviderError when CUDA was demanded and does not work, or when both builds of onnxruntime are installed."""
    if installed := _both_wheels():
        raise ProviderError(
            f"{installed} are both installed and overwrite each other's files: uninstall both, then install one again."
        )
    if providers == "cpu":
        return CPU
    problem = cuda_problem()
    if problem is None:
        return CUDA
    if providers == "cuda":
        raise ProviderError(f"`--providers cuda` {problem} (`--providers auto` would run models on the CPU).")
    return CPU


@cache
def cuda_problem() -> str | None:
    """Why CUDA computes nothing here; None where it does. It is tried once in a process, on a graph of one node."""
    if CUDA not in ort.get_available_providers():
        return "needs onnxruntime-gpu, and the onnxruntime installed here was built without CUDA"
    with redirect_stdout(io.StringIO()) as said:  # it prints which libraries it does not find
        ort.preload_dlls()
    problem = _problem(CUDA)
    if problem is not None and said.getvalue():
        log.warning("CUDA's libraries: %s", redact(said.getvalue()))
    return problem


def _problem(provider: str) -> str | None:
    """Why a provider cannot add two numbers, all by itself."""
    try:
        session = _made(graph.doubling(), _options(Runtime(), None, is_strict=True), [provider])
        (y,) = session.run(None, {"x": np.array([1.5], np.float32)})
    except (*FAILURES, ValueError) as error:
        if LEFT_TO_THE_CPU in str(error):
            return "does not start here: driver, device, or the libraries of CUDA and cuDNN are missing"
        return f"does not start here: {redact(device.plain(str(error)))}"
    return None if y.tolist() == [3] else "computes wrongly here"


@cache
def _both_wheels() -> str:
    """The names of onnxruntime's distributions where there are several, else nothing."""
    found = [name for name in WHEELS if _is_installed(name)]
    return " and ".join(found) if len(found) > 1 else ""


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _staging() -> Staging | None:
    """None where the CUDA runtime is not to be found; runs are right without it."""
    with suppress(OSError):
        return Staging(f"libcudart.so.{build.cuda_version.partition('.')[0]}")
    return None


def version() -> str:
    """The version of onnxruntime."""
    return str(ort.__version__)


def redact(message: str) -> str:
    """onnxruntime's message as one line without paths of this machine or places in its source."""
    message = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", message)
    message = re.sub(r"Load model from .*? failed[:.]", "", message)
    message = re.sub(r"\S*/\S+\.(?:cc|h|cpp|cu):\d+ .*?\)(?: const)?\s+(?=[A-Z])", "", message)
    message = re.sub(r"([\"'])/[^\"']*\1", "the file", message)
    message = re.sub(r"(?:/[^\s/:'\"]+){2,}", "the file", message)
    return " ".join(message.split())[:500]


def _open(path: Path, runtime: Runtime, content: Content | None) -> tuple[Any, dict[str, str]]:
    """The session, and the labels of the classes where a map by label gave way to a tensor."""
    path = path.absolute()  # what `redact` is to find in messages
    try:
        graph.check_external(path)
    except OSError as error:
        raise ModelError(f"it cannot be read ({error.strerror}).") from error
    session = _session(content, path, runtime)
    if content is None and any(end.type.startswith("seq(map(") for end in session.get_outputs()):
        changed, labels = graph.without_maps(path)
        with suppress(ModelError):  # a map of something else than rows of scores stays what it is
            return (session, {}) if changed is None else (_session(Content(changed), path, runtime), labels)
    return session, {}


def _session(content: Content | None, path: Path, runtime: Runtime) -> Any:
    provider = usable_provider(runtime.providers)
    try:
        session = _placed(content, path, runtime, provider)
    except FAILURES as error:
        raise ModelError(_plain(redact(device.plain(str(error).replace(f"{path.parent}/", ""))))) from error
    if runtime.providers == "cuda" and session.get_providers()[0] != CUDA:
        raise ProviderError("`--providers cuda`: CUDA did not start for a model, though it did for a trial.")
    return session


def _placed(content: Content | None, path: Path, runtime: Runtime, provider: str) -> Any:
    """All of the graph on the provider, or, where it has no kernels for some of the nodes, those on the CPU."""
    source = str(path) if content is None else content.graph
    options = partial(_options, runtime, None if content is None else content.folder)
    if provider == CPU:
        return _made(source, options(), [CPU])
    told = device.options(tf32=runtime.tf32, memory_limit_bytes=runtime.device_bytes) if provider == CUDA else {}
    try:
        return _made(source, options(is_strict=True), [(provider, told)])
    except FAILURES as error:
        if LEFT_TO_THE_CPU not in str(error):
            raise
    return _made(source, options(is_placed=True), [(provider, told), CPU])


def _made(source: str | bytes, options: Any, providers: Sequence[Any]) -> Any:
    session = ort.InferenceSession(
        source, options, providers=providers, disabled_optimizers=BROKEN_OPTIMIZERS, enable_fallback=0
    )
    session.disable_fallback()
    return session


def _placement(session: Any) -> tuple[str, int]:
    """The provider that computes, and how many nodes it leaves to the CPU. `get_providers` tells only what is there."""
    first = session.get_providers()[0]
    if first == CPU:
        return CPU, 0
    nodes: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return (first, nodes[CPU]) if nodes[first] or not nodes[CPU] else (CPU, 0)


def _signs(path: Path) -> tuple[int, ...]:
    """What changes when a file does; nothing where it is gone."""
    with suppress(OSError):
        found = path.stat()
        return (found.st_size, found.st_mtime_ns, found.st_ino)
    return ()


def _options(runtime: Runtime, folder: Path | None, *, is_strict: bool = False, is_placed: bool = False) -> Any:
    """`is_strict` leaves no node to the CPU, `is_placed` has the session tell which provider has which node."""
    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = runtime.keeps_memory
    # Its warnings about overridable initializers would fill the log, and a strict session is one to be refused.
    options.log_severity_level = 4 if is_strict else 3
    options.intra_op_num_threads = runtime.intra_op_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.enable_mem_pattern = False  # for each shape that ever comes it keeps a plan, for good
    # A spinning pool burns the quota of a container between two requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if is_strict:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if is_strict or is_placed:
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    return options


def _plain(message: str) -> str:
    """The two refusals that users meet most, said plainly."""
    if found := re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", message):
        return f"it has IR version {found[1]}; {_limit(found[2])}"
    if found := re.search(r"Opset (\d+) is under development.*?till opset (\d+)", message):
        return f"it has opset {found[1]}; {_limit(found[2])}"
    return message


def _limit(highest: str) -> str:
    return f"onnxruntime {version()} reads up to {highest}. Export it again with an older one."


def _spec(argument: Any, unshaped: Container[str]) -> TensorSpec:
    shape = None if argument.name in unshaped else tuple(argument.shape)
    return TensorSpec(argument.name, BY_ONNX[argument.type], shape)
