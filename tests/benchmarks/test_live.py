"""The table of what sampling costs: from the ratios of loads of one round, for sampling that is done less often."""

from benchmarks.live import AGAIN, CASES, OFF, ON, Sample, render


def test_costs_are_those_of_loads_of_one_round() -> None:
    off = [Sample(100, 1.0, 0), Sample(200, 4.0, 0), Sample(400, 2.0, 0)]
    sampled = [Sample(50, 1.1, 0.1), Sample(100, 4.4, 0.1), Sample(200, 2.2, 0.15)]
    again = [Sample(100, 1.0, 0), Sample(100, 8.0, 0), Sample(800, 1.0, 0)]
    *_, row = render({CASES[0]: {OFF: off, ON: sampled, AGAIN: again}}).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "raw float32, 1 row × 1 connection"
    assert cells[1:4] == ["2.0000", "+0.25%", "+0.50% ± 0.00%"]
    assert cells[4] == "+0.00% ± 2.00%"  # log 2 / √3 / 20
    assert cells[5:7] == ["200", "-2.50% ± 0.00%"]
