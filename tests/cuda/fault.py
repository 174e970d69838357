"""A server whose device has a real fault between two requests: a kernel writes to address 0."""

from __future__ import annotations

import ctypes
import os

import numpy as np
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings

KERNEL = b"""
.version 7.0
.target sm_75
.address_size 64
.visible .entry fault()
{
    .reg .b64 %place;
    .reg .b32 %value;
    mov.u64 %place, 0;
    mov.u32 %value, 1;
    st.global.u32 [%place], %value;
    ret;
}
"""
BODY = np.random.default_rng(0).random((3, 784), np.float32).tobytes()
RAW = {"content-type": "application/octet-stream"}


def illegal_access() -> int:
    """What the driver says of it, 700 of an illegal address. The context is lost for as long as the process lives."""
    driver = ctypes.CDLL("libcuda.so.1")
    context, module, kernel = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    assert driver.cuInit(0) == 0
    assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0  # the one that onnxruntime computes in
    assert driver.cuCtxSetCurrent(context) == 0
    assert driver.cuModuleLoadData(ctypes.byref(module), KERNEL) == 0
    assert driver.cuModuleGetFunction(ctypes.byref(kernel), module, b"fault") == 0
    assert driver.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, None, None, None) == 0
    status: int = driver.cuCtxSynchronize()
    return status


def told(client: TestClient) -> str:
    answer = client.post("/predict", content=BODY, headers=RAW).status_code
    ready, live = (client.get(f"/health/{probe}").status_code for probe in ("ready", "live"))
    return f"{answer}, ready {ready}, live {live}"


def main() -> None:
    with TestClient(create_app(Settings(providers="cuda"))) as client:
        print(f"before: {told(client)}", flush=True)
        print(f"cuda: {illegal_access()}", flush=True)
        print(f"after: {told(client)}", flush=True)
        print(f"again: {told(client)}", flush=True)
        print(client.get("/health/live").text, flush=True)
        os._exit(0)  # past the destructors of what was on the device, which may end the process in their own way


if __name__ == "__main__":
    main()
