"""`GET /activations/{name}/curve` against the activation's own verb and against the formula."""

from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings())) as client:
        yield client


def test_curve_is_the_activation_at_evenly_spaced_points(client: TestClient) -> None:
    curve = client.get("/activations/elu/curve?from=-4&to=4&points=9&alpha=1.5").json()
    assert curve["x"] == np.linspace(-4, 4, 9).tolist()
    posted = {"tensor": curve["x"], "parameters": {"alpha": 1.5}}
    assert curve["y"] == client.post("/activate/elu", json=posted).json()["tensor"]
    assert curve["grad"] == client.post("/activate/elu/gradient", json=posted).json()["tensor"]


def test_curve_without_a_query_has_241_points_from_minus_6_to_6(client: TestClient) -> None:
    curve = client.get("/activations/tanh/curve").json()
    assert (len(curve["x"]), curve["x"][0], curve["x"][-1]) == (241, -6, 6)


def test_curve_of_softmax_is_the_first_of_two(client: TestClient) -> None:
    curve = client.get("/activations/softmax/curve?points=25").json()
    x = np.array(curve["x"])
    sigmoid = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(curve["y"], sigmoid, rtol=1e-6)
    np.testing.assert_allclose(curve["grad"], sigmoid * (1 - sigmoid), rtol=1e-5)


def test_curve_is_drawn_when_svg_is_accepted(client: TestClient) -> None:
    answer = client.get("/activations/relu/curve", headers={"Accept": "image/svg+xml"})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(answer.text).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("points=1", "query.points"),
        ("points=10002", "query.points"),
        ("points=2.5", "query.points"),
        ("from=6&to=6", "query.to"),
        ("from=NaN", "query.from"),
        ("to=1e31", "query.to"),
        ("zork=1", "parameters.zork"),
        ("alpha=[1]", "parameters.alpha"),
    ],
)
def test_curve_with_a_bad_query_is_422_with_its_path(client: TestClient, query: str, path: str) -> None:
    answer = client.get(f"/activations/elu/curve?{query}")
    assert answer.status_code == 422
    assert answer.json()["details"][0]["path"] == path


def test_curve_of_an_unknown_activation_is_404(client: TestClient) -> None:
    assert client.get("/activations/zork/curve").status_code == 404


def test_gradient_with_respect_to_weight_sums_over_its_channel(client: TestClient) -> None:
    body = {"tensor": [[-1, 2], [-3, -4]], "parameters": {"weight": [0.1, 0.2]}}
    answer = client.post("/activate/prelu/gradient?wrt=weight", json=body).json()
    assert (answer["wrt"], answer["tensor"]) == ("weight", [-4.0, -4.0])


def test_gradient_with_respect_to_what_has_none_is_422(client: TestClient) -> None:
    answer = client.post("/activate/relu/gradient?wrt=weight", json={"tensor": [1]})
    assert answer.status_code == 422
    assert answer.json()["details"][0]["path"] == "query.wrt"


def test_parameter_that_leaves_its_bounds_when_it_is_narrowed_is_422(client: TestClient) -> None:
    answer = client.post("/activate/celu", json={"tensor": [0, -1], "parameters": {"alpha": 1e-50}})
    assert answer.status_code == 422
    assert answer.json()["details"][0]["path"] == "parameters.alpha"
