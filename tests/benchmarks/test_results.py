from dataclasses import replace

import pytest

from benchmarks import __main__ as command
from benchmarks import results
from benchmarks.cases import Case
from benchmarks.figures import Report, Sample
from benchmarks.results import Run

CASE = Case("json", 1, 8)
MACHINE = {
    "processor": "a processor",
    "cores": 2,
    "memory_gib": 24,
    "system": "a system",
    "python": "3.11.7",
    "tool": "wrk 4",
    "commit": "abc",
    "date": "2026-11-25",
    "load_before": 0.1,
}


@pytest.fixture
def run():
    samples = [Sample(peer, CASE, 0, speed, 0.1, 1, 2, 8000, 1.0) for peer, speed in (("ours", 100), ("floor", 150))]
    versions = {"ours": {"fastapi": "1.2.3", "idna": "9"}, "floor": {"numpy": "2.0"}}
    return Run(MACHINE, versions, 3, 2, True, Report(["ours", "floor"], [CASE], samples))


def test_a_run_comes_back_from_its_file_as_it_was(run, tmp_path):
    run.save(tmp_path / "folder" / "results.json")
    assert results.read(tmp_path / "folder" / "results.json") == run


def test_a_run_is_published_again_with_the_same_document(run, tmp_path, monkeypatch):
    document = tmp_path / "performance.md"
    document.write_text("above\n<!-- made by `make bench`: begin -->old<!-- made by `make bench`: end -->\nbelow\n")
    monkeypatch.setattr(command, "DOCUMENT", document)
    monkeypatch.setattr(command, "PICTURE", tmp_path / "images" / "performance.svg")
    run.save(tmp_path / "results.json")
    assert command.main(["--again", str(tmp_path / "results.json")]) == 0
    written = document.read_text()
    assert written.startswith("above\n")
    assert written.endswith("\nbelow\n")
    assert "2026-11-25, commit abc: a processor, 2 cores" in written
    assert "fastapi 1.2.3, numpy 2.0." in written
    assert "- JSON, 1 row × 8 connections (floor 1.50)" in written
    assert "(images/performance.svg)" in written
    assert (tmp_path / "images" / "performance.svg").is_file()


def test_a_part_published_again_leaves_the_document_alone(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "DOCUMENT", command.ROOT / "none.md")
    monkeypatch.setattr(command.results, "FILE", tmp_path / "results.json")
    replace(run, whole=False).save(tmp_path / "results.json")
    assert command.main(["--again", str(tmp_path / "results.json")]) == 0
    assert "| floor | 150 (150–150) **1.50** |" in capsys.readouterr().out
    assert (tmp_path / "performance.svg").is_file()


def test_a_run_that_is_not_there_is_told(tmp_path, capsys):
    assert command.main(["--again", str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err
