"""Clients that keep asking through the proxy, and what became of each of their requests."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import graphs
import network
import numpy as np
import tritonclient.grpc as grpc
from tritonclient.utils import InferenceServerException

SOME = 10
TIMEOUT_S = 40.0  # more than the proxy's own
JSON = {"Content-Type": "application/json"}
Check = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: when it was sent and its answer came (`time.monotonic`), which host had it as far as that is told,
    the version that it tells, and what was wrong with it, or nothing."""

    kind: str
    sent: float
    came: float
    host: str
    version: str
    wrong: str

    @property
    def took_s(self) -> float:
        return self.came - self.sent


@dataclass(frozen=True, slots=True)
class Question:
    """What one client asks again and again, `pause_s` after the answer. `check` gives the version that an answer tells,
    and raises Wrong where it is not what it should be."""

    kind: str
    path: str
    body: bytes
    check: Check
    pause_s: float
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    keeps: bool = True


class Wrong(Exception):
    """Not the answer there should be; from that host, as far as it is told."""

    def __init__(self, what: str, host: str = "") -> None:
        super().__init__(what)
        self.host = host


class Load:
    """All clients, a thread each; what they asked, as far as it has ended."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._stop = threading.Event()

    def ask(self, question: Question) -> None:
        """One client on a connection that it keeps, or on a new one each time."""
        client = http.client.HTTPConnection(network.PROXY, 8000, timeout=TIMEOUT_S)
        while not self._stop.wait(question.pause_s):
            self._record(question.kind, lambda: _post(client, question))
            if not question.keeps:
                client.close()
        client.close()

    def call(self, rows: np.ndarray, expected: np.ndarray, pause_s: float) -> None:
        """One client of gRPC, on one connection."""
        with closing(grpc.InferenceServerClient(f"{network.PROXY}:8001")) as client:
            wanted = grpc.InferInput("input", list(rows.shape), "FP32")
            wanted.set_data_from_numpy(rows)
            while not self._stop.wait(pause_s):
                self._record("grpc", lambda: _infer(client, wanted, expected))

    def stop(self) -> None:
        self._stop.set()

    def failed(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.wrong]

    def has_grown(self, count: int = 100) -> Callable[[], bool]:
        """A condition: so many more requests have ended than had."""
        before = len(self.asked)
        return lambda: len(self.asked) >= before + count

    def has_reached(self, host: str) -> Callable[[], bool]:
        """A condition: since now that host has answered some requests well."""
        before = len(self.asked)
        return lambda: sum(asked.host == host and not asked.wrong for asked in self.asked[before:]) >= SOME

    def _record(self, kind: str, ask: Callable[[], tuple[str, str]]) -> None:
        sent = time.monotonic()
        host = version = wrong = ""
        try:
            host, version = ask()
        except (OSError, http.client.HTTPException, InferenceServerException, Wrong) as error:
            host, wrong = getattr(error, "host", ""), f"{type(error).__name__}: {error}"
        self.asked.append(Asked(kind, sent, time.monotonic(), host, version, wrong))


def _post(client: http.client.HTTPConnection, question: Question) -> tuple[str, str]:
    """Which host answered, and the version that the answer tells."""
    number = str(uuid.uuid4())
    try:
        client.request("POST", question.path, question.body, {**question.headers, "X-Request-Id": number})
        answer = client.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException):
        client.close()
        raise
    host = answer.headers.get("X-Served-By", "")
    if answer.status != 200:
        raise Wrong(f"{answer.status}: {content[:200]!r}", host)
    if answer.headers["X-Request-Id"] != number:
        raise Wrong("the answer to another request", host)
    return host, question.check(content)


def _infer(client: grpc.InferenceServerClient, wanted: grpc.InferInput, expected: np.ndarray) -> tuple[str, str]:
    answer = client.infer("fashion_mnist", [wanted], client_timeout=TIMEOUT_S)
    if not np.array_equal(answer.as_numpy("probabilities"), expected):
        raise Wrong("wrong probabilities")
    return "", ""


@contextmanager
def asking(questions: Sequence[Question], *calls: tuple[np.ndarray, np.ndarray, float]) -> Iterator[Load]:
    """All of them at once, until the end."""
    load = Load()
    threads = [threading.Thread(target=load.ask, args=(question,)) for question in questions]
    threads += [threading.Thread(target=load.call, args=call) for call in calls]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join()


def scaled(kind: str, path: str, rows: int, seed: int, pause_s: float) -> Question:
    """To the model whose answers tell their version: it must be one for all rows, the one that the answer names."""
    values, body = graphs.scaled_request(rows, seed)

    def check(content: bytes) -> str:
        answer = json.loads(content)
        found = np.array(answer["outputs"][0]["data"], np.float32).reshape(rows, 4)
        if not np.array_equal(found, values * float(answer["model_version"])):
            raise Wrong(f"not the values of version {answer['model_version']}: {found[:2]}")
        return str(answer["model_version"])

    return Question(kind, path, body, check, pause_s)


def slow(pause_s: float) -> Question:
    """To the model that takes its time, so that some requests are always under way."""
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [3]}]}).encode()

    def check(content: bytes) -> str:
        if abs(json.loads(content)["outputs"][0]["data"][0] - 3) > 1e-2:
            raise Wrong("a wrong number")
        return ""

    return Question("slow", "/v2/models/slow/infer", body, check, pause_s)


def raw(kind: str, rows: np.ndarray, expected: np.ndarray, pause_s: float, *, keeps: bool = True) -> Question:
    """Rows to the network that ships, as bytes."""

    def check(content: bytes) -> str:
        if content != expected.tobytes():
            raise Wrong("wrong probabilities")
        return ""

    headers = {"Content-Type": "application/octet-stream"}
    return Question(kind, "/predict/fashion_mnist", rows.tobytes(), check, pause_s, headers, keeps)
