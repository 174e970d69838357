"""Every setting, read once at the start from flags and `ACTSERVE_*` variables, then frozen and passed in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from service import cores
from service.errors import SettingsError

PREFIX = "ACTSERVE_"
MIB = 1 << 20
ROUTE = r"^/[A-Za-z0-9._~!$&'()*+,;=:@/-]*$"  # a path as it stands in a request: no query, no template, no escapes

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseModel):
    """The unit is in the name, the bound in the type, and the description is what `--help` and the docs say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on (the container image sets 0.0.0.0).")
    port: int = Field(8000, ge=0, le=65535, description="HTTP port; 0 takes a free one.")
    grpc_port: int = Field(8001, ge=0, le=65535, description="gRPC port; 0 leaves gRPC out.")
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="Worker processes; `auto` is one for each core available."
    )
    models: Path | None = Field(
        None, description="Folder of models to serve: `<name>/<version>/model.onnx` or `<name>.onnx`."
    )
    no_shipped_models: bool = Field(False, description="Leave out the shipped networks (the activations stay).")
    default_model: str = Field(
        "fashion_mnist",
        description="The model that answers `POST /predict` without a name; where there is only one, that one.",
    )
    providers: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where models run: `auto` takes CUDA where it works, `cuda` refuses to start without it."
    )
    intra_op_threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Threads of one run of your own models; by default the cores available, shared among the workers.",
    )
    max_body_bytes: int = Field(64 * MIB, ge=1, description="A larger request body is refused while it arrives.")
    max_batch_size: int = Field(64, ge=1, description="Rows that are joined in one run at most.")
    max_queue_rows: int = Field(4096, ge=1, description="Rows that wait for one model at most; more get 429.")
    request_timeout_s: Seconds = Field(30, description="Seconds until a request is answered with 504.")
    drain_timeout_s: Seconds = Field(20, description="Seconds after SIGTERM in which accepted requests are answered.")
    api_token: Annotated[SecretStr, Field(min_length=1)] | None = Field(
        None, description="Bearer token that every request must carry, but for probes, metrics and pages."
    )
    api_token_file: Path | None = Field(None, description="File that holds the API token.")
    log_format: Literal["text", "json"] = Field("text", description="One line for each event, as text or JSON.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug` logs every answered request; `info` those that were refused."
    )
    predict_route: str | None = Field(
        None, pattern=ROUTE, description="One more path for `POST /predict` (Vertex AI says `AIP_PREDICT_ROUTE`)."
    )
    health_route: str | None = Field(
        None, pattern=ROUTE, description="One more path for `GET /health/ready` (Vertex AI says `AIP_HEALTH_ROUTE`)."
    )
    cors_origin: str | None = Field(None, description="Origin whose pages may call this service from a browser.")

    @property
    def worker_count(self) -> int:
        return cores.available() if self.workers == "auto" else self.workers

    @property
    def threads_for_one_run(self) -> int:
        """`intra_op_threads`, or this worker's share of the cores."""
        return self.intra_op_threads or max(1, cores.available() // self.worker_count)


def read(values: dict[str, Any]) -> Settings:
    """Settings from values by field name; those that are None keep their default. Raises SettingsError."""
    try:
        settings = Settings(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0])
        said = [other["msg"] for other in error.errors() if other["loc"][0] == name]  # one for each type it may have
        wanted = " or ".join([said[0], *(text.removeprefix("Input should be ") for text in said[1:])])
        raise SettingsError(f"{flag(name)} ({variable(name)}): {wanted}, got {wrong['input']!r}.") from error
    if settings.api_token is not None and settings.api_token_file is not None:
        raise SettingsError("--api-token and --api-token-file: expected one of them, got both.")
    return settings if settings.api_token_file is None else _with_token(settings, settings.api_token_file)


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    return PREFIX + name.upper()


def _with_token(settings: Settings, file: Path) -> Settings:
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--api-token-file: `{file}` cannot be read.") from error
    if not token:
        raise SettingsError(f"--api-token-file: `{file}` is empty.")
    return settings.model_copy(update={"api_token": SecretStr(token)})
