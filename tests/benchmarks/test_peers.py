"""The peers whose packages the development environment has are started and asked in each of their ways."""

import os
import sys

import numpy as np
import pytest
import torch

from benchmarks.cases import ACTIVATIONS, CASES, NETWORK, Case
from benchmarks.oracle import MODEL, Oracle
from benchmarks.peers import OURS, OURS_TWICE, PEERS, environment, rivals
from benchmarks.processes import Server, ServerError, free_port

BY_NAME = {peer.name: peer for peer in PEERS}
HERE = ("floor", "naive FastAPI", OURS)


@pytest.fixture(scope="module")
def oracle():
    return Oracle()


@pytest.fixture(scope="module", params=HERE)
def started(request, tmp_path_factory, oracle):
    """A peer and its server, which has answered."""
    peer, port = BY_NAME[request.param], free_port()
    command = [part.format(bin=os.path.dirname(sys.executable), port=port) for part in peer.command]
    server = Server(command, environment(peer, port, MODEL), port, tmp_path_factory.mktemp("peer") / "log")
    first = Case("json", 1, 1)
    try:
        server.wait(peer.faces["json"], first.batches()[0], oracle.expected(first))
        yield peer, server
    finally:
        server.stop()


@pytest.mark.parametrize("rows", [1, 33])
def test_every_face_is_answered_rightly(started, oracle, rows):
    peer, server = started
    for kind, face in peer.faces.items():
        case = Case(kind, rows, 1)
        server.check(face, case.batches()[0], oracle.expected(case))


def test_a_wrong_answer_is_seen(started, oracle):
    peer, server = started
    for kind, face in peer.faces.items():
        case = Case(kind, 2, 1)
        with pytest.raises(ServerError, match="wrongly"):
            server.check(face, case.batches()[0], oracle.expected(case)[::-1])


def test_an_activation_is_right_by_a_computation_with_more_digits(oracle):
    for name in ACTIVATIONS:
        case = Case(name, 3, 1)
        rows = torch.from_numpy(case.batches()[0]).double()
        function = getattr(torch.nn.functional, name)
        expected = function(rows, dim=-1) if name == "softmax" else function(rows)
        assert np.allclose(oracle.expected(case), expected.numpy(), rtol=1e-6, atol=1e-7)


def test_every_kind_of_case_has_peers_beside_ours():
    kinds = {case.kind for case in CASES}
    assert kinds == {*NETWORK, *ACTIVATIONS}
    asked = {kind for peer in PEERS if peer.home != OURS for kind in peer.faces}
    assert set(NETWORK) <= asked <= kinds == set(BY_NAME[OURS].faces)


def test_names_and_files_of_peers_are_told_apart():
    assert len({peer.slug for peer in PEERS}) == len(BY_NAME) == len(PEERS)


def test_each_peer_is_compared_with_that_of_ours_that_has_as_many_workers():
    found = rivals(BY_NAME)
    assert list(found) == [OURS, OURS_TWICE]
    assert found[OURS_TWICE] == ["mosec, 2 workers", "mosec, 2 workers, batching"]
    assert set(found[OURS]) == set(BY_NAME) - {OURS, OURS_TWICE, *found[OURS_TWICE]}


def test_a_part_of_the_peers_is_compared_among_itself():
    assert rivals(["floor", OURS]) == {OURS: ["floor"]}
    assert rivals(["floor"]) == {}
