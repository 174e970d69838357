"""deploy/kubernetes: official schemas, and agreement with the service that is to run there.

The overlays use so little of kustomize that `render` below applies it; tests/assets/kubernetes holds what
`kubectl kustomize` made of them (`make manifests`), so both are held to each other."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from starlette.testclient import TestClient

from service import cores
from service.settings import SETTINGS, Settings, flag, read, variable
from service.supervisor import STRAGGLERS_S

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
KSERVE = ROOT / "deploy" / "kserve"
RENDERED = ROOT / "tests" / "assets" / "kubernetes"
OVERLAYS = ("cpu", "cuda", "minikube")
VERSIONS = ("1.30", "1.37")  # the first that knows `preStop: sleep`, and the newest with a schema
OF_OPERATORS = {"ServiceMonitor"}  # tests/end_to_end/test_kserve_client.py looks at that
HERE = {"kustomization.yaml", "Kustomization", "Component"}

Manifest = dict[str, Any]


def documents(file: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(file.read_text()))


def render(folder: Path) -> list[Manifest]:
    """What kustomize makes of a folder. Raises KeyError for what is not known here."""
    steps = {"resources": add_resources, "components": add_resources, "patches": patch, "images": set_images}
    [kustomization] = documents(folder / "kustomization.yaml")
    found: list[Manifest] = []
    assert kustomization.keys() - steps.keys() == {"apiVersion", "kind"}
    for name, step in steps.items():
        for one in kustomization.get(name, ()):
            step(found, folder, one)
    return found


def add_resources(found: list[Manifest], folder: Path, path: str) -> None:
    place = folder / path
    found += render(place) if place.is_dir() else documents(place)


def patch(found: list[Manifest], folder: Path, one: Manifest) -> None:
    target = one["target"]
    [manifest] = [
        made for made in found if (made["kind"], made["metadata"]["name"]) == (target["kind"], target["name"])
    ]
    for operation in yaml.safe_load((folder / one["path"]).read_text()):
        change(manifest, operation)


def change(manifest: Manifest, operation: Manifest) -> None:
    """One operation of RFC 6902."""
    *way, last = (step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:])
    parent: Any = manifest
    for step in way:
        parent = parent[int(step)] if isinstance(parent, list) else parent[step]
    key: Any = int(last) if isinstance(parent, list) and last != "-" else last
    if key == "-":
        parent.append(operation["value"])
        return
    if operation["op"] == "remove":
        del parent[key]
        return
    if operation["op"] == "test":
        assert parent[key] == operation["value"]
        return
    assert operation["op"] == "add" or parent[key] is not None
    parent[key] = operation["value"]


def set_images(found: list[Manifest], folder: Path, one: Manifest) -> None:
    for container in containers(found):
        if container["image"].partition(":")[0] == one["name"]:
            container["image"] = f"{one['name']}:{one['newTag']}"


def containers(manifests: list[Manifest]) -> Iterator[Manifest]:
    for manifest in manifests:
        yield from (pod_of(manifest) or {}).get("containers", ())


def pod_of(manifest: Manifest) -> Manifest | None:
    spec: Manifest = manifest.get("spec", {})
    found: Manifest | None = spec if manifest["kind"] == "Pod" else spec.get("template", {}).get("spec")
    return found


@cache
def overlay(name: str) -> dict[tuple[str, str], Manifest]:
    """Manifests by kind and name; not to be changed."""
    return {(made["kind"], made["metadata"]["name"]): made for made in render(KUBERNETES / "overlays" / name)}


def deployed(name: str) -> tuple[Manifest, Manifest]:
    """The pod and its one container."""
    pod = overlay(name)["Deployment", "actserve"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    return pod, container


def told(container: Manifest) -> Settings:
    """The settings that the container gives, by its variables; refused where one is wrong."""
    names = {variable(name): name for name in SETTINGS}
    return read({names[one["name"]]: one["value"] for one in container["env"]})


def limits_as_quota(container: Manifest, folder: Path) -> float:
    """The limit in cores as the service reads it, out of the file that the kubelet has written."""
    limit = container["resources"]["limits"]["cpu"]
    (folder / "cpu.max").write_text(f"{int(float(limit) * 100_000)} 100000\n")
    found = cores.cgroup_quota(v2=folder / "cpu.max")
    assert found is not None
    return found


def pre_stop_s(container: Manifest) -> int:
    found: int = container["lifecycle"]["preStop"]["sleep"]["seconds"] if "lifecycle" in container else 0
    return found


def bytes_of(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([MG]i)", quantity).groups()  # type: ignore[union-attr]
    return int(number) << {"Mi": 20, "Gi": 30}[unit]


# --- schemas ---


@pytest.mark.parametrize("name", [*OVERLAYS, "kserve"])
def test_rendering_is_that_of_kustomize(name: str) -> None:
    folder = KSERVE / "cluster" if name == "kserve" else KUBERNETES / "overlays" / name
    made = {(one["kind"], one["metadata"]["name"]): one for one in documents(RENDERED / f"{name}.yaml")}
    assert {(one["kind"], one["metadata"]["name"]): one for one in render(folder)} == made, "run `make manifests`"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OVERLAYS)
def test_every_manifest_fits_the_official_schema(name: str, version: str) -> None:
    unknown = set()
    for manifest in [*overlay(name).values(), *documents(KUBERNETES / "loader.yaml")]:
        try:
            assert kubernetes_validate.validate(manifest, version, strict=True) == version
        except kubernetes_validate.SchemaNotFoundError:
            unknown.add(manifest["kind"])
    assert unknown == (OF_OPERATORS if name != "minikube" else set())


@pytest.mark.parametrize("version", VERSIONS)
def test_pod_of_the_serving_runtime_fits_the_official_schema(version: str) -> None:
    """KServe makes a Deployment's pod of these two lists."""
    [runtime] = documents(KSERVE / "runtime" / "runtime.yaml")
    spec = {name: runtime["spec"][name] for name in ("containers", "volumes")}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "boots"}, "spec": spec}
    assert kubernetes_validate.validate(pod, version, strict=True) == version


