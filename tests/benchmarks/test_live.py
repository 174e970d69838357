"""The table of what sampling costs: ratios of loads of one round, not of medians."""

from benchmarks.live import AGAIN, CASES, OFF, ON, Sample, render


def test_ratios_are_of_loads_of_one_round() -> None:
    off = [Sample(100, 1.0, 0), Sample(200, 4.0, 0), Sample(400, 2.0, 0)]
    sampled = [Sample(101, 1.01, 0.02), Sample(198, 4.04, 0.02), Sample(400, 2.2, 0.105)]
    again = [Sample(100, 1.0, 0), Sample(100, 8.0, 0), Sample(800, 1.0, 0)]
    *_, row = render({CASES[0]: {OFF: off, ON: sampled, AGAIN: again}}).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "raw float32, 1 row × 1 connection"
    assert cells[1:5] == ["2.0000", "2.00%", "1.010 (1.010–1.055)", "1.000 (0.750–1.500)"]
    assert cells[5:] == ["200", "1.000 (0.995–1.005)", "1.000 (0.750–1.500)"]
