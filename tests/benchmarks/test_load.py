import pytest

from benchmarks.load import Load, LoadError, parse

SUMMARY = (
    '{"requests": 3000, "duration_us": 1500000, "p50_us": 400, "p99_us": 900, "refused": 0, "broken": 0}'  # load.lua's
)


def test_the_summary_is_found_after_what_wrk_prints_itself():
    output = f"Running 1s test @ http://127.0.0.1:8000/predict\n  1 threads and 8 connections\n{SUMMARY}\n"
    assert parse(output) == Load(3000, 1500000, 400, 900, 0, 0)


def test_requests_per_second_are_those_of_the_real_duration():
    assert parse(SUMMARY).per_second == 2000


@pytest.mark.parametrize("counts", [(0, 0, 0), (10, 1, 0), (10, 0, 1)])
def test_a_load_with_an_error_or_without_an_answer_is_not_clean(counts):
    requests, refused, broken = counts
    assert not Load(requests, 1, 1, 1, refused, broken).is_clean


def test_output_without_a_summary_is_an_error_that_shows_it():
    with pytest.raises(LoadError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")
