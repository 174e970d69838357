"""What Ray decides for the replicas, from the service's settings; knows nothing of Ray itself."""

from __future__ import annotations

from typing import Any

from service.errors import SettingsError
from service.settings import Settings, flag

ELSEWHERE = {
    "host": "the address is in `http_options`",
    "port": "the port is in `http_options`",
    "grpc_port": "gRPC is not offered",
    "workers": "a replica is one process, and `autoscaling_config` says how many there are",
}
BESIDE = 16  # requests that no queue holds: probes, metrics, and those that get their 429


def checked(args: dict[str, Any]) -> Settings:
    """The settings, if all have a meaning under Ray Serve. Raises SettingsError."""
    for name in ELSEWHERE.keys() & args.keys():
        raise SettingsError(f"{flag(name)}: expected nothing under Ray Serve, where {ELSEWHERE[name]}.")
    settings = Settings(**args)
    if settings.model_control == "explicit":
        raise SettingsError(
            "--model-control: expected none or poll under Ray Serve, where a call reaches one replica; got explicit."
        )
    return settings


def limits(settings: Settings) -> dict[str, Any]:
    """As the service would: a replica is let have what its queue has room for, so that the service and not Ray refuses
    the next one, and is waited for as long when it stops."""
    return {
        "max_ongoing_requests": settings.max_queue_rows + settings.max_batch_size + BESIDE,
        "graceful_shutdown_timeout_s": settings.drain_timeout_s,
    }


def scaling(settings: Settings, most: int) -> dict[str, Any]:
    """As many replicas as the load asks for: one that has more than a full run under way keeps somebody waiting."""
    return {"min_replicas": 1, "max_replicas": most, "target_ongoing_requests": settings.max_batch_size}
