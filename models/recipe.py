"""The recipes: every number that decides what a trained network is like.

They were chosen on held-out training images alone; `python -m models.train --validate` scores a change that way.
"""

from dataclasses import dataclass
from typing import Final

from models import augmentation
from models.fit import Augment, Schedule
from models.network import ACTIVATIONS

SEEDS: Final = (0, 1, 2)
TEACHER_SHARE: Final = 0.8


@dataclass(frozen=True)
class Recipe:
    """How the network is trained on one data set.

    `subject` and `text` say in words what it recognises and how it was trained.
    `held_out`: training images per class kept back to fit the temperature and to choose the seed that ships;
    `validation`: the same when recipes are compared, which takes more.
    `teacher`: its schedule; None trains on the labels alone, else the targets are 0.8 its opinion and 0.2 the label.
    """

    data: str
    subject: str
    text: str
    schedule: Schedule
    augment: Augment
    held_out: int
    validation: int
    teacher: Schedule | None = None


RECIPES: Final = {
    "fashion_mnist": Recipe(
        data="fashion_mnist",
        subject="Kind of garment in a 28×28 grey picture",
        text="AdamW, one cycle, 50 epochs; input noise 0.1; "
        "targets are 0.8 opinion of a teacher (2080-512-10, sees edge histograms beside the pixels) and 0.2 label",
        schedule=Schedule(epochs=50, peak_learning_rate=2e-2, weight_decay=1e-2, batch=512),
        augment=augmentation.noise,
        held_out=200,
        validation=1000,
        teacher=Schedule(epochs=12, peak_learning_rate=3e-3, weight_decay=5e-2, batch=256),
    ),
    "digits": Recipe(
        data="digits",
        subject="Handwritten digit in a 28×28 grey picture",
        text="AdamW, one cycle, 200 epochs; every image turned, scaled, sheared and shifted anew each time",
        schedule=Schedule(epochs=200, peak_learning_rate=5e-3, weight_decay=1e-2, batch=100),
        augment=augmentation.affine,
        held_out=40,
        validation=100,
    ),
}

SHIPPED: Final = (*RECIPES, *(f"fashion_mnist_{activation}" for activation in ACTIVATIONS if activation != "relu"))
"""The networks that lie in the repository."""


def find(model: str) -> tuple[Recipe, str]:
    """The recipe and activation that a model's name stands for: `digits` (ReLU), `fashion_mnist_tanh`, …

    Raises `ValueError` for any other name.
    """
    if not known(model):
        raise ValueError(f"no recipe for {model!r}: give {' or '.join(RECIPES)}, or that followed by _activation")
    return _models()[model]


def known(model: str) -> bool:
    """Whether the name stands for a recipe and an activation."""
    return model in _models()


def _models() -> dict[str, tuple[Recipe, str]]:
    plain = {name: (recipe, "relu") for name, recipe in RECIPES.items()}
    family = {f"{name}_{activation}": (RECIPES[name], activation) for name in RECIPES for activation in ACTIVATIONS}
    return plain | family
