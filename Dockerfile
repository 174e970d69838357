# The CPU image by default; `--build-arg RUNTIME=cuda` makes the CUDA one (onnxruntime-gpu with its CUDA and cuDNN wheels).
FROM python:3.11-slim-bookworm AS build
ARG RUNTIME=cpu
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
WORKDIR /src
RUN python -m venv --without-pip /opt/actserve
COPY pyproject.toml constraints.txt constraints-cuda.txt README.md ./
COPY service service
COPY models/__init__.py models/__init__.py
COPY models/repository models/repository
RUN pip --python /opt/actserve install --no-cache-dir --no-compile -c constraints.txt -c constraints-cuda.txt ".[${RUNTIME}]"
# What is only there to test, to train or to compile against is a quarter of the environment.
RUN find /opt/actserve -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} + \
    && cd /opt/actserve/lib/python3.11/site-packages \
    && rm -rf onnx/backend/test/data onnxruntime/transformers onnxruntime/quantization onnxruntime/tools \
              onnxruntime/datasets numpy/_core/include numpy/f2py simdjson/*.cpp simdjson/*.h uvloop/*.pyx uvloop/*.pxd \
              service/protos/*.pyi \
    # These come with debugging symbols, 45 MB of them.
    && strip --strip-unneeded ml_dtypes/*.so uvloop/*.so csimdjson*.so httptools/parser/*.so PIL/_imaging*.so \
    && python -m compileall -q -j 0 service models fastapi starlette pydantic uvicorn onnxruntime numpy click \
              prometheus_client PIL anyio grpc google

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="actserve" \
      org.opencontainers.image.description="Inference for activation-backed models"
COPY --from=build /opt/actserve /opt/actserve
ENV PATH=/opt/actserve/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    ACTSERVE_HOST=0.0.0.0
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; e = os.environ; u.urlopen(f\"http://127.0.0.1:{e.get('ACTSERVE_PORT') or e.get('AIP_HTTP_PORT') or 8000}/health/live\", timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["actserve"]
CMD ["serve"]
