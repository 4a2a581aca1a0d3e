"""ONNX Runtime behind FastAPI, with the requests and answers of the Open Inference Protocol with binary tensors.

    pip install onnxruntime fastapi uvicorn[standard]
    MODEL=model.onnx [WORKERS=2 THREADS=1] python onnxruntime_server.py PORT
"""
import json
import os
import sys

import numpy
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ.get("THREADS", 0))
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


@app.post("/v2/models/{model}/infer")
async def infer(model: str, request: Request):
    body = await request.body()
    length = int(request.headers["Inference-Header-Content-Length"])
    shape = json.loads(body[:length])["inputs"][0]["shape"]
    image = (numpy.frombuffer(body, numpy.uint8, offset=length).reshape(shape).astype(numpy.float32) + 0.5) / 256
    (energy,) = await run_in_threadpool(session.run, ["energy"], {"image": image})
    output = {"name": "energy", "datatype": "FP64", "shape": list(energy.shape), "data": energy.tolist()}
    return {"model_name": model, "model_version": "1", "outputs": [output]}


if __name__ == "__main__":
    uvicorn.run("onnxruntime_server:app", host="127.0.0.1", port=int(sys.argv[1]), workers=int(os.environ.get("WORKERS", 1)), log_level="warning")
