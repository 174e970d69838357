"""`Content-Type` and `Accept`."""

from __future__ import annotations

import pytest

from service.codecs import media
from service.errors import BadBody, NotAcceptable, UnsupportedMedia

TAKEN = (media.JSON, media.NPY)
OFFERED = (media.JSON, media.NPY, media.RAW)


@pytest.mark.parametrize(
    "given", ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8", " application/json ;x=y"]
)
def test_content_type_is_read_without_case_and_parameters(given: str) -> None:
    assert media.content_type({"content-type": given}, TAKEN) == media.JSON


@pytest.mark.parametrize("given", ["", "text/plain", "json", "application/json,application/x-npy", "*/*", "a" * 500])
def test_other_content_type_is_415(given: str) -> None:
    with pytest.raises(UnsupportedMedia, match="application/x-npy") as caught:
        media.content_type({"content-type": given}, TAKEN)
    assert len(caught.value.message) < 300


def test_absent_content_type_is_415() -> None:
    with pytest.raises(UnsupportedMedia, match="none"):
        media.content_type({}, TAKEN)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, media.JSON),
        ("*/*", media.JSON),
        ("application/*", media.JSON),
        ("application/x-npy", media.NPY),
        ("APPLICATION/X-NPY", media.NPY),
        ("application/json;q=0.5, application/x-npy", media.NPY),
        ("application/x-npy;q=0.2, */*;q=0.1", media.NPY),
        ("*/*, application/json;q=0", media.NPY),
        ("text/html, application/octet-stream;q=0.1", media.RAW),
        ("text/html, */*;q=0.8", media.JSON),
        ("application/*;q=0.1, application/octet-stream;q=0.9", media.RAW),
        ("application/json;q=0.1, application/json;q=0.9, application/x-npy;q=0.5", media.JSON),
        (" , application/x-npy , ", media.NPY),
        ("application/x-npy;charset=x;q=1", media.NPY),
    ],
)
def test_best_of_the_accepted_is_taken(accept: str | None, expected: str) -> None:
    headers = {} if accept is None else {"accept": accept}
    assert media.accepted(headers, OFFERED) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/json;q=0", "*/*;q=0", "application"])
def test_nothing_accepted_is_406(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="application/x-npy"):
        media.accepted({"accept": accept}, OFFERED)


def test_quality_that_is_no_number_is_400() -> None:
    with pytest.raises(BadBody, match="quality"):
        media.accepted({"accept": "application/json;q=best"}, OFFERED)
