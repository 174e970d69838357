import re
from xml.etree import ElementTree

import pytest

from benchmarks import plot
from benchmarks.cases import CASES
from benchmarks.figures import Report, Sample
from benchmarks.peers import OURS, PEERS


@pytest.fixture
def report():
    """All peers in all cases that they take, each slower than the one before."""
    samples = [
        Sample(peer.name, case, 0, 1000 / (number + 1), 1.0, 1, 2, 8000, 1.0)
        for number, peer in enumerate(PEERS)
        for case in CASES
        if case.kind in peer.faces
    ]
    return Report([peer.name for peer in PEERS], list(CASES), samples)


def texts(file):
    return ["".join(element.itertext()).strip() for element in ElementTree.parse(file).iter() if "text" in element.tag]


def test_every_case_and_every_peer_is_named(report, tmp_path):
    plot.draw(report, OURS, tmp_path / "one.svg")
    compared = {case.name for case in CASES if case.kind not in ("gelu", "softmax")}
    assert compared | {peer.name for peer in PEERS} <= set(texts(tmp_path / "one.svg"))


def test_every_ratio_has_a_mark(report, tmp_path):
    plot.draw(report, OURS, tmp_path / "one.svg")
    marks = re.findall("<use [^>]*fill-opacity", (tmp_path / "one.svg").read_text())
    others = [sample for sample in report.samples if sample.peer != OURS]
    assert len(marks) == len(others) + len(PEERS) - 1  # and one for each peer in the legend


def test_the_same_figures_give_the_same_file(report, tmp_path):
    for name in ("one.svg", "two.svg"):
        plot.draw(report, OURS, tmp_path / name)
    first = (tmp_path / "one.svg").read_text()
    assert first == (tmp_path / "two.svg").read_text()
    assert "date" not in first


def test_a_report_without_ours_gives_an_empty_plot(report, tmp_path):
    plot.draw(Report(["floor"], report.cases, []), OURS, tmp_path / "one.svg")
    assert "relu of 64 MB" not in texts(tmp_path / "one.svg")
    assert "floor" in texts(tmp_path / "one.svg")
