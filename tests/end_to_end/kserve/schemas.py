"""Reads manifests of kinds that operators bring, as JSON from stdin, and writes for each what is wrong with it: a field
that the kind does not have, a value of another type, one that is missing. Runs in an environment of its own.

KServe's kinds are held to the models of KServe's package, which are made from its Go types; those of the Prometheus
Operator to models made from its CRDs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import kserve
import kubernetes.client
from cloudcoil.models.prometheus_operator import v1 as prometheus
from pydantic import BaseModel, ValidationError

PLAIN = {"str": str, "int": int, "bool": bool, "float": float}
OF_KSERVE = {
    "serving.kserve.io/v1alpha1 ServingRuntime": kserve.V1alpha1ServingRuntime,
    "serving.kserve.io/v1alpha1 ClusterServingRuntime": kserve.V1alpha1ClusterServingRuntime,
    "serving.kserve.io/v1beta1 InferenceService": kserve.V1beta1InferenceService,
}
OF_PROMETHEUS = {
    "monitoring.coreos.com/v1 ServiceMonitor": prometheus.ServiceMonitor,
    "monitoring.coreos.com/v1 PrometheusRule": prometheus.PrometheusRule,
}


def wrong(given: Any, kind: str, path: str) -> Iterator[str]:
    """What does not fit a type as the generated models write it: `str`, `list[V1Container]`, `dict(str, str)`."""
    if inner := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        yield from wrong_each(given, list, inner[1], path)
    elif inner := re.fullmatch(r"[Dd]ict[(\[]str, (.*)[)\]]", kind):
        yield from wrong_each(given, dict, inner[1], path)
    elif kind in PLAIN:
        if type(given) is not PLAIN[kind]:
            yield f"{path}: expected {kind}, got {given!r}"
    elif kind != "object":
        yield from wrong_object(given, model(kind), path)


def wrong_each(given: Any, container: type, kind: str, path: str) -> Iterator[str]:
    if not isinstance(given, container):
        yield f"{path}: expected {container.__name__}, got {given!r}"
        return
    for key, value in given.items() if isinstance(given, dict) else enumerate(given):
        yield from wrong(value, kind, f"{path}.{key}")


def wrong_object(given: Any, kind: Any, path: str) -> Iterator[str]:
    if not isinstance(given, dict):
        yield f"{path}: expected {kind.__name__}, got {given!r}"
        return
    names = {said: name for name, said in kind.attribute_map.items()}
    for said, value in given.items():
        if said not in names:
            yield f"{path}.{said}: {kind.__name__} has no such field"
        else:
            yield from wrong(value, kind.openapi_types[names[said]], f"{path}.{said}")
    try:  # the setters of the models refuse a field that is missing
        kind(**{names[said]: value for said, value in given.items() if said in names})
    except ValueError as error:
        yield f"{path}: {error}"


def model(name: str) -> Any:
    return getattr(kserve, name, None) or getattr(kubernetes.client, name)


def unknown(given: Any, made: Any, path: str) -> Iterator[str]:
    """Fields that the model has passed over."""
    if isinstance(given, dict) and isinstance(made, BaseModel):
        kept = {(field.alias or name): getattr(made, name) for name, field in type(made).model_fields.items()}
        for said, value in given.items():
            if said not in kept:
                yield f"{path}.{said}: {type(made).__name__} has no such field"
            else:
                yield from unknown(value, kept[said], f"{path}.{said}")
    if isinstance(given, list) and isinstance(made, list):
        for index, (value, one) in enumerate(zip(given, made, strict=True)):
            yield from unknown(value, one, f"{path}.{index}")


def problems(manifest: dict[str, Any]) -> list[str]:
    kind = f"{manifest['apiVersion']} {manifest['kind']}"
    if kind in OF_KSERVE:
        return list(wrong_object(manifest, OF_KSERVE[kind], manifest["kind"]))
    try:
        made = OF_PROMETHEUS[kind].model_validate(manifest)
    except ValidationError as error:
        return [f"{manifest['kind']}: {one['loc']}: {one['msg']}" for one in error.errors()]
    return list(unknown(manifest, made, manifest["kind"]))


json.dump([problems(manifest) for manifest in json.load(sys.stdin)], sys.stdout)
