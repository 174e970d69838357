"""Settings: one table, read once, bounded, frozen."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service import cores
from service.cli import main
from service.errors import SettingsError
from service.kinds import Secret
from service.settings import SETTINGS, flag, read, variable

DEFAULTS = {
    "host": "127.0.0.1",
    "port": 8000,
    "workers": 1,
    "models": None,
    "default_model": "fashion_mnist",
    "providers": "auto",
    "max_body_bytes": 64 << 20,
    "max_batch_size": 64,
    "max_queue_rows": 4096,
    "request_timeout_s": 30,
    "drain_timeout_s": 20,
    "api_token": None,
    "log_format": "text",
    "log_level": "info",
    "cors_origin": None,
}


def test_defaults_are_those_of_the_contract() -> None:
    found = read({})
    assert {name: getattr(found, name) for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_described_as_flag_and_variable(name: str) -> None:
    description = SETTINGS[name].metadata["description"]
    assert description
    assert description.endswith(".")
    shown = " ".join(CliRunner().invoke(main, ["serve", "--help"], terminal_width=200).output.split())
    assert flag(name) in shown
    assert variable(name) in shown
    assert description in shown
    assert variable(name) == f"ACTSERVE_{name.upper()}"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        read({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "-1"),
        ("port", "65536"),
        ("port", "abc"),
        ("port", 1.5),
        ("host", 1),
        ("models", 1),
        ("workers", "0"),
        ("workers", "many"),
        ("providers", "tpu"),
        ("intra_op_threads", "0"),
        ("max_body_bytes", "0"),
        ("max_batch_size", "0"),
        ("max_queue_rows", "1.5"),
        ("request_timeout_s", "0"),
        ("drain_timeout_s", "-1"),
        ("drain_timeout_s", "soon"),
        ("drain_timeout_s", "nan"),
        ("poll_interval_s", "86401"),
        ("load_model", 1),
        ("predict_route", "predict"),
        ("health_route", "/a\n"),
        ("log_format", "xml"),
        ("log_level", "loud"),
        ("no_shipped_models", "perhaps"),
        ("unknown_setting", "1"),
        ("api_token", ""),
        ("admin_token", 1),
    ],
)
def test_value_out_of_bounds_is_one_sentence_with_both_names(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read({name: value})
    assert flag(name) in str(caught.value)
    assert variable(name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_is_read_as_the_settings_type() -> None:
    found = read({"port": "9", "workers": "2", "request_timeout_s": "0.5", "models": "/x", "no_shipped_models": "true"})
    assert (found.port, found.workers, found.request_timeout_s) == (9, 2, 0.5)
    assert found.models == Path("/x")
    assert found.no_shipped_models is True


@pytest.mark.parametrize("text", ["true", "True", "yes", "on", "1"])
def test_switch_is_read_from_the_usual_words(text: str) -> None:
    assert read({"no_shipped_models": text}).no_shipped_models is True


def test_settings_know_what_they_were_given_and_reach_another_process() -> None:
    found = read({"port": "9", "default_model": None, "api_token": "secret"})
    assert found.given == {"port", "api_token"}
    assert pickle.loads(pickle.dumps(found)) == found
    assert pickle.loads(pickle.dumps(found)).given == found.given


@pytest.mark.parametrize("name", ["api_token", "admin_token"])
def test_token_is_read_from_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "token"
    file.write_text("  secret\n")
    found = read({f"{name}_file": str(file)})
    assert getattr(found, name) == Secret("secret")
    assert "secret" not in repr(found)


@pytest.mark.parametrize("name", ["api_token", "admin_token"])
@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_token_file_that_holds_none_is_refused(tmp_path: Path, content: bytes | None, name: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"{flag(name)}-file"):
        read({f"{name}_file": file})


@pytest.mark.parametrize(
    ("workers", "threads", "available", "expected"),
    [(1, None, 8, (1, 8)), ("auto", None, 8, (8, 1)), (3, None, 8, (3, 2)), (16, None, 8, (16, 1)), (2, 5, 8, (2, 5))],
)
def test_threads_are_shared_among_the_workers(
    monkeypatch: pytest.MonkeyPatch, workers: Any, threads: int | None, available: int, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(cores, "available", lambda: available)
    found = read({"workers": workers, "intra_op_threads": threads})
    assert (found.worker_count, found.threads_for_one_run) == expected


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--port", "-1"], {}), ([], {"ACTSERVE_PORT": "-1"}), (["--workers=x"], {"ACTSERVE_PORT": "1"})],
)
def test_wrong_setting_of_serve_is_one_sentence_and_status_2(arguments: list[str], environment: dict[str, str]) -> None:
    done = CliRunner().invoke(main, ["serve", *arguments], env=environment)
    assert done.exit_code == 2
    assert done.stderr.startswith("actserve: --")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["api_token", "admin_token"])
def test_token_and_token_file_together_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "token").write_text("secret")
    with pytest.raises(SettingsError, match="expected one of them"):
        read({name: "a", f"{name}_file": str(tmp_path / "token")})


@pytest.mark.parametrize("given", ["a,b", ("a", "b"), ("a, b",), [" a", "b,"]])
def test_models_to_load_are_named_together_or_one_by_one(given: Any) -> None:
    assert read({"model_control": "explicit", "load_model": given}).load_model == ("a", "b")


def test_models_to_load_need_the_mode_that_loads_by_name() -> None:
    with pytest.raises(SettingsError, match="--model-control explicit"):
        read({"load_model": "a"})
    with pytest.raises(SettingsError, match="alone"):
        read({"load_model": "a,*", "model_control": "explicit"})
    assert not read({"load_model": ()}).load_model  # as from the command line where none is given


def test_flag_that_may_be_repeated_is_taken_from_the_variable_too() -> None:
    for arguments, environment in (
        (["--load-model", "a", "--load-model", "b"], {}),
        ([], {"ACTSERVE_LOAD_MODEL": "a,b"}),
    ):
        done = CliRunner().invoke(main, ["serve", *arguments], env=environment)
        assert done.exit_code == 2
        assert "--load-model: needs --model-control explicit" in done.stderr


def test_name_of_a_model_needs_its_folder() -> None:
    with pytest.raises(SettingsError, match="--model-name: needs --models"):
        read({"model_name": "own"})
    assert read({"model_name": "own", "models": "folder"}).model_name == "own"
