"""The only room that imports onnxruntime: a loaded graph on one provider."""

import os

# Since 1.29 the Linux builds of onnxruntime upload telemetry unless this is set before the library is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from service.session.library import CPU, CUDA, Runtime, redact, version
from service.session.opening import Content
from service.session.providers import ProviderError, cuda_problem, usable_provider
from service.session.session import NotCarriedModel, Run, Session

__all__ = [
    "CPU",
    "CUDA",
    "Content",
    "NotCarriedModel",
    "ProviderError",
    "Run",
    "Runtime",
    "Session",
    "cuda_problem",
    "redact",
    "usable_provider",
    "version",
]
