"""What hosting platforms tell a container, as settings: Vertex AI by its variables, SageMaker by the folder it mounts.
What Kubernetes tells of a Service that is called `actserve` has the name of a setting and is none.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.errors import SettingsError
from service.settings import read, variable

VARIABLES = {
    "AIP_HTTP_PORT": "port",
    "AIP_PREDICT_ROUTE": "predict_route",
    "AIP_HEALTH_ROUTE": "health_route",
    "SAGEMAKER_BIND_TO_PORT": "port",
}
ARTIFACTS = "AIP_STORAGE_URI"
SAGEMAKER_FOLDER = Path("/opt/ml/model")
SAGEMAKER_PORT = "8080"
SERVICE_LINK = re.compile(r"(?:tcp|udp|sctp)://")  # ACTSERVE_PORT=tcp://10.0.0.1:80
LINKED = ("port", "grpc_port")


def completed(given: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Settings by name: those given, and what the platform says of the others. Raises SettingsError.

    Models that came from a platform are what it is to serve, so the shipped networks are left out beside them."""
    given = {name: value for name, value in given.items() if value is not None and not _is_link(name, value, variables)}
    found = _ports_and_routes(variables)
    on_sagemaker = SAGEMAKER_FOLDER.is_dir()
    if on_sagemaker:
        found.setdefault("port", SAGEMAKER_PORT)
    if given.get("models") is None:
        folder = _artifacts(variables.get(ARTIFACTS, ""))
        if on_sagemaker and any(SAGEMAKER_FOLDER.iterdir()):
            folder = folder or SAGEMAKER_FOLDER
        found |= {"models": folder, "no_shipped_models": True} if folder else {}
    return found | given


def _is_link(name: str, value: Any, variables: Mapping[str, str]) -> bool:
    told = variables.get(variable(name), "") if name in LINKED else ""
    return value == told and SERVICE_LINK.match(told) is not None


def _ports_and_routes(variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for said, name in VARIABLES.items():
        if value := variables.get(said):
            try:
                read({name: value})
            except SettingsError as error:
                raise SettingsError(f"{said} is taken for {error}") from error
            found[name] = value
    return found


def _artifacts(address: str) -> Path | None:
    """The folder of the artifacts: a path, as Vertex AI's own local endpoint sets it; not one in a bucket."""
    if "://" in address:
        raise SettingsError(
            f"{ARTIFACTS}: `{address}` cannot be served, since this service downloads nothing. Build the models into"
            " the image or mount them, and say where by --models (ACTSERVE_MODELS); or leave the artifact URI out."
        )
    return Path(address) if address else None
