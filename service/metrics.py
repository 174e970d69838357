"""Prometheus metrics. With several workers they are files in one folder, added up when they are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from service.exchange import STAGES, Timings
from service.model import Model
from service.repository import Entry

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
        self.load_failures = Counter(
            "actserve_model_load_failures_total",
            "Candidates that were refused; what was served before goes on.",
            ("model",),
            registry=registry,
        )
        self._served: Served | None = None

    def describe(self, entries: Callable[[], Iterable[Entry]]) -> None:
        """From now on shows the models that `entries` gives when somebody looks."""
        self._served = Served(entries)

    def watch(self, models: Iterable[Model]) -> None:
        """Counts the runs of models that are served from now on."""
        for model in models:
            model.tally.watch(self._observer(model.name, model.version))

    def _observer(self, *labels: str) -> Callable[[int], None]:
        """Observes the rows of each run; a model that never runs costs no series, and the series is looked up once.

        Knows the model by its labels only: a reference would make a circle, and an unloaded model stay for a while."""
        series: list[Histogram] = []

        def observe(rows: int) -> None:
            if not series:
                series.append(self.run_rows.labels(*labels))
            series[0].observe(rows)

        return observe

    def stages(self, timings: Timings) -> None:
        """Observes every stage that a request went through."""
        for stage, seconds in timings.seconds.items():
            self._stages[stage].observe(seconds)

    def expose(self) -> bytes:
        """The text format, over all workers; of the models, which are the same in all, this worker tells."""
        everything = self._registry
        if SHARED_FOLDER in os.environ:
            everything = CollectorRegistry()
            MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
        served = CollectorRegistry()
        if self._served is not None:
            served.register(self._served)
        return generate_latest(everything) + generate_latest(served)


class Served(Collector):
    """What is served now. No gauges of the library's: with several workers those stay when a model has gone."""

    def __init__(self, entries: Callable[[], Iterable[Entry]]) -> None:
        self._entries = entries

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "actserve_model_info",
            "1 for each model loaded; the provider is the one really in use.",
            labels=("model", "version", "provider", "task"),
        )
        broken = GaugeMetricFamily(
            "actserve_model_broken",
            "1 for each version whose file is refused, whether or not an older one is served in its place.",
            labels=("model", "version", "served"),
        )
        for entry in self._entries():
            for model in entry.loaded:
                info.add_metric((model.name, model.version, model.session.provider, model.metadata.task or ""), 1)
            for number, found in entry.versions.items():
                if found.error is not None:
                    broken.add_metric((entry.name, number, str(found.model is not None).lower()), 1)
        yield info
        yield broken
