"""`GET /models` and `GET /models/{model}`: what is served, told from the graphs themselves."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from service.codecs import json
from service.exchange import Handler, Request, Response, Route, answer_json
from service.model import Model
from service.reference import PROPERTY
from service.repository import Entry, Repository


def describe(model: Model) -> dict[str, Any]:
    """One model: signature, provider really in use, metadata, and an example request that is accepted as it stands."""
    metadata = model.metadata
    notes = {name: note for name, note in metadata.notes.items() if name != PROPERTY}  # it is long, and told in short
    facts = {"task": metadata.task, "description": metadata.description, "labels": list(metadata.labels)}
    image = {"image": asdict(metadata.image)} if metadata.image else {}
    return {
        "name": model.name,
        "version": model.version,
        "state": "ready",
        "provider": model.session.provider,
        **({"nodes_on_cpu": model.session.nodes_on_cpu} if model.session.on_device else {}),
        "inputs": [spec.as_dict() for spec in model.inputs],
        "outputs": [spec.as_dict() for spec in model.outputs],
        **({"not_carried": dict(model.session.not_carried)} if model.session.not_carried else {}),
        "parameters": [spec.as_dict() for spec in model.session.parameters],
        **{name: fact for name, fact in facts.items() if fact},
        **image,
        "rows_are_joined": metadata.joinable,
        **({"metadata": notes} if notes else {}),
        **({"activation_reference": reference} if (reference := model.reference.told()) else {}),
        "example": {"method": "POST", "path": f"/predict/{model.name}", "body": example(model)} | _note(model),
    }


def example(model: Model) -> dict[str, Any]:
    """A body for `POST /predict/{model}` made from the graph: the columnar form, zeros where the graph takes them."""
    arrays = {name: json.fragment(array) for name, array in model.example().feeds.items()}
    return {"inputs": arrays if len(arrays) != 1 else next(iter(arrays.values()))}


def _note(model: Model) -> dict[str, str]:
    refusal = model.example().refusal
    return {} if refusal is None else {"note": f"Put your own values in: none were found that it takes. {refusal}"}


def summary(entry: Entry) -> dict[str, Any]:
    """One line of the list: versions that answer, and why the others do not."""
    loaded = entry.loaded
    broken = {version: str(error) for version, error in entry.failures.items()}
    refused = {version: str(error) for version, error in entry.refused.items()}
    return {
        "name": entry.name,
        "versions": [model.version for model in loaded],
        "state": "missing"
        if not entry.versions
        else "broken"
        if not loaded
        else "partly broken"
        if broken
        else "ready",
        **({"task": loaded[0].metadata.task, "provider": loaded[0].session.provider} if loaded else {}),
        **({"reasons": broken} if broken else {}),
        **({"refused": refused} if refused else {}),  # newer files, in whose place the older ones are served
    }


def _list(repository: Repository) -> Handler:
    async def models(request: Request) -> Response:
        """Every model that is served or should be, with its state."""
        names = {model.name for model in repository.activations()}
        return answer_json(
            {
                "default": repository.default_model,
                "models": [summary(entry) for entry in repository.entries() if entry.name not in names],
                "activations": sorted(names),
            }
            | ({"refused": repository.refused} if repository.refused else {})
        )

    return models


def _one(repository: Repository) -> Handler:
    async def model(request: Request) -> Response:
        """One model: its signature, versions, provider, metadata and an example request."""
        found = repository.model(request.path_parameters["model"], request.query().get("version"))
        described = await asyncio.to_thread(describe, found)  # its example is run once
        return answer_json(described | {"versions": repository.versions(found.name)})

    return model


def routes(repository: Repository) -> list[Route]:
    return [
        Route("GET", "/models", _list(repository), {"summary": "What is served", "tags": ["models"]}),
        Route("GET", "/models/{model}", _one(repository), {"summary": "One model", "tags": ["models"]}),
    ]
