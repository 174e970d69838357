"""Asks a server through KServe's own client and prints what it understood, as JSON. Runs in an environment of its own:
`client.py http://127.0.0.1:8000 127.0.0.1:8001`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ARRAYS = {
    "BOOL": np.array([[True, False]]),
    "INT8": np.array([[-128, 127]], np.int8),
    "INT64": np.array([[-(2**63), 2**63 - 1]], np.int64),
    "UINT64": np.array([[0, 2**64 - 1]], np.uint64),
    "FP16": np.array([[0.5, -2]], np.float16),
    "FP32": np.array([[0.1, -3e38]], np.float32),
    "FP64": np.array([[0.1, 1e-300]], np.float64),
    "BYTES": np.array([[b"a", b"\xc3\xa4"]], np.object_),
}


def request(datatype: str, *, binary: bool, outputs: Any = None) -> InferRequest:
    array = ARRAYS[datatype]
    tensor = InferInput("x", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(f"same_{datatype}", [tensor], request_id="an id", request_outputs=outputs)


def typed(datatype: str) -> InferRequest:
    """Over gRPC the client takes strings as bytes, and makes text of them where it is given an array."""
    made = request(datatype, binary=False)
    if datatype == "BYTES":
        made.inputs[0].data = ARRAYS[datatype].ravel().tolist()
    return made


def told(response: Any, datatype: str) -> bool:
    """Whether the answer is the array that was sent."""
    found = response.outputs[0].as_numpy().tolist()
    if datatype == "BYTES":
        found = [[text if isinstance(text, bytes) else text.encode() for text in row] for row in found]
    return bool(found == ARRAYS[datatype].tolist() and response.id == "an id")


async def refusal(call: Awaitable[Any]) -> str:
    try:
        await call
    except (httpx.HTTPError, grpc.RpcError) as error:
        return str(error)
    return "nothing was refused"


async def over_rest(url: str) -> dict[str, Any]:
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        found: dict[str, Any] = {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "models": [await client.is_model_ready(url, name) for name in ("twice", "zork")],
        }
        wanted = [RequestedOutput("y", {"binary_data": True})]
        for kind in ARRAYS:
            as_json, as_binary = request(kind, binary=False), request(kind, binary=True, outputs=wanted)
            if kind != "FP16":  # the client sends it in binary only
                found[f"{kind} JSON"] = told(await client.infer(url, as_json, f"same_{kind}"), kind)
            found[f"{kind} binary"] = told(await client.infer(url, as_binary, f"same_{kind}"), kind)
        found["refusal"] = await refusal(client.infer(url, request("FP32", binary=True), "zork"))
        return found


async def over_v1(url: str) -> dict[str, Any]:
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        return {
            "models": [await client.is_model_ready(url, "twice")],
            "answer": await client.infer(url, {"instances": [[1, 2], [3, 4]]}, "same_FP32"),
            "refusal": await refusal(client.infer(url, {"instances": [1]}, "zork")),
        }


async def over_grpc(address: str) -> dict[str, Any]:
    async with InferenceGRPCClient(address) as client:
        found: dict[str, Any] = {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "models": [await client.is_model_ready(name) for name in ("twice", "zork")],
        }
        for kind in ARRAYS:
            found[f"{kind} raw"] = told(await client.infer(request(kind, binary=True)), kind)
            if kind != "FP16":
                found[f"{kind} typed"] = told(await client.infer(typed(kind)), kind)
        wrong = request("FP32", binary=True)
        wrong.model_name = "zork"
        found["refusal"] = await refusal(client.infer(wrong))
        return found


async def main(url: str, address: str) -> None:
    found = {"rest": await over_rest(url), "grpc": await over_grpc(address), "v1": await over_v1(url)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
