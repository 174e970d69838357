"""The windows as Prometheus gauges. None of the library's own: those would stay when a model has gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.live.live import Live
from service.live.told import Told

GAUGES: tuple[tuple[str, str, Callable[[Told], float | None]], ...] = (
    ("actserve_activation_zero_share", "Share of values that are 0.", lambda layer: layer["zero_share"]),
    (
        "actserve_activation_dead_share",
        "Share of units that were 0 for every sampled row of the window, however few.",
        lambda layer: layer["dead_share"],
    ),
    (
        "actserve_activation_saturated_share",
        "Share of units with a slope below 0.01 for every sampled row of the window.",
        lambda layer: layer["saturated_share"],
    ),
    ("actserve_activation_mean", "Mean of the values.", lambda layer: layer["mean"]),
    ("actserve_activation_std", "Standard deviation of the values.", lambda layer: layer["std"]),
    ("actserve_activation_non_finite", "Values that were NaN or infinite.", lambda layer: layer["non_finite"]),
    (
        "actserve_activation_drift_psi",
        "Population stability index against the reference statistics of the model.",
        lambda layer: layer["drift"] and layer["drift"]["psi"],
    ),
)
ROWS = ("actserve_activation_rows", "Sampled rows in the window.")


class Activations(Collector):
    """What `live` shows."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def collect(self) -> Iterator[Metric]:
        shown = self._live.shown
        rows = GaugeMetricFamily(*ROWS, labels=("model", "version"))
        for told in shown:
            rows.add_metric((told["model"], told["version"]), told["rows"])
        yield rows
        for name, text, value in GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=("model", "version", "layer"))
            for told in shown:
                for layer in told["layers"]:
                    if (found := value(layer)) is not None:
                        gauge.add_metric((told["model"], told["version"], layer["node"]), found)
            yield gauge
