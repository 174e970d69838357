"""What onnxruntime's CUDA provider is told, and which of its failures leave a session worth nothing."""

from __future__ import annotations

import pytest

from service import device

# As onnxruntime writes it: "%s failure %d: %s ; GPU=%d ; hostname=%s ; file=%s ; line=%d ; expr=%s; %s"
BEHIND = " ; GPU=0 ; hostname=secret ; file=/src/cuda_call.cc ; line=129 ; expr=cudaDeviceSynchronize(); "


def test_tf32_is_off_unless_asked_for() -> None:
    assert device.options(tf32=False, memory_limit_bytes=None)["use_tf32"] == "0"
    assert device.options(tf32=True, memory_limit_bytes=None)["use_tf32"] == "1"


def test_memory_is_limited_only_where_a_limit_is_set() -> None:
    assert "gpu_mem_limit" not in device.options(tf32=False, memory_limit_bytes=None)
    assert device.options(tf32=False, memory_limit_bytes=1 << 30)["gpu_mem_limit"] == "1073741824"


NOT_SUPPORTED = "CUDNN failure 3000: CUDNN_STATUS_NOT_SUPPORTED"


@pytest.mark.parametrize(
    "message",
    [
        f"CUDA failure 700: an illegal memory access was encountered{BEHIND}",
        f"CUDA failure 719: unspecified launch failure{BEHIND}",
        f"CUDA failure 214: uncorrectable ECC error encountered{BEHIND}",
        f"Non-zero status code returned while running MatMul node. CUBLAS failure 13: EXECUTION_FAILED{BEHIND}",
        f"CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED{BEHIND}",
    ],
)
def test_failure_of_the_device_is_a_fault(message: str) -> None:
    assert device.is_fault(message)


@pytest.mark.parametrize(
    "message",
    [
        f"CUDA failure 2: out of memory{BEHIND}",
        f"CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED{BEHIND}",
        "BFCArena::AllocateRawInternal Available memory of 0 is smaller than requested bytes of 4096",
        "Failed to allocate memory for requested buffer of size 4398046511104",
        "indices element out of data bounds, idx=99 must be within the inclusive range [-5,4]",
    ],
)
def test_memory_that_did_not_suffice_and_refused_values_are_no_fault(message: str) -> None:
    assert not device.is_fault(message)


def test_shapes_that_the_device_does_not_take_are_no_fault_but_a_refusal() -> None:
    said = (
        f"Non-zero status code returned while running ReduceMax node. Name:'y' Status Message: {NOT_SUPPORTED}{BEHIND}"
    )
    assert not device.is_fault(said)
    assert device.is_refusal(said)
    assert device.plain(said) == NOT_SUPPORTED
    assert not device.is_refusal(f"CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED{BEHIND}")
    assert device.is_fault(f"{said} CUDA failure 700: an illegal memory access was encountered{BEHIND}")


def test_failure_is_told_without_the_machine() -> None:
    told = device.plain(f"CUDA failure 100: no CUDA-capable device is detected{BEHIND}")
    assert told == "CUDA failure 100: no CUDA-capable device is detected"
    assert "secret" not in device.plain(f"Something else{BEHIND}")