def test_every_file_is_looked_at() -> None:
    """What lies in deploy/kubernetes is in an overlay, or is one of the two that are applied by themselves."""
    read_by: set[Path] = set()
    for file in KUBERNETES.rglob("kustomization.yaml"):
        [kustomization] = documents(file)
        named = [*kustomization.get("resources", ()), *(one["path"] for one in kustomization.get("patches", ()))]
        read_by |= {file, *(file.parent / path for path in named)}
    alone = {KUBERNETES / "loader.yaml", KUBERNETES / "prometheus-adapter.yaml"}
    assert set(KUBERNETES.rglob("*.yaml")) - read_by == alone


# --- agreement with the service ---


@pytest.mark.parametrize("name", OVERLAYS)
def test_arguments_and_variables_are_those_of_the_command(name: str) -> None:
    _, container = deployed(name)
    assert container["args"] == ["serve"]
    settings = told(container)
    assert (settings.models, settings.log_format) == (Path("/models"), "json")
    assert settings.providers == ("cuda" if name == "cuda" else "auto")
    assert {one["mountPath"] for one in container["volumeMounts"]} == {"/models", "/tmp"}


def test_arguments_of_the_serving_runtime_are_those_of_the_command() -> None:
    [runtime] = documents(KSERVE / "runtime" / "runtime.yaml")
    [container] = runtime["spec"]["containers"]
    command, *arguments = container["args"]
    assert command == "serve"
    assert {argument.partition("=")[0] for argument in arguments} <= {flag(name) for name in SETTINGS}


@pytest.mark.parametrize("name", OVERLAYS)
def test_probes_ask_what_the_service_answers(name: str, start: Callable[..., TestClient]) -> None:
    client = start()
    _, container = deployed(name)
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/health/live", "readiness": "/health/ready", "liveness": "/health/live"}
    assert {path: client.get(path).status_code for path in paths.values()} == dict.fromkeys(paths.values(), 200)
    ports = {one["name"] for one in container["ports"]}
    assert {container[f"{kind}Probe"]["httpGet"]["port"] for kind in paths} <= ports


