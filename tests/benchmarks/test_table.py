import pytest

from benchmarks import table
from benchmarks.cases import Case
from benchmarks.figures import Report, Sample, Start

BEGIN, END = "<!-- made by `it`: begin -->", "<!-- made by `it`: end -->"
ONE, MANY, RAW, RELU = Case("json", 1, 1), Case("json", 1024, 2), Case("raw", 32, 8), Case("relu", 4000, 1)
RIVALS = {"ours": ["simple", "quick"]}


def sample(peer, case, per_second, cpu_s_per_1000=1.0, body_bytes=8000, peak_mib=1.0):
    return Sample(peer, case, 0, per_second, cpu_s_per_1000, 1, 2, body_bytes, peak_mib)


@pytest.fixture
def report():
    """Ours wins JSON by 2 to 1 and loses raw by 4 to 5; `simple` has no raw body, only ours takes large tensors."""
    samples = [
        sample("ours", ONE, 2000.4, 0.25),
        sample("simple", ONE, 1000.0, 0.5),
        sample("ours", MANY, 60.0, 40),
        sample("ours", RAW, 800.0),
        sample("quick", RAW, 1000.0),
        sample("ours", RELU, 10.0, 128, 64_000_000, 183.1),
    ]
    starts = [Start("ours", 0, 0.914, 72.4), Start("simple", 0, 1.5, 100.0)]
    return Report(["ours", "simple", "quick"], [ONE, MANY, RAW, RELU], samples, starts)


def section(report, title, rivals=RIVALS):
    """The lines of one group of cases."""
    _, _, text = table.render(report, rivals).partition(f"### {title}\n")
    return text.partition("\n### ")[0].splitlines()


def test_throughput_shows_median_spread_and_the_ratio_to_ours(report):
    lines = section(report, "JSON")
    assert "| rows × connections | 1 × 1 | 1,024 × 2 |" in lines
    assert "| ours | 2,000 (2,000–2,000) | 60 (60–60) |" in lines
    assert "| simple | 1,000 (1,000–1,000) **0.50** | — |" in lines


def test_cpu_seconds_have_a_table_of_their_own(report):
    lines = section(report, "JSON")
    assert "| ours | 0.25 | 40 |" in lines
    assert "| simple | 0.5 | — |" in lines


def test_a_peer_that_is_asked_no_case_of_a_group_has_no_row_there(report):
    lines = section(report, "Raw float32")
    assert "| quick | 1,000 (1,000–1,000) **1.25** |" in lines
    assert not any(line.startswith("| simple") for line in lines)


def test_large_tensors_are_told_in_bytes_and_in_copies_of_the_body(report):
    lines = section(report, "Activations of a large tensor")
    assert "| ours | 0.64 (0.64–0.64) |" in lines
    assert "| ours | 2 |" in lines
    assert "| ours | 3.0 |" in lines


def test_cases_that_are_not_won_are_named_with_who_won_them(report):
    lines = section(report, "Won and not won")
    assert "Against *simple*, *quick*, *ours* is not ahead in:" in lines
    assert "- raw float32, 32 rows × 8 connections (quick 1.25)" in lines


def test_a_report_without_lost_cases_says_so(report):
    report.samples = [sample for sample in report.samples if sample.peer != "quick"]
    assert table.lost(report, "ours", ["simple", "quick"]) == []
    assert any(line.endswith("is ahead in every case measured.") for line in section(report, "Won and not won"))


def test_each_of_ours_is_compared_with_its_own_rivals_only(report):
    report.peers.append("ours, twice")
    report.samples.append(sample("ours, twice", RAW, 1600.0))
    lines = section(report, "Won and not won", {"ours": ["simple"], "ours, twice": ["quick"]})
    assert "Against *simple*, *ours* is ahead in every case measured." in lines
    assert "Against *quick*, *ours, twice* is ahead in every case measured." in lines


def test_start_and_memory_have_one_row_for_each_peer(report):
    lines = section(report, "Start and memory")
    assert "| ours | 0.91 (0.91–0.91) | 72 (72–72) |" in lines
    assert "| quick | — | — |" in lines


def test_problems_are_listed(report):
    report.problems.append("KServe could not be installed: no such version")
    assert table.render(report, RIVALS).endswith("- KServe could not be installed: no such version")


def test_ratios_need_ours_in_the_run(report):
    report.peers.remove("ours")
    report.samples = [sample for sample in report.samples if sample.peer != "ours"]
    assert "**" not in section(report, "JSON", {})[4]
    assert "Nothing to compare." in section(report, "Won and not won", {})


def test_only_what_is_between_the_markers_is_replaced():
    document = f"above\n\n{BEGIN}\n\nold\n\n{END}\n\nbelow\n<!-- made by `other`: begin -->"
    assert table.place(document, "new", "it") == document.replace("old", "new")


@pytest.mark.parametrize("document", ["", "# no markers", f"{BEGIN} but no end"])
def test_a_document_without_a_place_is_refused(document):
    with pytest.raises(ValueError, match="no place"):
        table.place(document, "new", "it")
