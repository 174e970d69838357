"""The table of what sampling costs: ratios of pairs, not of medians."""

from benchmarks.live import CASES, DEFAULT, OFF, Sample, render


def test_ratios_are_of_loads_that_followed_each_other() -> None:
    off = [Sample(100, 1.0), Sample(200, 4.0), Sample(400, 2.0)]
    sampled = [Sample(101, 1.01), Sample(198, 4.04), Sample(400, 2.2)]
    *_, row = render({CASES[0]: {OFF: off, DEFAULT: sampled}}).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "raw float32, 1 row × 1 connection"
    assert cells[1:4] == ["2.0000", "2.2000", "1.010 (1.010–1.100)"]
    assert cells[4:] == ["200", "198", "1.000 (0.990–1.010)"]
