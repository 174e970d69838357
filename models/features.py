"""Histograms of oriented gradients: what a picture's edges look like, small patch by small patch.

After Dalal and Triggs 2005, doi:10.1109/CVPR.2005.177. They tell the teacher what the student must find in pixels.
"""

import math
from typing import Final

import torch
from torch.nn import functional

SIDE: Final = 28
CELL: Final = 4
DIRECTIONS: Final = 9
COUNT: Final = (SIDE // CELL - 1) ** 2 * 4 * DIRECTIONS
FAINT: Final = 0.05


def gradients(images: torch.Tensor) -> torch.Tensor:
    """Images `[count, 784]` to features `[count, 1296]`.

    Each pixel's gradient is shared between the two nearest of nine directions (of half a turn), averaged over
    cells of 4×4 pixels; each block of 2×2 neighbouring cells is divided by its length.
    """
    cells = functional.avg_pool2d(_by_direction(images.view(-1, 1, SIDE, SIDE)), CELL)
    blocks = functional.unfold(cells, 2)
    scaled: torch.Tensor = blocks / (blocks.norm(dim=1, keepdim=True) + FAINT)  # FAINT keeps empty background near zero
    return scaled.flatten(1)


def _by_direction(pictures: torch.Tensor) -> torch.Tensor:
    """The strength of the edge at each pixel along each direction, `[count, 9, 28, 28]`."""
    padded = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    angle = torch.atan2(down, across).remainder(math.pi) * (DIRECTIONS / math.pi)
    apart = (torch.arange(DIRECTIONS).view(1, -1, 1, 1) - angle).abs()
    nearness = 1 - torch.minimum(apart, DIRECTIONS - apart)
    return nearness.clamp(min=0) * torch.hypot(across, down)