@pytest.mark.parametrize("name", OVERLAYS)
def test_ports_are_those_that_the_service_listens_on(name: str) -> None:
    _, container = deployed(name)
    settings = told(container)
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {"http": settings.port, "grpc": settings.grpc_port}
    [exposed] = re.findall(r"^EXPOSE (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {int(port) for port in exposed.split()} == set(ports.values())
    for (kind, _), manifest in overlay(name).items():
        if kind == "Service":
            assert all((one["targetPort"], one["port"]) in ports.items() for one in manifest["spec"]["ports"])
        if kind == "NetworkPolicy":
            opened = [one["port"] for rule in manifest["spec"]["ingress"] for one in rule["ports"]]
            assert set(opened) == ports.keys()


@pytest.mark.parametrize("name", OVERLAYS)
def test_pod_is_given_the_time_that_draining_takes(name: str) -> None:
    pod, container = deployed(name)
    drain_s = told(container).drain_timeout_s
    assert pre_stop_s(container) > 0
    assert pod["terminationGracePeriodSeconds"] >= pre_stop_s(container) + drain_s + STRAGGLERS_S
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert all(int(one["stop_grace_period"].rstrip("s")) >= drain_s + STRAGGLERS_S for one in compose.values())


def test_inference_services_are_given_the_time_that_draining_takes() -> None:
    waits_s = {}
    for file in KSERVE.glob("*.yaml"):
        [service] = documents(file)
        predictor = service["spec"]["predictor"]
        waits_s[file.name] = pre_stop_s(predictor["model"])
        needed_s = waits_s[file.name] + SETTINGS["drain_timeout_s"].default + STRAGGLERS_S
        assert predictor["terminationGracePeriodSeconds"] >= needed_s
    assert waits_s == {"storage.yaml": 5, "grpc.yaml": 0, "shipped.yaml": 0}


@pytest.mark.parametrize("name", OVERLAYS)
def test_threads_of_all_workers_are_the_cores_of_the_limit(name: str, tmp_path: Path) -> None:
    _, container = deployed(name)
    quota = limits_as_quota(container, tmp_path)
    assert quota == math.ceil(quota), "a part of a core would be counted as a whole one"
    settings = told(container)
    workers = int(quota) if settings.workers == "auto" else settings.workers
    assert settings.intra_op_threads is None
    assert workers * max(1, int(quota) // workers) == quota
    assert workers == (1 if name == "cuda" else quota)


@pytest.mark.parametrize("name", OVERLAYS)
def test_requests_are_within_limits_and_memory_is_what_compose_gives(name: str) -> None:
    _, container = deployed(name)
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests.keys() == limits.keys()
    assert bytes_of(requests["memory"]) <= bytes_of(limits["memory"])
    if name == "cpu":
        assert requests == limits
        assert limits["memory"].lower() == (yaml_of_compose("actserve")["mem_limit"] + "i")
    assert ("nvidia.com/gpu" in limits) == (name == "cuda")


def yaml_of_compose(service: str) -> Manifest:
    found: Manifest = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]
    return found


@pytest.mark.parametrize("name", [*OVERLAYS, "loader"])
def test_containers_have_no_rights_that_they_do_not_need(name: str) -> None:
    if name == "loader":
        [loader] = documents(KUBERNETES / "loader.yaml")
        pod, [container] = loader["spec"], loader["spec"]["containers"]
    else:
        pod, container = deployed(name)
        assert {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}} in pod["volumes"]
        assert yaml_of_compose("actserve")["tmpfs"] == ["/tmp"]
    [user] = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    rights = pod["securityContext"]
    assert (rights["runAsNonRoot"], rights["runAsUser"], rights["runAsGroup"]) == (True, *map(int, user))
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == ("actserve:cuda" if name == "cuda" else "actserve:cpu")


@pytest.mark.parametrize("name", OVERLAYS)
def test_variables_that_services_would_set_are_kept_out(name: str) -> None:
    """https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables"""
    prefixes = [service.upper().replace("-", "_") for kind, service in overlay(name) if kind == "Service"]
    suffixes = ("PORT", "SERVICE_HOST", "SERVICE_PORT")
    clashing = {f"{prefix}_{suffix}" for prefix in prefixes for suffix in suffixes} & set(map(variable, SETTINGS))
    assert clashing == {"ACTSERVE_PORT", "ACTSERVE_GRPC_PORT"}
    pod, _ = deployed(name)
    assert pod["enableServiceLinks"] is False
    [runtime] = documents(KSERVE / "runtime" / "runtime.yaml")  # where nobody can switch them off
    flags = {argument.partition("=")[0] for argument in runtime["spec"]["containers"][0]["args"]}
    assert {flag(name) for name in ("port", "grpc_port")} <= flags


