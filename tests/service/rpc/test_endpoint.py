from __future__ import annotations

import grpc
import pytest

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
