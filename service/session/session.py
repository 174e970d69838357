"""One loaded graph, ready to run, the library's exceptions turned into ours."""

from __future__ import annotations

import ctypes
import logging
import re
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import build_and_package_info as build

from service import device, graph
from service.errors import Internal, ModelError, Unfit
from service.session.library import CPU, CUDA, FAILURES, Runtime, redact
from service.session.opening import Content, opened, placement, signs
from service.staging import Staging
from service.tensors import BY_ONNX, Array, TensorSpec

log = logging.getLogger("actserve.session")

SWITCH = "compute_"  # `compute_y`, a boolean initializer: whether the output `y` is computed
FALSE = np.array(False)
Run = Callable[[Mapping[str, Array], Sequence[str]], list[Array]]
BFLOAT16 = BY_ONNX["tensor(bfloat16)"]
MEMORY = re.compile(r"alloc|out of memory", re.IGNORECASE)  # the machine's fault, never the request's


class NotCarriedModel(ModelError):
    """The graph runs, but has an input, or only outputs (sequences, maps), that no tensor protocol can carry."""


class Session:
    """A graph, ready to run. `inputs`, `outputs` and `parameters` (the initializers a caller may override) come from
    the graph itself; `provider` is the one really in use, and where that is a device, `nodes_on_cpu` counts what it
    has no kernels for. `fault` is why a device that failed could not be used again, None while all is well.

    One that `sleeps` is let go once it has told all this, and loaded again for its first run. `content` is run in the
    place of the file, which it is made from."""

    def __init__(self, path: Path, runtime: Runtime, content: Content | None = None, *, sleeps: bool = False) -> None:
        session, labels = opened(path, runtime, content)
        self.provider, self.nodes_on_cpu = placement(session)
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
        self._load = partial(opened, path, runtime, content) if is_reloaded else None
        self._staging = _staging() if self.provider == CUDA else None
        self._path, self._signs = path, signs(path)
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
                if self._signs != signs(self._path):
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


def _staging() -> Staging | None:
    """None where the CUDA runtime is not to be found; runs are right without it."""
    with suppress(OSError):
        return Staging(f"libcudart.so.{build.cuda_version.partition('.')[0]}")
    return None


def _spec(argument: Any, unshaped: Container[str]) -> TensorSpec:
    shape = None if argument.name in unshaped else tuple(argument.shape)
    return TensorSpec(argument.name, BY_ONNX[argument.type], shape)
