"""Prometheus metrics. With several workers they are files in one folder, added up when they are read."""

from __future__ import annotations

import os
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from service.exchange import STAGES, Timings
from service.model import Model

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
STAGE_SECONDS = (0.00001, 0.000025, 0.00005, *SECONDS)
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when it is imported
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads


class Metrics:
    """Everything that `/metrics` shows."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self.requests = Counter(
            "actserve_requests_total", "Requests answered.", ("method", "path", "status"), registry=registry
        )
        self.duration = Histogram(
            "actserve_request_duration_seconds",
            "From the first byte read to the answer.",
            ("path",),
            buckets=SECONDS,
            registry=registry,
        )
        self.stage = Histogram(
            "actserve_stage_duration_seconds",
            "Where the time of inference requests goes.",
            ("stage",),
            buckets=STAGE_SECONDS,
            registry=registry,
        )
        self._stages = {stage: self.stage.labels(stage) for stage in STAGES}
        self.rows = Counter("actserve_rows_total", "Rows computed.", ("model", "version"), registry=registry)
        self.run_rows = Histogram(
            "actserve_run_rows",
            "Rows in each run of a model; the count is that of the runs.",
            ("model", "version"),
            buckets=ROWS,
            registry=registry,
        )
        self.errors = Counter("actserve_errors_total", "Requests refused or failed.", ("reason",), registry=registry)
        self.in_flight = Gauge(
            "actserve_requests_in_flight", "Requests being answered.", multiprocess_mode="livesum", registry=registry
        )
        self.queued_rows = Gauge(
            "actserve_queue_rows", "Rows waiting for a run.", multiprocess_mode="livesum", registry=registry
        )
        self.ready = Gauge(
            "actserve_ready", "1 when requests should be sent here.", multiprocess_mode="livemin", registry=registry
        )
        self.model_info = Gauge(
            "actserve_model_info",
            "1 for each model loaded; the provider is the one really in use.",
            ("model", "version", "provider", "task"),
            multiprocess_mode="livemax",
            registry=registry,
        )

    def describe(self, models: list[Model]) -> None:
        """Writes the model info of everything loaded, and watches its runs."""
        for model in models:
            model.tally.watch(partial(self._ran, model.name, model.version))
            self.model_info.labels(model.name, model.version, model.session.provider, model.metadata.task or "").set(1)

    def _ran(self, name: str, version: str, rows: int) -> None:
        self.run_rows.labels(name, version).observe(rows)

    def stages(self, timings: Timings) -> None:
        """Observes every stage that a request went through."""
        for stage, seconds in timings.seconds.items():
            self._stages[stage].observe(seconds)

    def expose(self) -> bytes:
        """The text format, over all workers."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        everything = CollectorRegistry()
        MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
        return generate_latest(everything)
