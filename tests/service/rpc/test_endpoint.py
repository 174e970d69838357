from __future__ import annotations

import logging

import grpc
import pytest
from grpc._cython import cygrpc

from service import errors
from service.errors import Detail, ServiceError, Unfit
from service.rpc.endpoint import CODES, MAX_SENTENCE, sentence

# None of them can come of a call over gRPC, whose paths, methods and media types are gRPC's own.
OF_HTTP_ALONE = {errors.MethodNotAllowed, errors.NotAcceptable}


@pytest.mark.parametrize("kind", set(ServiceError.__subclasses__()) - OF_HTTP_ALONE)
def test_every_error_has_a_code(kind: type[ServiceError]) -> None:
    assert CODES[kind.status] not in (grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN)


def test_sentence_names_every_detail_once() -> None:
    error = Unfit("`a`: expected 1, got 2.", Detail("a", "1", "2"), Detail("b", "3", "4"))
    assert sentence(error) == "`a`: expected 1, got 2. `b`: expected 3, got 4."


def test_sentence_is_bounded() -> None:
    assert len(sentence(Unfit.at("x", "y" * 10_000, "z"))) == MAX_SENTENCE


def test_answer_that_is_not_taken_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    library = logging.getLogger("grpc._cython.cygrpc")
    with caplog.at_level(logging.INFO, "actserve.rpc"):
        for error in (cygrpc.ExecuteBatchError("not sent"), ValueError("a fault")):
            try:
                raise error
            except (cygrpc.ExecuteBatchError, ValueError):
                library.exception("raised")
    assert [(record.name, record.levelname) for record in caplog.records] == [
        ("actserve.rpc", "INFO"),
        ("grpc._cython.cygrpc", "ERROR"),
    ]
