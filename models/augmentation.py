"""Changed copies of training images, so that a network learns what may change without changing the class."""

import math
from typing import Final

import torch
from torch.nn import functional

SIDE: Final = 28


def none(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The images as they are."""
    return images


def noise(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Normal noise of standard deviation 0.1 on every pixel: a network cannot then lean on single faint pixels."""
    return images + 0.1 * torch.empty_like(images).normal_(generator=generator)


def affine(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image turned by up to 12°, scaled by up to 12 %, sheared by up to 0.1 and moved by up to two pixels."""

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(len(images), generator=generator) * 2 - 1) * limit

    angle, scale, shear = uniform(math.radians(12)), 1 + uniform(0.12), uniform(0.1)
    first = torch.stack([scale * angle.cos(), shear - scale * angle.sin(), uniform(2 / 14)], dim=1)
    second = torch.stack([scale * angle.sin(), scale * angle.cos(), uniform(2 / 14)], dim=1)
    pictures = images.view(-1, 1, SIDE, SIDE)
    grid = functional.affine_grid(torch.stack([first, second], dim=1), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, align_corners=False).flatten(1)
