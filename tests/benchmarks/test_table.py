import pytest

from benchmarks import table
from benchmarks.cases import Case
from benchmarks.figures import Report, Sample, Start

BEGIN, END = "<!-- made by `it`: begin -->", "<!-- made by `it`: end -->"
ONE, RAW = Case("json", 1, 1), Case("raw", 32, 8)


@pytest.fixture
def report():
    """Ours wins JSON by 2 to 1 and loses raw by 4 to 5; `simple` has no raw body."""
    samples = [
        Sample("ours", ONE, 0, 2000.4, 0.25, 400, 900),
        Sample("simple", ONE, 0, 1000.0, 0.5, 800, 1900),
        Sample("ours", RAW, 0, 800.0, 1.0, 1, 2),
        Sample("quick", RAW, 0, 1000.0, 1.0, 1, 2),
    ]
    starts = [Start("ours", 0, 0.914, 72.4), Start("simple", 0, 1.5, 100.0)]
    return Report(["ours", "simple", "quick"], [ONE, RAW], samples, starts)


def rows(text):
    return {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}


def test_throughput_shows_median_spread_and_the_ratio_to_ours(report):
    line = table.render(report, "ours").splitlines()[4]
    assert line == "| JSON, 1 row × 1 connection | 2,000 (2,000–2,000) | 1,000 (1,000–1,000) **0.50** | — |"


def test_a_case_that_a_peer_cannot_be_asked_is_a_dash(report):
    line = table.render(report, "ours").splitlines()[5]
    assert line == "| raw float32, 32 rows × 8 connections | 800 (800–800) | — | 1,000 (1,000–1,000) **1.25** |"


def test_cases_that_are_not_won_are_named_with_who_won_them(report):
    assert "Not won: raw float32, 32 rows × 8 connections (quick 1.25)." in table.render(report, "ours")


def test_a_report_without_lost_cases_says_so(report):
    report.samples = [sample for sample in report.samples if sample.peer != "quick"]
    assert table.lost(report, "ours") == []
    assert "Every case measured is won." in table.render(report, "ours")


def test_start_and_memory_have_one_row_for_each_peer(report):
    found = rows(table.render(report, "ours"))
    assert found["ours"] == "| ours | 0.91 (0.91–0.91) | 72 (72–72) |"
    assert found["quick"] == "| quick | — | — |"


def test_problems_are_listed(report):
    report.problems.append("KServe could not be installed: no such version")
    assert table.render(report, "ours").endswith("- KServe could not be installed: no such version")


def test_ratios_need_ours_in_the_run(report):
    report.peers.remove("ours")
    report.samples = [sample for sample in report.samples if sample.peer != "ours"]
    assert "**" not in table.render(report, "ours").split("\n\n")[1]


def test_only_what_is_between_the_markers_is_replaced():
    document = f"above\n\n{BEGIN}\n\nold\n\n{END}\n\nbelow\n<!-- made by `other`: begin -->"
    assert table.place(document, "new", "it") == document.replace("old", "new")


@pytest.mark.parametrize("document", ["", "# no markers", f"{BEGIN} but no end"])
def test_a_document_without_a_place_is_refused(document):
    with pytest.raises(ValueError, match="no place"):
        table.place(document, "new", "it")
