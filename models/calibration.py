"""Do the probabilities mean what they say: expected calibration error, and the temperature that mends it."""

from dataclasses import dataclass
from typing import Final

import torch
from torch.nn import functional

from models.network import Network

BINS: Final = 15


@dataclass(frozen=True)
class Reliability:
    """Per bin of confidence, `[BINS]` each: share of samples, their mean confidence, and the share that was right.

    Confidence and accuracy of an empty bin are 0.
    """

    share: torch.Tensor
    confidence: torch.Tensor
    accuracy: torch.Tensor

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of accuracy from confidence, weighted by share."""
        return float((self.share * (self.accuracy - self.confidence).abs()).sum())


def reliability(probabilities: torch.Tensor, labels: torch.Tensor) -> Reliability:
    """Sorts predictions `[count, 10]` into 15 bins of equal width by their highest probability.

    As in Guo et al. 2017, arXiv:1706.04599: bins are open below and closed above.
    """
    confidence, predicted = probabilities.double().max(dim=1)
    number = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    count = torch.bincount(number, minlength=BINS)
    right = torch.bincount(number, (predicted == labels).double(), minlength=BINS)
    total = torch.bincount(number, confidence, minlength=BINS)
    filled = count.clamp(min=1)
    return Reliability(count / len(labels), total / filled, right / filled)


def fitted_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature t for which softmax(logits / t) has the least cross-entropy on `labels`."""
    logits, slope = logits.double(), torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([slope], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(logits * slope, labels)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]  # in 1/t the loss is convex, so one descent finds the only minimum
    return 1 / float(slope.detach())


def fold(network: Network, temperature: float) -> None:
    """Divides the network's logits by `temperature`, in place: no node is added, no predicted class changes."""
    with torch.no_grad():
        network.fc2.weight.div_(temperature)
        network.fc2.bias.div_(temperature)
