"""The teacher: a wider network that also sees edges, from whose opinions the shipped networks learn.

It is trained anew by every `make train` and is not shipped. Distillation: Hinton et al. 2015, arXiv:1503.02531.
"""

from typing import Final

import torch
from torch import nn

from models import augmentation, features
from models.data import Samples
from models.fit import Schedule, fit
from models.network import CLASSES, PIXELS

HIDDEN: Final = 512
SEED: Final = 0
AT_ONCE: Final = 2000


def trained_opinions(samples: Samples, schedule: Schedule) -> torch.Tensor:
    """Class probabilities `[count, 10]` for the samples, from a teacher trained on them and their labels alone."""
    torch.manual_seed(SEED)
    seen = torch.cat([_seen(part) for part in torch.split(samples.images, AT_ONCE)])
    labels = nn.functional.one_hot(samples.labels, CLASSES).float()
    teacher = _network()
    generator = torch.Generator().manual_seed(SEED)
    fit(teacher, seen, labels, schedule, generator, augmentation.none, "teacher")
    with torch.no_grad():
        opinions: torch.Tensor = teacher(seen).softmax(1)
    return opinions


def _network() -> nn.Module:
    """Dropout, of inputs too, keeps the teacher unsure where it should be: a teacher sure of everything teaches nothing
    that the labels do not."""
    hidden = nn.Linear(PIXELS + features.COUNT, HIDDEN)
    return nn.Sequential(nn.Dropout(0.2), hidden, nn.GELU(), nn.Dropout(0.5), nn.Linear(HIDDEN, CLASSES))


def _seen(images: torch.Tensor) -> torch.Tensor:
    """Pixels and edges side by side, `[count, 2080]`."""
    return torch.cat([images, features.gradients(images)], dim=1)
