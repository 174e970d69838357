"""FastAPI as tutorials write it: pydantic's `list[list[float]]`, a `def` endpoint, onnxruntime as it comes."""

import os

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

app = FastAPI()
session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"])


class Instances(BaseModel):
    instances: list[list[float]]


class Predictions(BaseModel):
    predictions: list[list[float]]


@app.post("/predict")
def predict(body: Instances) -> Predictions:
    (scores,) = session.run(["probabilities"], {"input": np.array(body.instances, np.float32)})
    return Predictions(predictions=scores.tolist())


@app.post("/raw")
async def raw(request: Request) -> Response:
    rows = np.frombuffer(await request.body(), np.float32).reshape(-1, 784)
    (scores,) = session.run(["probabilities"], {"input": rows})
    return Response(scores.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), access_log=False)
