import pytest

from benchmarks.__main__ import FULL
from benchmarks.cases import CASES
from benchmarks.figures import Report
from benchmarks.measure import Bench
from benchmarks.peers import OURS, PEERS
from benchmarks.plan import estimate_s, phases


def test_the_whole_bench_takes_less_than_twenty_five_minutes():
    assert 10 * 60 < estimate_s(phases(PEERS, CASES), FULL) < 25 * 60


def test_large_tensors_are_asked_of_servers_that_were_started_for_them():
    network, large = phases(PEERS, CASES)
    assert network.peers == list(PEERS)
    assert [peer.name for peer in large.peers] == [OURS, "floor"]
    assert not {case.kind for case, _ in network.questions} & {case.kind for case, _ in large.questions}
    assert network.steps + large.steps == len(PEERS) + 2 + sum(
        case.kind in peer.faces for peer in PEERS for case in CASES
    )


def test_a_phase_without_questions_is_none():
    assert phases([peer for peer in PEERS if peer.name == "MLServer"], CASES)[1:] == []
    assert phases([], CASES) == []


@pytest.mark.parametrize(("answer_s", "connections", "seconds"), [(0.01, 1, 2), (0.2, 2, 2), (0.5, 2, 4), (3, 1, 6)])
def test_slow_cases_are_measured_longer_within_bounds(answer_s, connections, seconds):
    bench = Bench([], {}, Report([], []), FULL)
    assert bench._length_s(answer_s, connections) == seconds
