import json
from dataclasses import replace

import pytest

from benchmarks import triton
from benchmarks.perf_analyzer import Analyzer, AnalyzerError, Case, Seen, parse

NETWORK = Case("fashion_mnist", "input", "HTTP, JSON", 32, 4)
ACTIVATION = Case("relu", "x", "gRPC, stream", 32, 4)
REPORT = """\
Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,\
Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency
4,3200,371,35083,70,1,20,3,110,35932,46562,52049,55619
"""  # as version 2.41 writes it


@pytest.fixture
def tool(tmp_path):
    """A command that does what a line of shell says, where `$report` is the file it is told to write."""

    def make(line):
        script = tmp_path / "tool"
        script.write_text(f'#!/bin/sh\nwhile [ "$1" != -f ]; do shift; done\nreport="$2"\n{line}\n')
        script.chmod(0o755)
        return Analyzer(str(script))

    return make


def test_requests_are_counted_and_not_their_rows():
    assert parse(REPORT, NETWORK) == Seen(100, 35932, 55619, 70, 24)


@pytest.mark.parametrize(
    "report", ["", REPORT.splitlines()[0], REPORT.replace("p99", "p98"), REPORT.replace("70", "-")]
)
def test_a_report_without_its_figures_is_an_error(report):
    with pytest.raises(AnalyzerError, match="without its figures"):
        parse(report, NETWORK)


def test_arguments_name_the_port_of_the_transport_and_the_form_of_the_tensor(tmp_path):
    line = " ".join(NETWORK.arguments((80, 90), tmp_path / "data", tmp_path / "report"))
    assert (
        "-u 127.0.0.1:80 -i http --input-tensor-format=json --output-tensor-format=json -b 32 --shape input:784 "
        in line
    )
    line = " ".join(ACTIVATION.arguments((80, 90), tmp_path / "data", tmp_path / "report"))
    assert "-u 127.0.0.1:90 -i grpc --streaming --async -b 32 --shape x:784 " in line


def test_data_has_the_shape_that_it_says():
    for step in json.loads(ACTIVATION.data())["data"]:
        assert step["x"]["shape"] == [len(step["x"]["content"])] == [784]


def test_measurement_is_read_from_the_report(tool, tmp_path):
    (tmp_path / "made").write_text(REPORT)
    assert tool(f'cp {tmp_path}/made "$report"').measure(NETWORK, (80, 90), tmp_path).queue_us == 70


@pytest.mark.parametrize("line", ["echo it is unstable; exit 99", "echo it is unstable; exit 0"])
def test_a_tool_that_fails_is_an_error_with_its_last_words_and_not_the_report_before(tool, tmp_path, line):
    (tmp_path / "report.csv").write_text(REPORT)
    with pytest.raises(AnalyzerError, match="it is unstable"):
        tool(line).measure(NETWORK, (80, 90), tmp_path)


def test_a_missing_tool_is_an_error_that_names_it(tmp_path):
    with pytest.raises(AnalyzerError, match="no-such-tool"):
        Analyzer(str(tmp_path / "no-such-tool")).version()


def test_every_model_is_measured_over_every_transport():
    assert len({case.name for case in triton.CASES}) == len(triton.CASES) == 24
    transports = {(case.model, case.transport) for case in triton.CASES}
    assert len(transports) == 8


def test_table_has_a_row_for_each_case_in_milliseconds():
    seen = Seen(1234.5, 1500, 2500, 70, 24)
    lines = triton.render({NETWORK: seen, ACTIVATION: replace(seen, queue_us=0)}).splitlines()
    assert lines[2] == "| fashion_mnist, HTTP, JSON | 32 × 784 | 4 | 1,234 | 1.50 | 2.50 | 0.07 | 0.02 |"
    assert lines[3].startswith("| relu, gRPC, stream |")
