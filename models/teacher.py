"""The teacher: a small convolutional network whose opinion of each training image the shipped networks learn from.

It is trained anew by every `make train` and is not shipped. Distillation: Hinton et al. 2015, arXiv:1503.02531.
"""

from typing import Final

import torch
from torch import nn

from models import augmentation
from models.augmentation import SIDE
from models.data import Samples
from models.fit import Schedule, fit
from models.network import CLASSES

WIDTH: Final = 16
SEED: Final = 0
AT_ONCE: Final = 1000


class Teacher(nn.Module):
    """Images `[batch, 784]` to logits `[batch, 10]` through five 3×3 convolutions and two poolings."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTH, 2 * WIDTH, 4 * WIDTH
        self.layers = nn.Sequential(
            *_convolution(1, first), nn.MaxPool2d(2),
            *_convolution(first, second), *_convolution(second, second), nn.MaxPool2d(2),
            *_convolution(second, third), *_convolution(third, third), nn.AdaptiveMaxPool2d(1),
            nn.Flatten(), nn.Linear(third, CLASSES),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pictures = images.view(-1, 1, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self.layers(pictures)
        return logits


def trained_teacher(samples: Samples, schedule: Schedule) -> Teacher:
    """A teacher trained on `samples` and their labels alone, with mirrored and shifted copies."""
    torch.manual_seed(SEED)
    teacher = Teacher()
    wanted = nn.functional.one_hot(samples.labels, CLASSES).float()
    generator = torch.Generator().manual_seed(SEED)
    fit(teacher, samples.images, wanted, schedule, generator, augmentation.flip_and_shift, "teacher")
    return teacher


def opinions(teacher: Teacher, images: torch.Tensor) -> torch.Tensor:
    """The teacher's class probabilities `[count, 10]`: the geometric mean over each image and its mirror image."""
    with torch.no_grad():
        return torch.cat([_opinion(teacher, part) for part in torch.split(images, AT_ONCE)])


def _opinion(teacher: Teacher, images: torch.Tensor) -> torch.Tensor:
    mirrored = images.view(-1, SIDE, SIDE).flip(2).flatten(1)
    both = torch.stack([teacher(images).log_softmax(1), teacher(mirrored).log_softmax(1)])
    return both.mean(0).softmax(1)


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
