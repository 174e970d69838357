"""onnxruntime itself: how it is imported, what it raises and says, how a graph becomes one of its sessions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

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
LEFT_TO_THE_CPU = "fallback to CPU EP has been explicitly disabled"
BROKEN_OPTIMIZERS = ["FuseReluClip"]  # refuses a graph with a Relu before a Clip in FP64, which is a good graph


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


def made(source: str | bytes, options: Any, providers: Sequence[Any]) -> Any:
    session = ort.InferenceSession(
        source, options, providers=providers, disabled_optimizers=BROKEN_OPTIMIZERS, enable_fallback=0
    )
    session.disable_fallback()
    return session


def options(runtime: Runtime, folder: Path | None, *, is_strict: bool = False, is_placed: bool = False) -> Any:
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
