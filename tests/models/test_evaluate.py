"""`python -m models.evaluate`: the card's tables and pictures come out the same from the same files."""

import re
import shutil
from pathlib import Path

import pytest

from models import card, evaluate
from models.measurement import Measurement

CARD = f"# Card\n\n{card.BEGIN}\nold figures\n{card.END}\n\nRest.\n"


@pytest.fixture(scope="module")
def shipped() -> list[Measurement]:
    return list(evaluate.measurements(evaluate.REPOSITORY))


@pytest.fixture
def digits_alone(tmp_path: Path) -> Path:
    for model in ("digits", "relu"):
        shutil.copytree(evaluate.REPOSITORY / model, tmp_path / "repository" / model)
    (tmp_path / "models.md").write_text(CARD, encoding="utf-8")
    return tmp_path


def run(folder: Path) -> dict[str, bytes]:
    evaluate.main(["--repository", str(folder / "repository"), "--docs", str(folder)])
    return {path.name: path.read_bytes() for path in [folder / "models.md", *(folder / "images").iterdir()]}


def test_evaluation_writes_figures_between_the_marks_and_two_pictures(digits_alone: Path) -> None:
    written = run(digits_alone)
    assert set(written) == {"models.md", "digits_confusion.svg", "digits_calibration.svg"}
    text = written["models.md"].decode()
    assert re.search(
        r"\n\| `digits` \| \d \| 0\.\d{4} \| 0\.\d{4} ± 0\.\d{4} \| 0\.\d{4} \| 0\.\d{4} ± 0\.\d{4} \|\n", text
    )
    assert text.startswith("# Card\n")
    assert text.endswith("\n\nRest.\n")
    assert "old figures" not in text


def test_evaluation_run_twice_writes_the_same_bytes(digits_alone: Path) -> None:
    assert run(digits_alone) == run(digits_alone)


def test_card_without_marks_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "models.md").write_text("# Card\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"models\.md lacks the line"):
        card.update(tmp_path / "models.md", [])
    assert (tmp_path / "models.md").read_text(encoding="utf-8") == "# Card\n"


def test_published_figures_stand_beside_ours_best_first(shipped: list[Measurement]) -> None:
    (measured,) = (each for each in shipped if each.model == "fashion_mnist")
    rows = card.published(measured).splitlines()[2:]
    figures = [float(row.split("|")[2]) for row in rows]
    assert len(rows) == 3
    assert figures == sorted(figures, reverse=True)


def test_card_in_docs_states_the_figures_of_the_shipped_files(shipped: list[Measurement], tmp_path: Path) -> None:
    copy = tmp_path / "models.md"
    shutil.copy(evaluate.DOCS / "models.md", copy)
    card.update(copy, shipped)
    assert copy.read_text(encoding="utf-8") == (evaluate.DOCS / "models.md").read_text(encoding="utf-8")
