"""Every way in which a request can fail, and the status it gets.

ServiceError
├── BadBody             400  the body cannot be parsed or decompressed; a header contradicts it
├── Unauthorized        401  a token is set and none came
├── Forbidden           403  a token came and it is wrong
├── NotFound            404  unknown model, version, activation or path
├── MethodNotAllowed    405
├── NotAcceptable       406  nothing that `Accept` names can be written
├── TooLarge            413  the body is over the limit, decompressed too
├── UnsupportedMedia    415  `Content-Type` or `Content-Encoding` cannot be read here
├── Unfit               422  parsed, but it does not fit: name, datatype, rank, dimension, range, parameter
├── QueueFull           429  the model's queue is full
├── Internal            500  our own fault; the sentence never changes
├── NotCarried          501  a type that the protocol or the runtime cannot carry
├── NotReady            503  not ready yet, or draining
└── DeadlinePassed      504

`ModelError` and `SettingsError` stand apart: they are raised while loading, before anybody has asked for anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Detail:
    """One field that is wrong: where it stands, what was expected there and what came."""

    path: str
    expected: str
    got: str

    def as_dict(self) -> dict[str, str]:
        return {"path": self.path, "expected": self.expected, "got": self.got}


class ServiceError(Exception):
    """Base of all. `reason` is the label under which it is counted in `/metrics`."""

    status: ClassVar[int]
    reason: ClassVar[str]

    def __init__(self, message: str, *details: Detail, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.headers = headers

    def as_dict(self) -> dict[str, object]:
        """The body of the answer: `{"error": sentence, "details": [{"path", "expected", "got"}]}`."""
        return {"error": self.message, "details": [detail.as_dict() for detail in self.details]}


class BadBody(ServiceError):
    status, reason = 400, "bad_body"


class Unauthorized(ServiceError):
    status, reason = 401, "unauthorized"


class Forbidden(ServiceError):
    status, reason = 403, "forbidden"


class NotFound(ServiceError):
    status, reason = 404, "not_found"


class MethodNotAllowed(ServiceError):
    status, reason = 405, "method_not_allowed"


class NotAcceptable(ServiceError):
    status, reason = 406, "not_acceptable"


class TooLarge(ServiceError):
    status, reason = 413, "too_large"


class UnsupportedMedia(ServiceError):
    status, reason = 415, "unsupported_media"


class Unfit(ServiceError):
    status, reason = 422, "unfit"

    @classmethod
    def at(cls, path: str, expected: str, got: str) -> Unfit:
        """The one-field form, whose sentence is made of the field."""
        return cls(f"`{path}`: expected {expected}, got {got}.", Detail(path, expected, got))


class QueueFull(ServiceError):
    status, reason = 429, "queue_full"


class Internal(ServiceError):
    status, reason = 500, "internal"

    def __init__(self) -> None:
        super().__init__("The server made a mistake; its log has the details under this request's id.")


class NotCarried(ServiceError):
    status, reason = 501, "not_carried"


class NotReady(ServiceError):
    status, reason = 503, "not_ready"


class DeadlinePassed(ServiceError):
    status, reason = 504, "deadline_passed"


class ModelError(Exception):
    """A model that cannot be served; the sentence says why and names no path of this machine."""


class SettingsError(Exception):
    """A setting that cannot be used; printed as one sentence, exit status 2."""
