"""Prometheus metrics. With several workers they are files in one folder, added up when they are read."""

from __future__ import annotations

import os
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from service.exchange import STAGES, Request, Route
from service.memory import resident_bytes
from service.model import Model
from service.repository import Entry
from service.statistics import Together

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
STAGE_SECONDS = (0.00001, 0.000025, 0.00005, *SECONDS)
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when it is imported
MOST_VALUES = 1 << 16  # kept for a histogram
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads


class Values:
    """What a histogram is to be told. Its own `observe` walks the buckets under a lock, which takes too long for each
    request; so values are kept, and sorted into buckets and handed over many at once."""

    __slots__ = ("_bounds", "_histogram", "_values", "observe", "observe_each")

    def __init__(self, histogram: Histogram, bounds: tuple[float, ...]) -> None:
        self._bounds = np.array(bounds)
        self._histogram = histogram
        self._values: list[float] = []
        self.observe = self._values.append
        self.observe_each = self._values.extend

    def hand_over(self) -> None:
        """Adds what has come since the last time. prometheus_client has no public way to add several at once."""
        if not self._values:
            return
        values = np.array(self._values)
        self._values.clear()
        counts = np.bincount(self._bounds.searchsorted(values), minlength=len(self._bounds) + 1)
        for bucket, count in zip(self._histogram._buckets, counts.tolist(), strict=True):
            if count:
                bucket.inc(count)
        self._histogram._sum.inc(float(values.sum()))

    @property
    def is_full(self) -> bool:
        """True when handing over should not wait any longer."""
        return len(self._values) >= MOST_VALUES


class Metrics:
    """Everything that `/metrics` shows. What each request adds to is kept in plain numbers until `hand_over`."""

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
        self._stages = [Values(self.stage.labels(stage), STAGE_SECONDS) for stage in STAGES]
        self._durations: dict[str, Values] = {}
        self._runs: dict[tuple[str, ...], Values] = {}
        self._answers: Counts[tuple[str, str, int]] = Counts()
        self._rows: Counts[tuple[str, str]] = Counts()
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
        self.resident_bytes = Gauge(
            "actserve_resident_bytes",
            "Memory that the workers hold; what several of them share is counted for each.",
            multiprocess_mode="livesum",
            registry=registry,
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
        self.rows_dropped = Counter(
            "actserve_activation_rows_dropped_total",
            "Rows chosen for measuring activations and not measured: too many for the time there is, or refused.",
            ("model", "version"),
            registry=registry,
        )
        self._told: list[Collector] = []

    def describe(self, entries: Callable[[], Iterable[Entry]]) -> None:
        """From now on shows the models that `entries` gives when somebody looks."""
        self.show(Served(entries))

    def show(self, told: Collector) -> None:
        """From now on shows what this worker knows of all."""
        self._told.append(told)

    def watch(self, models: Iterable[Model]) -> None:
        """Counts the runs of models that are served from now on."""
        for model in models:
            model.tally.watch(self._observer(model.name, model.version))

    def _observer(self, *labels: str) -> Callable[[int], None]:
        """Observes the rows of each run; a model that never runs costs no series, and the series is looked up once.

        Knows the model by its labels only: a reference would make a circle, and an unloaded model stay for a while."""

        values: Values | None = None

        def observe(rows: int) -> None:
            nonlocal values
            if values is None:
                if labels not in self._runs:
                    self._runs[labels] = Values(self.run_rows.labels(*labels), ROWS)
                values = self._runs[labels]
            values.observe(rows)

        return observe

    def answered(self, route: Route, request: Request, status: int, duration_s: float) -> None:
        """Counts one answer, and observes every stage that its request went through."""
        self._answers[request.method, route.path, status] += 1
        durations = self._durations_of(route.path)
        durations.observe(duration_s)
        timings = request.timings
        if timings.ran:
            for stage, seconds in zip(self._stages, timings.stages(), strict=True):
                stage.observe(seconds)
        if durations.is_full:
            self.hand_over()
        if request.model is not None and status == 200:
            self._rows[request.model.name, request.model.version] += request.rows

    def answered_together(self, path: str, model: Model, times: Together) -> None:
        """Counts POST requests that were answered together, and well."""
        count = len(times.durations)
        self._answers["POST", path, 200] += count
        self._rows[model.name, model.version] += times.rows
        self._durations_of(path).observe_each(times.durations)
        decode, queue, compute, encode = self._stages
        decode.observe_each(times.decode)
        queue.observe_each(times.queue)
        compute.observe_each([times.compute] * count)
        encode.observe_each([times.encode] * count)
        if decode.is_full:
            self.hand_over()

    def _durations_of(self, path: str) -> Values:
        durations = self._durations.get(path)
        if durations is None:
            durations = self._durations[path] = Values(self.duration.labels(path), SECONDS)
        return durations

    def hand_over(self) -> None:
        """Brings what is exposed up to date."""
        for values in (*self._stages, *self._durations.values(), *self._runs.values()):
            values.hand_over()
        for (method, path, status), count in self._answers.items():
            self.requests.labels(method, path, str(status)).inc(count)
        for model, rows in self._rows.items():
            self.rows.labels(*model).inc(rows)
        self._answers.clear()
        self._rows.clear()
        self.resident_bytes.set(resident_bytes())

    def expose(self) -> bytes:
        """The text format, over all workers; of the models, which are the same in all, this worker tells."""
        everything = self._registry
        if SHARED_FOLDER in os.environ:
            everything = CollectorRegistry()
            MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
        served = CollectorRegistry()
        for told in self._told:
            served.register(told)
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
