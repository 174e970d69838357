"""Counts of requests and runs, and their sums over workers."""

from __future__ import annotations

from dataclasses import dataclass

from service.statistics import Run, Tally, added


@dataclass
class Spent:
    decode: float = 0.0
    queue: float = 0.0
    compute: float = 0.0
    encode: float = 0.0


def tally(*runs: Run) -> Tally:
    made = Tally()
    for run in runs:
        made.ran(run)
    return made


def test_new_tally_has_every_field_at_zero() -> None:
    told = Tally().told("m", "2")
    nothing = {"count": 0, "ns": 0}
    assert told["inference_stats"] == dict.fromkeys(
        (
            "success",
            "fail",
            "queue",
            "compute_input",
            "compute_infer",
            "compute_output",
            "cache_hit",
            "cache_miss",
        ),
        nothing,
    )
    assert (told["name"], told["version"], told["last_inference"]) == ("m", "2", 0)
    assert (told["inference_count"], told["execution_count"], told["batch_stats"]) == (0, 0, [])


def test_requests_count_by_rows_and_their_stages_in_nanoseconds() -> None:
    made = Tally()
    for rows in (1, 3):
        made.answered(rows, Spent(1e-6, 2e-6, 3e-6, 4e-6), 11e-6, True)
    made.answered(0, Spent(), 5e-6, False)
    told = made.told("m", "1")
    assert told["inference_count"] == 4
    assert told["inference_stats"]["success"] == {"count": 2, "ns": 22_000}
    assert told["inference_stats"]["fail"] == {"count": 1, "ns": 5_000}
    fields = ("compute_input", "queue", "compute_infer", "compute_output")
    assert [told["inference_stats"][field]["ns"] for field in fields] == [2_000, 4_000, 6_000, 8_000]
    assert {told["inference_stats"][field]["count"] for field in fields} == {2}
    assert told["last_inference"] > 1_700_000_000_000


def test_runs_count_by_their_size_whatever_requests_they_were_for() -> None:
    told = tally(Run(8, 1e-6, 2e-6, 3e-6), Run(1, 0, 1e-6, 0), Run(8, 1e-6, 2e-6, 3e-6)).told("m", "1")
    assert told["execution_count"] == 3
    assert [runs["batch_size"] for runs in told["batch_stats"]] == [1, 8]
    assert told["batch_stats"][1] == {
        "batch_size": 8,
        "compute_input": {"count": 2, "ns": 2_000},
        "compute_infer": {"count": 2, "ns": 4_000},
        "compute_output": {"count": 2, "ns": 6_000},
    }


def test_rows_of_each_run_are_told_to_whoever_watches() -> None:
    seen: list[int] = []
    made = Tally()
    made.watch(seen.append)
    made.ran(Run(3, 0, 0, 0))
    assert seen == [3]


def test_sum_over_workers_adds_counts_and_leaves_out_models_that_are_not_here() -> None:
    one, other = tally(Run(1, 0, 1e-6, 0), Run(2, 0, 2e-6, 0)), tally(Run(2, 0, 3e-6, 0), Run(5, 0, 4e-6, 0))
    one.answered(3, Spent(queue=1e-6), 2e-6, True)
    other.answered(4, Spent(queue=5e-6), 6e-6, True)
    other.answered(0, Spent(), 1e-6, False)
    (told,) = added([one.told("m", "1")], [other.told("m", "1"), other.told("m", "2"), other.told("n", "1")])
    assert (told["inference_count"], told["execution_count"]) == (7, 4)
    assert told["inference_stats"]["success"] == {"count": 2, "ns": 8_000}
    assert told["inference_stats"]["queue"] == {"count": 2, "ns": 6_000}
    assert told["inference_stats"]["fail"] == {"count": 1, "ns": 1_000}
    assert [(runs["batch_size"], runs["compute_infer"]) for runs in told["batch_stats"]] == [
        (1, {"count": 1, "ns": 1_000}),
        (2, {"count": 2, "ns": 5_000}),
        (5, {"count": 1, "ns": 4_000}),
    ]
    assert told["last_inference"] == other.told("m", "1")["last_inference"]
