"""Every setting, read once at the start from flags and `ACTSERVE_*` variables, then frozen and passed in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

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
    model_control: Literal["none", "poll", "explicit"] = Field(
        "none",
        description="What changes the models being served: nothing, the folder (`poll`), or load and unload calls"
        " (`explicit`).",
    )
    load_model: tuple[str, ...] | None = Field(
        None,
        description="With `explicit`: a model to load at the start, or several with commas between them; `*` is all of"
        " them. May be given more than once.",
    )
    poll_interval_s: Seconds = Field(1, description="With `poll`: seconds between two looks at the folder.")
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
    admin_token: Annotated[SecretStr, Field(min_length=1)] | None = Field(
        None, description="Bearer token that loading and unloading need; it opens everything else too."
    )
    admin_token_file: Path | None = Field(None, description="File that holds the admin token.")
    log_format: Literal["text", "json"] = Field("text", description="One line for each event, as text or JSON.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug` logs every answered request; `info` those that were refused."
    )
    activation_sample_rate: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of the served rows whose activations are measured, off the request's path; 0 is none.",
    )
    activation_cpu_share: float = Field(
        0.005,
        gt=0,
        le=1,
        description="Share of one core that measuring them may take in each worker; rows beyond it are dropped.",
    )
    activation_window_s: float = Field(
        600, ge=10, le=86_400, description="Seconds of the sliding window over which activations are told."
    )
    predict_route: str | None = Field(
        None, pattern=ROUTE, description="One more path for `POST /predict` (Vertex AI says `AIP_PREDICT_ROUTE`)."
    )
    health_route: str | None = Field(
        None, pattern=ROUTE, description="One more path for `GET /health/ready` (Vertex AI says `AIP_HEALTH_ROUTE`)."
    )
    cors_origin: str | None = Field(None, description="Origin whose pages may call this service from a browser.")

    @field_validator("load_model", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        texts = (given,) if isinstance(given, str) else given or ()
        return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())

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
    _check_together(settings)
    return _with_token(_with_token(settings, "api_token"), "admin_token")


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    return PREFIX + name.upper()


def _check_together(settings: Settings) -> None:
    if settings.load_model and settings.model_control != "explicit":
        raise SettingsError(f"--load-model: needs --model-control explicit, got {settings.model_control}.")
    if settings.load_model and len(settings.load_model) > 1 and "*" in settings.load_model:
        raise SettingsError("--load-model: expected `*` alone or names, got both.")


def _with_token(settings: Settings, name: str) -> Settings:
    """The token out of its file, where it is in one."""
    file: Path | None = getattr(settings, f"{name}_file")
    if file is None:
        return settings
    if getattr(settings, name) is not None:
        raise SettingsError(f"{flag(name)} and {flag(name)}-file: expected one of them, got both.")
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{flag(name)}-file: `{file}` cannot be read.") from error
    if not token:
        raise SettingsError(f"{flag(name)}-file: `{file}` is empty.")
    return settings.model_copy(update={name: SecretStr(token)})