@pytest.mark.parametrize("name", OVERLAYS)
def test_everything_selects_these_pods_and_no_others(name: str) -> None:
    template = overlay(name)["Deployment", "actserve"]["spec"]["template"]
    labels = template["metadata"]["labels"].items()
    [loader] = documents(KUBERNETES / "loader.yaml")
    selectors = [overlay(name)["Deployment", "actserve"]["spec"]["selector"]["matchLabels"]]
    selectors += [one["spec"]["selector"] for (kind, _), one in overlay(name).items() if kind == "Service"]
    selectors.append(overlay(name)["PodDisruptionBudget", "actserve"]["spec"]["selector"]["matchLabels"])
    selectors.append(overlay(name)["NetworkPolicy", "actserve"]["spec"]["podSelector"]["matchLabels"])
    selectors += [one["labelSelector"]["matchLabels"] for one in template["spec"]["topologySpreadConstraints"]]
    for selector in selectors:
        assert selector.items() <= labels
        assert not selector.items() <= loader["metadata"]["labels"].items()


@pytest.mark.parametrize("name", OVERLAYS)
def test_models_come_from_the_claim_that_the_loader_fills(name: str) -> None:
    pod, _ = deployed(name)
    [loader] = documents(KUBERNETES / "loader.yaml")
    claims = [one["persistentVolumeClaim"] for one in pod["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [{"claimName": "actserve-models", "readOnly": True}]
    assert loader["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": claims[0]["claimName"]}
    assert ("PersistentVolumeClaim", "actserve-models") in overlay(name)


# --- autoscaling and metrics ---


def exported(client: TestClient) -> set[str]:
    return set(re.findall(r"^# TYPE (\w+) ", client.get("/metrics").text, re.MULTILINE))


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_autoscaler_follows_the_queue_that_the_service_exports(name: str, start: Callable[..., TestClient]) -> None:
    scaler = overlay(name)["HorizontalPodAutoscaler", "actserve"]["spec"]
    reference = scaler["scaleTargetRef"]
    assert (reference["kind"], reference["name"]) in overlay(name)
    assert "replicas" not in overlay(name)["Deployment", "actserve"]["spec"]
    queue, *others = scaler["metrics"]
    metric = queue["pods"]["metric"]["name"]
    assert metric in exported(start())
    settings = told(deployed(name)[1])
    assert queue["pods"]["target"] == {"type": "AverageValue", "averageValue": str(settings.max_batch_size)}
    assert settings.max_batch_size < settings.max_queue_rows
    assert [one["resource"]["name"] for one in others] == ([] if name == "cuda" else ["cpu"])


def test_adapter_makes_exactly_that_metric() -> None:
    [rules] = documents(KUBERNETES / "prometheus-adapter.yaml")
    [rule] = rules["rules"]["custom"]
    scaler = overlay("cpu")["HorizontalPodAutoscaler", "actserve"]["spec"]
    metric = scaler["metrics"][0]["pods"]["metric"]["name"]
    assert rule["name"]["as"] == metric
    assert re.fullmatch(rule["name"]["matches"], metric)
    assert rule["seriesQuery"].partition("{")[0] == metric
    assert rule["resources"]["overrides"] == {name: {"resource": name} for name in ("namespace", "pod")}
    [window_m] = re.findall(r"\[(\d+)m\]", rule["metricsQuery"])
    [endpoint] = overlay("cpu")["ServiceMonitor", "actserve"]["spec"]["endpoints"]
    assert int(window_m) * 60 == 4 * int(endpoint["interval"].rstrip("s"))


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_monitor_scrapes_each_pod_once(name: str, start: Callable[..., TestClient]) -> None:
    monitor = overlay(name)["ServiceMonitor", "actserve"]["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    services = [one for (kind, _), one in overlay(name).items() if kind == "Service"]
    [service] = [one for one in services if wanted <= one["metadata"]["labels"].items()]
    [endpoint] = monitor["endpoints"]
    assert endpoint["port"] in {one["name"] for one in service["spec"]["ports"]}
    assert start().get(endpoint["path"]).status_code == 200
    assert float(endpoint["scrapeTimeout"].rstrip("s")) < float(endpoint["interval"].rstrip("s"))


# --- the page ---


def test_documented_command_makes_a_rule_of_the_alerts() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    [command] = re.findall(r"^(\{ .*deploy/prometheus/alerts\.yml; \}) \| kubectl apply -f -$", page, re.MULTILINE)
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    rule = yaml.safe_load(done.stdout)
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())


def test_page_names_every_manifest_and_only_those() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    named = set(re.findall(r"deploy/(?:kubernetes|kserve)[\w./-]*\w", page))
    assert {path for path in named if not (ROOT / path).exists()} == set()
    for folder in (KUBERNETES, KSERVE):
        for file in folder.rglob("*.yaml"):
            assert f"`{file.name}`" in page or str(file.relative_to(ROOT)) in page or file.name in HERE, file
