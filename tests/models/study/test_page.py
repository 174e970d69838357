"""The page and its pictures are what the results give, and the same results give the same."""

import math
import re
from pathlib import Path

from models.study import page, plots, results
from models.study.__main__ import DOCS, main

FOUND = results.load(DOCS / "study.json")
TEXT = (DOCS / "study.md").read_text(encoding="utf-8")


def slug(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))


def test_page_in_docs_is_what_its_results_give(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_bytes((DOCS / "study.json").read_bytes())
    main(["--render", "--docs", str(tmp_path)])
    assert (tmp_path / "study.md").read_text(encoding="utf-8") == TEXT


def test_every_saying_and_picture_of_the_page_is_there() -> None:
    anchors = {slug(heading) for heading in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
    links = re.findall(r"\]\(#([^)]+)\)", TEXT)
    assert len(links) > 10
    assert set(links) <= anchors
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT)
    assert len(pictures) == 3
    assert all((DOCS / picture).is_file() for picture in pictures)


def test_results_have_at_least_three_seeds_of_each_activation_in_each_case() -> None:
    for case in results.CASES:
        for activation in results.ACTIVATIONS:
            assert len({trial.seed for trial in FOUND.of(case, activation)}) >= 3
    assert FOUND.epochs == 10


def test_saved_results_are_read_as_they_were(made_up, tmp_path: Path) -> None:
    some = made_up({("fast_sgd", "prelu"): {"slope": [0.25, math.nan, 0.5, 0.5], "reached": [None, 1.5, 1.5, 1.5]}})
    results.save(some, tmp_path / "study.json")
    again = results.load(tmp_path / "study.json")
    results.save(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "study.json").read_bytes()
    assert math.isnan(again.of("fast_sgd", "prelu")[1].slope)
    assert again.of("plain", "relu") == some.of("plain", "relu")


def test_page_tells_what_is_not_finite(made_up) -> None:
    text = page.page(made_up({("fast_sgd", "prelu"): {"slope": [math.nan] * 4, "accuracy": [[0.0, 0.0]] * 4}}))
    assert "| `prelu` | 0.00 ± 0.00 % | 0.00 ± 0.00 % | 0.0 ± 0.0 | 0.0 ± 0.0 | 0.0 ± 0.0 % | not finite |" in text
    assert "nan" not in text.lower().replace("finance", "")


def test_pictures_of_the_same_results_have_the_same_bytes(made_up, tmp_path: Path) -> None:
    for folder in ("one", "other"):
        plots.draw(made_up(), tmp_path / folder)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {"accuracy.svg", "against_relu.svg", "dead.svg"}
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes() for name in names)
    assert not any(b"<dc:date>" in path.read_bytes() for path in (tmp_path / "one").iterdir())
