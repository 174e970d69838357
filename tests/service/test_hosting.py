"""What a platform tells becomes settings, behind what was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service import hosting
from service.errors import SettingsError
from service.settings import read

VERTEX = {
    "AIP_HTTP_PORT": "8080",
    "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
    "AIP_HEALTH_ROUTE": "/v1/endpoints/1/deployedModels/2",
    "AIP_STORAGE_URI": "",
}


@pytest.fixture
def sagemaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that SageMaker mounts, here at another place."""
    folder = tmp_path / "model"
    folder.mkdir()
    monkeypatch.setattr(hosting, "SAGEMAKER_FOLDER", folder)
    return folder


def test_variables_of_vertex_ai_are_settings() -> None:
    found = read(hosting.completed({}, VERTEX))
    assert found.port == 8080
    assert found.predict_route == VERTEX["AIP_PREDICT_ROUTE"]
    assert found.health_route == VERTEX["AIP_HEALTH_ROUTE"]
    assert (found.models, found.no_shipped_models) == (None, False)


def test_what_was_given_goes_before_what_the_platform_says(tmp_path: Path) -> None:
    given = {"port": "9", "predict_route": "/p", "health_route": "/h", "models": tmp_path, "host": None}
    found = hosting.completed(given, VERTEX | {"AIP_STORAGE_URI": "gs://bucket/model", "SAGEMAKER_BIND_TO_PORT": "7"})
    assert found == {name: value for name, value in given.items() if value is not None}


def test_nothing_is_added_where_no_platform_says_anything() -> None:
    assert hosting.completed({"port": None}, {"AIP_HTTP_PORT": "", "AIP_STORAGE_URI": ""}) == {}


def test_artifacts_in_a_folder_are_the_models(tmp_path: Path) -> None:
    found = read(hosting.completed({}, {"AIP_STORAGE_URI": str(tmp_path)}))
    assert (found.models, found.no_shipped_models) == (tmp_path, True)


def test_artifacts_in_a_bucket_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"AIP_STORAGE_URI: `gs://bucket/model` .* --models"):
        hosting.completed({}, {"AIP_STORAGE_URI": "gs://bucket/model"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AIP_HTTP_PORT", "http"),
        ("AIP_HTTP_PORT", "70000"),
        ("SAGEMAKER_BIND_TO_PORT", "-1"),
        ("AIP_PREDICT_ROUTE", "predict"),
        ("AIP_PREDICT_ROUTE", "/a?b=c"),
        ("AIP_PREDICT_ROUTE", "/a b"),
        ("AIP_PREDICT_ROUTE", "/{model}"),
        ("AIP_PREDICT_ROUTE", "/a%20b"),
        ("AIP_PREDICT_ROUTE", "/a\n"),
        ("AIP_HEALTH_ROUTE", "http://localhost/health"),
        ("AIP_HEALTH_ROUTE", "/#"),
    ],
)
def test_variable_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{variable} is taken for --"):
        hosting.completed({}, {variable: value})


def test_folder_of_sagemaker_is_served_on_its_port(sagemaker: Path) -> None:
    (sagemaker / "mine.onnx").touch()
    found = read(hosting.completed({}, {}))
    assert (found.port, found.models, found.no_shipped_models) == (8080, sagemaker, True)
    assert read(hosting.completed({}, {"SAGEMAKER_BIND_TO_PORT": "9000"})).port == 9000


def test_empty_folder_of_sagemaker_leaves_the_shipped_models(sagemaker: Path) -> None:
    assert hosting.completed({}, {}) == {"port": "8080"}


def test_models_that_were_given_go_before_those_of_sagemaker(sagemaker: Path, tmp_path: Path) -> None:
    (sagemaker / "mine.onnx").touch()
    given: dict[str, Any] = {"models": tmp_path, "port": "1"}
    assert hosting.completed(given, {}) == given


@pytest.mark.parametrize(("name", "variable"), [("port", "ACTSERVE_PORT"), ("grpc_port", "ACTSERVE_GRPC_PORT")])
def test_address_of_a_service_in_kubernetes_is_no_setting(name: str, variable: str) -> None:
    link = "tcp://10.0.171.239:8000"
    assert hosting.completed({name: link}, {variable: link}) == {}
    assert hosting.completed({name: "9"}, {variable: link}) == {name: "9"}
    for given, variables in (({name: link}, {}), ({name: "ftp://host"}, {variable: "ftp://host"})):
        with pytest.raises(SettingsError, match=variable):
            read(hosting.completed(given, variables))
