"""The page `docs/study.md`, made from the results alone."""

from __future__ import annotations

from textwrap import fill

from models.network import ACTIVATIONS
from models.study import inside, outside
from models.study.case import BATCH, PLAIN, PROVOKED, Case
from models.study.claim import Claim
from models.study.comparison import LEVEL
from models.study.figures import dead, epochs, first, last, shares, spreading, table
from models.study.results import Results

INTRODUCTION = """# What tutorials say of activations, measured

Nine activations, one after another, in the network that this service ships: 784→128→10 on Fashion-MNIST. This page is
written by `make study`, words included: every verdict follows by rule from the figures in [study.json](study.json).

{made}

**How.** Plain training, as a tutorial would: cross-entropy, Adam at rate 0.001, batches of {batch}, all 60,000 training
images, PyTorch's own first weights, {epochs} epochs, no teacher, no augmentation, no schedule. Accuracy is that on the
10,000 test images, from which nothing was chosen. The same seed gives every activation the same first weights and the
same batches, so activations are compared seed by seed. Plain training has {seeds} seeds, each of the provoked cases
{few}. What stands after ± is the sample standard deviation over the seeds. (The networks that ship are trained
otherwise, and better: [model card](models.md).)

**When a difference shows.** When the paired t-test over the seeds gives p under {level:.0f} %, corrected for the number
of comparisons made for one saying (Holm). A saying *holds* when all its comparisons show it, *holds in part* when some
do and none shows the opposite, *does not show* when none does. Where a saying is about whether something happens, it is
counted in how many trainings it happens with every seed. That it does not show in this network is no proof that
it never would: a deep network without normalisation may be another matter.

**Words.** A unit is *dead* when it gives zero for each of the 60,000 training images. If it is one of ReLU, no gradient
then reaches its weights; others give zero where a float rounds to it, as PyTorch's GELU does below about −5.6. A unit
is *saturated* when its |slope| is under 0.01 for each image. *Zeros* is the share of zeros among all outputs of the
layer, *slope* the mean |slope| over images and units. All of these are told after the last epoch. A network whose
logits are no longer finite numbers has an accuracy of 0.
"""
VERDICTS = """## What holds, and what does not

{table}

Each with its figures [below](#one-by-one).
"""
PICTURE = """![Accuracy less that of ReLU, seed by seed](images/study/against_relu.svg)
"""
PROVOKED_TEXT = """## Provoked

Training that goes wrong on purpose: the bias of every hidden unit starts so low that none fires, the rate of Adam is a
hundred times too high, plain gradient descent takes steps that are far too long. All else is as above.

![Test accuracy by epoch, plain and provoked](images/study/accuracy.svg)

![Dead units of ReLU by epoch](images/study/dead.svg)
"""
AGAIN = """## Again

```
make study                                # trains {trials} networks; the progress bar says how long it takes
python -m models.study --render           # only writes this page and its pictures from study.json
python -m models.study --seeds 2 --epochs 2 --docs /tmp     # a quick look, elsewhere
```

The times apart, a rerun on the same machine gives the same figures: each training has one thread, its seed, and no
other source of chance. Another processor may add in another order; every figure is then as good as one from other
seeds, and a verdict that hangs on a p near 5 % may change, words and tables together.
"""


def page(results: Results) -> str:
    """All of it."""
    sayings = [*inside.claims(results), *outside.claims(results)]
    rows = [[f"[{claim.said}](#{claim.anchor})", f"**{claim.verdict}**", claim.seen] for claim in sayings]
    parts = [
        introduction(results),
        VERDICTS.format(table=table(("said", "verdict", "seen"), rows)),
        plain(results),
        PROVOKED_TEXT,
        *(provoked(results, case) for case in PROVOKED),
        "## One by one\n",
        *(section(claim) for claim in sayings),
        AGAIN.format(trials=len(results.trials)),
    ]
    return "\n".join(parts)


def introduction(results: Results) -> str:
    """What was done, when, on what, and how it is read."""
    made, count = results.made, len(results.trials)
    when = f"Measured on {made['date']}: {made['processor']}, PyTorch {made['torch']}."
    took = (
        f"{count} trainings took {made['core_minutes']:.0f} minutes of one core, {made['core_minutes'] / 2:.0f} of two."
    )
    seeds, few = (len(results.of(case.name, "relu")) for case in (PLAIN, PROVOKED[0]))
    told = {"made": f"{when} {took}", "batch": BATCH, "level": 100 * LEVEL, "epochs": results.epochs}
    text = INTRODUCTION.format(**told, seeds=seeds, few=few)
    return "\n\n".join(fill(part, 120, break_on_hyphens=False) for part in text.strip().split("\n\n")) + "\n"


def plain(results: Results) -> str:
    """The table of plain training."""
    head = (
        "activation", "accuracy after 1 epoch", f"after {results.epochs}", "epochs to 85 %", "dead units", "saturated",
        "zeros", "slope", "mean output", "seconds per epoch",
    )  # fmt: skip
    rows = []
    for name in ACTIVATIONS:
        trials = results.of(PLAIN.name, name)
        rows.append([
            f"`{name}`",
            shares([first(trial) for trial in trials]),
            shares([last(trial) for trial in trials]),
            epochs(trials),
            *_inside(results, PLAIN, name),
            spreading([trial.mean for trial in trials], 2),
            f"{results.epoch_seconds[name]:.2f}",
        ])  # fmt: skip
    return f"## Plain training\n\n{table(head, rows)}\n\n{PICTURE}"


def provoked(results: Results, case: Case) -> str:
    """The table of one provoked case."""
    head = (
        "activation",
        "accuracy after 1 epoch",
        f"after {results.epochs}",
        "dead units",
        "saturated",
        "zeros",
        "slope",
    )
    rows = []
    for name in ACTIVATIONS:
        accuracies = [shares(results.column(case.name, name, figure)) for figure in (first, last)]
        rows.append([f"`{name}`", *accuracies, *_inside(results, case, name)])
    return f"### {case.title[0].upper()}{case.title[1:]}\n\n{table(head, rows)}\n"


def _inside(results: Results, case: Case, name: str) -> list[str]:
    """Dead and saturated units, zeros, slope."""
    trials = results.of(case.name, name)
    return [
        spreading([dead(trial) for trial in trials], 1),
        spreading([trial.saturated for trial in trials], 1),
        shares([trial.zeros for trial in trials], 1),
        spreading([trial.slope for trial in trials], 3),
    ]


def section(claim: Claim) -> str:
    """One saying with its evidence."""
    evidence = f"\n{claim.evidence}\n" if claim.evidence else ""
    return f"### {claim.said}\n\n**{claim.verdict[0].upper()}{claim.verdict[1:]}.** {claim.seen}\n{evidence}"
