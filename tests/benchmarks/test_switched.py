"""Sampling as `benchmarks.live` turns it on and off in a server that runs."""

import json
import signal
import time
import urllib.request

import numpy as np

from benchmarks.cases import pixels
from benchmarks.ours import running

PATIENCE_S = 30


def sampled(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/models/fashion_mnist/activations") as answer:
        return json.load(answer)["rows"]


def ask(port, rows):
    body = pixels(np.random.default_rng(0), rows).tobytes()
    headers = {"Content-Type": "application/octet-stream"}
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/predict", body, headers)).close()


def until_sampled(port, rows):
    deadline = time.monotonic() + PATIENCE_S
    while (found := sampled(port)) < rows and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == rows


def test_nothing_is_sampled_while_it_is_off_and_all_is_after_it():
    with running("switched-test", "--activation-sample-rate", "1", module="benchmarks.switched") as server:
        for _ in range(2):
            server.send(signal.SIGUSR2)
            time.sleep(0.2)
            ask(server.port, 50)
        for times in (1, 2):
            server.send(signal.SIGUSR1)
            time.sleep(0.2)
            ask(server.port, 20)
            until_sampled(server.port, 20 * times)
        server.send(signal.SIGUSR2)
        time.sleep(0.2)
        ask(server.port, 50)
        time.sleep(1)
        assert sampled(server.port) == 40
