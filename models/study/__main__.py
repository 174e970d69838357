"""`python -m models.study`: trains, looks, times; writes `docs/study.json`, and from it `docs/study.md`."""

import argparse
import os
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tqdm import tqdm

from models.study import page, plots, pool, results
from models.study.case import EPOCHS
from models.study.stopwatch import ROUNDS, epoch_seconds

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.study", description=__doc__)
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of study.json, study.md and images/study/")
    parser.add_argument("--render", action="store_true", help="train nothing: write study.md from study.json")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="default: one for each core")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="default: %(default)s")
    parser.add_argument("--seeds", type=int, help="no more than so many for each case; at least two")
    options = parser.parse_args(arguments)
    if not options.render:
        found = study(pool.tasks(options.seeds), options.epochs, options.workers)
        results.save(found, options.docs / "study.json")
    render(options.docs)


def study(wanted: Sequence[pool.Task], epochs: int, workers: int) -> results.Results:
    """Times the activations, then runs every training."""
    pool.prepare()
    seconds = epoch_seconds(pool.data().train, tqdm(range(ROUNDS), "timing", unit="round"))
    done = list(tqdm(pool.trials(wanted, epochs, workers), "training", len(wanted), unit="network"))
    return results.Results(results.made(core_seconds() / 60), seconds, results.in_order(done))


def core_seconds() -> float:
    """Processor time so far, that of processes that have ended included."""
    spent = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def render(docs: Path) -> None:
    """Writes the page and its pictures from the results in the same folder."""
    found = results.load(docs / "study.json")
    plots.draw(found, docs / "images" / "study")
    (docs / "study.md").write_text(page.page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
