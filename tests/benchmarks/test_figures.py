from benchmarks.cases import Case
from benchmarks.figures import Report, Sample, Spread, spread

CASE = Case("json", 1, 8)


def report(**throughputs):
    """A report of one case with these requests per second, round by round."""
    samples = [
        Sample(peer, CASE, number, per_second, 0.1, 1, 2)
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
