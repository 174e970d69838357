import json
from dataclasses import asdict

import pytest

from benchmarks.cases import Case
from benchmarks.figures import Report, Sample, Spread, Start, spread

CASE = Case("json", 1, 8)


def sample(peer="ours", case=CASE, number=0, per_second=100.0, **others):
    known = {"cpu_s_per_1000": 0.1, "p50_us": 1, "p99_us": 2, "body_bytes": 8000, "peak_mib": 1.0}
    return Sample(peer, case, number, per_second, **known | others)


def report(**throughputs):
    """A report of one case with these requests per second, round by round."""
    samples = [
        sample(peer, number=number, per_second=per_second)
        for peer, values in throughputs.items()
        for number, per_second in enumerate(values)
    ]
    return Report(list(throughputs), [CASE], samples)


def test_spread_is_median_least_and_greatest():
    assert spread([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)


def test_spread_of_nothing_is_none():
    assert spread([]) is None


def test_ratio_is_the_median_of_the_ratios_within_each_round():
    slow_middle_round = report(ours=[100.0, 10.0, 100.0], other=[50.0, 5.0, 80.0])
    assert slow_middle_round.ratio("other", "ours", CASE) == 0.5


def test_ratio_counts_only_rounds_that_both_have():
    assert report(ours=[100.0, 200.0], other=[50.0]).ratio("other", "ours", CASE) == 0.5


def test_ratio_without_a_common_round_is_none():
    assert report(ours=[100.0], other=[]).ratio("other", "ours", CASE) is None


def test_bytes_are_those_of_the_bodies():
    large = sample(case=Case("relu", 4000, 1), per_second=10, cpu_s_per_1000=128, body_bytes=64_000_000, peak_mib=183.1)
    assert large.gb_per_second == 0.64
    assert large.cpu_s_per_gb == pytest.approx(2)
    assert large.peak_bodies == pytest.approx(3, abs=1e-3)


def test_a_report_comes_back_from_json_as_it_was():
    known = report(ours=[100.0, 200.0], other=[50.0])
    known.starts.append(Start("ours", 0, 0.9, 72.4))
    known.problems.append("other: it broke")
    assert Report.from_dict(json.loads(json.dumps(asdict(known)))) == known
