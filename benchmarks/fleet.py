"""`python -m benchmarks.fleet`: how many workers a load of your own takes, or how long its answers take, simulated."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
from tqdm import tqdm

from benchmarks.queueing import Around, Costs, Simulated, Sizes, simulate

REQUESTS = 50_000
MOST_WORKERS = 256  # that are simulated; a larger load is the same several times


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where the target cannot be met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="requests a second, over all workers")
    parser.add_argument("--rows", type=_shares, required=True, help="rows in a request and their shares: 1:0.8,32:0.2")
    parser.add_argument("--costs", type=_numbers, required=True, help="µs for a turn, a request, a row: 150,20,3.5")
    parser.add_argument(
        "--cold", type=_numbers, default=(0, 0, 1), help="µs for a turn and a row, ms of cooling: 60,2,1"
    )
    parser.add_argument("--way", type=_ways, default=((1, 0.0),), help="µs there and back, by rows: 1:300,32:800")
    parser.add_argument("--spread", type=float, default=0, help="by which times vary (default %(default)s)")
    parser.add_argument("--target-ms", type=float, default=10, help="for 99 of 100 answers (default %(default)s)")
    parser.add_argument("--max-batch-size", type=int, default=64, help="rows joined at most (default %(default)s)")
    parser.add_argument("--workers", type=int, help="simulate so many, instead of looking for the fewest")
    parser.add_argument("--by-chance", action="store_true", help="not the worker with the fewest requests, but any")
    options = parser.parse_args(arguments)
    costs, around = _costs(options)
    sizes, shares = options.rows
    rows = np.random.default_rng(1).choice(sizes, REQUESTS, p=shares).astype(np.int64)

    def simulated(workers: int) -> Simulated:
        return simulate(costs, options.rate, rows, workers, around=around, by_chance=options.by_chance)

    low = at_least(costs, options.rate, rows)
    workers = options.workers or _fewest(simulated, low, options.target_ms / 1e3)
    if workers is None:
        print(f"Not met with {MOST_WORKERS} workers: divide the rate, or see whether one request meets it.")
        return 1
    print(_told(workers, options.rate, rows, simulated(workers)))
    return 0


def _shares(text: str) -> tuple[list[int], list[float]]:
    pairs = [part.partition(":") for part in text.split(",")]
    shares = np.array([float(share or 1) for _, _, share in pairs])
    return [int(size) for size, _, _ in pairs], (shares / shares.sum()).tolist()


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))


def _ways(text: str) -> list[tuple[int, float]]:
    pairs = [part.partition(":") for part in text.split(",")]
    return sorted((int(rows), float(micros) / 1e6) for rows, _, micros in pairs)


def _costs(options: argparse.Namespace) -> tuple[Costs, Around]:
    turn, request, row = (micros / 1e6 for micros in options.costs)
    cold_turn, cold_row, cooling = options.cold
    costs = Costs(turn, request, row, options.max_batch_size, cold_turn / 1e6, cold_row / 1e6, cooling / 1e3)
    return costs, Around(options.way, options.spread)


def _fewest(simulated: Callable[[int], Simulated], low: int, target_s: float) -> int | None:
    """The fewest workers with which 99 of 100 requests are answered in time; None where they are more than can be."""
    with tqdm(unit="", leave=False, desc="workers") as progress:

        def is_enough(workers: int) -> bool:
            progress.update()
            return simulated(workers).percentile(0.99) <= target_s

        return fewest(is_enough, low, MOST_WORKERS)


def at_least(costs: Costs, rate: float, rows: Sizes) -> int:
    """With fewer the queue grows for ever, however much is joined."""
    sizes, counts = np.unique(rows, return_counts=True)
    seconds = sum(costs.least(int(size)) * count for size, count in zip(sizes, counts, strict=True)) / len(rows)
    return max(1, ceil(rate * float(seconds)))


def fewest(is_enough: Callable[[int], bool], low: int, most: int) -> int | None:
    """The least number from `low` to `most` that is enough, where all above it are."""
    high = low
    while high <= most and not is_enough(high):
        low, high = high + 1, high * 2
    high = min(high, most)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low if low <= most and is_enough(low) else None


def _told(workers: int, rate: float, rows: Sizes, found: Simulated) -> str:
    times = ", ".join(f"p{share} {found.percentile(share / 100) * 1e3:.2f} ms" for share in (50, 90, 99))
    load = f"{rate:,.0f} requests/s of {rows.mean():.1f} rows in the mean, {rate * rows.mean():,.0f} rows/s"
    return (
        f"{load}\n{workers} workers, each busy {found.busy:.0%} of the time, {found.rows_per_run:.1f} rows in a turn\n"
        f"answers: mean {found.mean * 1e3:.2f} ms, {times}"
    )


if __name__ == "__main__":
    sys.exit(main())
