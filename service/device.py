"""A CUDA device in the words of onnxruntime: what its provider is told, and what its failures mean."""

from __future__ import annotations

import re

# "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h ; file=f ; line=1 ; expr=e; "
FAILURE = re.compile(r"\b(CUDA|CUDNN|CUDNN_FE|CUBLAS|CUBLASLT|CUFFT|CURAND) failure (-?\d+): (.*?)\s*(?:;|$)")
# cudaErrorMemoryAllocation, CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED before version 9 and since,
# CUFFT_ALLOC_FAILED, CURAND_STATUS_ALLOCATION_FAILED: the run was too large, and the next one may not be.
OUT_OF_MEMORY = {
    ("CUDA", 2),
    ("CUBLAS", 3),
    ("CUBLASLT", 3),
    ("CUDNN", 2),
    ("CUDNN", 1003),
    ("CUFFT", 2),
    ("CURAND", 102),
}
# CUDNN_STATUS_NOT_SUPPORTED with all that is finer than it, before version 9 and since: of these shapes, not of others.
NOT_SUPPORTED = {("CUDNN", 9), *(("CUDNN", code) for code in range(3000, 4000))}


def options(*, tf32: bool, memory_limit_bytes: int | None) -> dict[str, str]:
    """What a session tells the provider. TF32 has 10 bits of mantissa in the place of 23, so nobody gets it unasked.

    https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#configuration-options"""
    told = {"use_tf32": str(int(tf32)), "arena_extend_strategy": "kSameAsRequested"}
    return told if memory_limit_bytes is None else told | {"gpu_mem_limit": str(memory_limit_bytes)}


def is_fault(message: str) -> bool:
    """Whether the device or its context is at fault, so that the session is worth nothing any more. Memory that did not
    suffice is none, nor are shapes that it does not take: the session computes on."""
    return any(failure not in OUT_OF_MEMORY | NOT_SUPPORTED for failure in _failures(message))


def is_refusal(message: str) -> bool:
    """Whether the device does not take these shapes, as tensors of more than 8 dimensions."""
    return not NOT_SUPPORTED.isdisjoint(_failures(message))


def _failures(message: str) -> set[tuple[str, int]]:
    return {(library, int(code)) for library, code, _ in FAILURE.findall(message)}


def plain(message: str) -> str:
    """What failed, without the machine's name and the places in the source that stand behind it."""
    found = FAILURE.search(message)
    return f"{found[1]} failure {found[2]}: {found[3]}" if found else message.partition(" ; GPU=")[0]
