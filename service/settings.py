"""Every setting, read once at the start from flags and `ACTSERVE_*` variables, then frozen and passed in."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from service import cores
from service.errors import SettingsError
from service.kinds import NAMES, PATH, ROUTE, SECONDS, SECRET, SWITCH, TEXT, WRONG, Kind, Secret, number, one_of, whole

PREFIX = "ACTSERVE_"
MIB = 1 << 20


def setting(default: Any, kind: Kind, description: str) -> Any:
    """A field of `Settings`; None as its default says that it may be left out."""
    return field(default=default, metadata={"kind": kind, "description": description})


@dataclass(frozen=True, init=False)
class Settings:
    """The unit is in the name, the bound in the kind, and the description is what `--help` and the docs say."""

    host: str = setting("127.0.0.1", TEXT, "Address to listen on (the container image sets 0.0.0.0).")
    port: int = setting(8000, whole(0, 65535), "HTTP port; 0 takes a free one.")
    grpc_port: int = setting(8001, whole(0, 65535), "gRPC port; 0 leaves gRPC out.")
    workers: Literal["auto"] | int = setting(
        1, whole(1, 256, "auto"), "Worker processes; `auto` is one for each core available."
    )
    models: Path | None = setting(
        None, PATH, "Folder of models to serve: `<name>/<version>/model.onnx` or `<name>.onnx`."
    )
    model_name: str | None = setting(
        None,
        TEXT,
        "`--models` is the folder of one model, under this name: `model.onnx`, `<version>/model.onnx`, or the only"
        " model in it, whatever it is called there.",
    )
    no_shipped_models: bool = setting(False, SWITCH, "Leave out the shipped networks (the activations stay).")
    default_model: str = setting(
        "fashion_mnist",
        TEXT,
        "The model that answers `POST /predict` without a name; where there is only one, that one.",
    )
    model_control: Literal["none", "poll", "explicit"] = setting(
        "none",
        one_of("none", "poll", "explicit"),
        "What changes the models being served: nothing, the folder (`poll`), or load and unload calls (`explicit`).",
    )
    load_model: tuple[str, ...] | None = setting(
        None,
        NAMES,
        "With `explicit`: a model to load at the start, or several with commas between them; `*` is all of"
        " them. May be given more than once.",
    )
    poll_interval_s: float = setting(1, SECONDS, "With `poll`: seconds between two looks at the folder.")
    providers: Literal["auto", "cpu", "cuda"] = setting(
        "auto",
        one_of("auto", "cpu", "cuda"),
        "Where models run: `auto` takes CUDA where it works, `cuda` refuses to start without it.",
    )
    cuda_tf32: bool = setting(False, SWITCH, "On CUDA: let products be computed with TF32, faster and less exact.")
    cuda_memory_limit_bytes: int | None = setting(
        None, whole(1), "On CUDA: device memory that one model may hold (`model.toml` can say it for one alone)."
    )
    cuda_max_batch_size: int = setting(
        1024, whole(1), "On CUDA: rows that are joined in one run at most, in the place of `--max-batch-size`."
    )
    intra_op_threads: int | None = setting(
        None,
        whole(1, 1024),
        "Threads of one run of your own models; by default the cores available, shared among the workers.",
    )
    max_body_bytes: int = setting(64 * MIB, whole(1), "A larger request body is refused while it arrives.")
    max_batch_size: int = setting(64, whole(1), "Rows that are joined in one run at most.")
    max_queue_rows: int = setting(4096, whole(1), "Rows that wait for one model at most; more get 429.")
    request_timeout_s: float = setting(30, SECONDS, "Seconds until a request is answered with 504.")
    drain_timeout_s: float = setting(20, SECONDS, "Seconds after SIGTERM in which accepted requests are answered.")
    api_token: Secret | None = setting(
        None, SECRET, "Bearer token that every request must carry, but for probes, metrics and pages."
    )
    api_token_file: Path | None = setting(None, PATH, "File that holds the API token.")
    admin_token: Secret | None = setting(
        None, SECRET, "Bearer token that loading and unloading need; it opens everything else too."
    )
    admin_token_file: Path | None = setting(None, PATH, "File that holds the admin token.")
    log_format: Literal["text", "json"] = setting(
        "text", one_of("text", "json"), "One line for each event, as text or JSON."
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info",
        one_of("debug", "info", "warning", "error"),
        "`debug` logs every answered request; `info` those that were refused.",
    )
    activation_sample_rate: float = setting(
        0.01,
        number(0, 1),
        "Share of the served rows whose activations are measured, off the request's path; 0 is none.",
    )
    activation_cpu_share: float = setting(
        0.0025,
        number(1e-6, 1),
        "Share of one core that measuring them may take in each worker; rows beyond it are dropped.",
    )
    activation_window_s: float = setting(
        600, number(10, 86_400), "Seconds of the sliding window over which activations are told."
    )
    predict_route: str | None = setting(
        None, ROUTE, "One more path for `POST /predict` (Vertex AI says `AIP_PREDICT_ROUTE`)."
    )
    health_route: str | None = setting(
        None, ROUTE, "One more path for `GET /health/ready` (Vertex AI says `AIP_HEALTH_ROUTE`)."
    )
    cors_origin: str | None = setting(None, TEXT, "Origin whose pages may call this service from a browser.")
    no_page: bool = setting(False, SWITCH, "Leave out the explorer, the page at `/`.")

    given: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of those that have not kept their default."""

    def __init__(self, **given: Any) -> None:
        """Values or texts by name; one that is None keeps its default. Raises SettingsError."""
        said = {name: _read(name, value) for name, value in given.items() if value is not None}
        for name, value in said.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "given", frozenset(said))

    @property
    def worker_count(self) -> int:
        return cores.available() if self.workers == "auto" else self.workers

    @property
    def threads_for_one_run(self) -> int:
        """`intra_op_threads`, or this worker's share of the cores."""
        return self.intra_op_threads or max(1, cores.available() // self.worker_count)


SETTINGS = {one.name: one for one in fields(Settings) if one.metadata}


def read(values: dict[str, Any]) -> Settings:
    """Settings that go together, from values or texts by name, and tokens out of their files. Raises SettingsError."""
    settings = Settings(**values)
    _check_together(settings)
    tokens = {name: _token(settings, name) for name in ("api_token", "admin_token")}
    return Settings(**values | tokens)


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    return PREFIX + name.upper()


def _read(name: str, value: Any) -> Any:
    if name not in SETTINGS:
        raise SettingsError(f"{flag(name)} ({variable(name)}): there is no such setting.")
    kind: Kind = SETTINGS[name].metadata["kind"]
    try:
        return kind.read(value)
    except WRONG as error:
        raise SettingsError(f"{flag(name)} ({variable(name)}): expected {kind.expected}, got {value!r}.") from error


def _check_together(settings: Settings) -> None:
    if settings.model_name is not None and settings.models is None:
        raise SettingsError("--model-name: needs --models, the folder of that model.")
    if settings.load_model and settings.model_control != "explicit":
        raise SettingsError(f"--load-model: needs --model-control explicit, got {settings.model_control}.")
    if settings.load_model and len(settings.load_model) > 1 and "*" in settings.load_model:
        raise SettingsError("--load-model: expected `*` alone or names, got both.")


def _token(settings: Settings, name: str) -> Secret | None:
    """The token, out of its file where it is in one."""
    file: Path | None = getattr(settings, f"{name}_file")
    token: Secret | None = getattr(settings, name)
    if file is None:
        return token
    if token is not None:
        raise SettingsError(f"{flag(name)} and {flag(name)}-file: expected one of them, got both.")
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{flag(name)}-file: `{file}` cannot be read.") from error
    if not text:
        raise SettingsError(f"{flag(name)}-file: `{file}` is empty.")
    return Secret(text)
