"""KServe's first protocol, which is TensorFlow Serving's as well
(https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol)."""

from __future__ import annotations

from service.exchange import Handler, Request, Response, Route, answer_json
from service.repository import Repository
from service.routes.predict import Predict, documentation
from service.schemas import Schema, described

TAGS = ["kserve v1"]


def _list(repository: Repository) -> Handler:
    async def models(request: Request) -> Response:
        """The names of all models, networks and activations."""
        return answer_json({"models": [entry.name for entry in repository.entries()]})

    return models


def _ready(repository: Repository) -> Handler:
    async def ready(request: Request) -> Response:
        """200 when this model answers; 404 or 503 when it does not."""
        model = repository.model(request.path_parameters["model"])
        return answer_json({"name": model.name, "ready": True})

    return ready


def routes(repository: Repository, predict: Predict) -> list[Route]:
    """The three verbs; there is no explainer here."""
    predicting = documentation("a model by its name (KServe v1, TensorFlow Serving)") | {"tags": TAGS}
    return [
        Route("GET", "/v1/models", _list(repository), _documentation("The models there are", _MODELS)),
        Route("GET", "/v1/models/{model}", _ready(repository), _documentation("Model readiness", _READY)),
        Route("POST", "/v1/models/{model}:predict", predict, predicting, is_hot=True),
    ]


def _documentation(summary: str, answer: Schema) -> dict[str, object]:
    return {"summary": summary, "tags": TAGS, "responses": described(answer)}


_MODELS: Schema = {
    "type": "object",
    "required": ["models"],
    "properties": {"models": {"type": "array", "items": {"type": "string"}}},
}
_READY: Schema = {
    "type": "object",
    "required": ["name", "ready"],
    "properties": {"name": {"type": "string"}, "ready": {"const": True}},
}
