"""What runs cost, learnt from those that were: cheap ones happen in place, dear ones in a thread."""

from __future__ import annotations

from dataclasses import dataclass

PATIENCE = 16  # runs in threads before one is tried in place; twice as many with each that was dear there too
FORGETTING = 1.02  # growth of an estimate with each run that was slower: doubled after 35


@dataclass(slots=True)
class Estimate:
    """About the least seconds seen lately: by the clock, and of work by the thread that ran."""

    clock: float
    work: float
    held_dear: int = 0
    patience: int = PATIENCE


class Cost:
    """What runs cost, by the size of their inputs in powers of two.

    The clock tells it, and of that the least, because it counts a busy machine's other work too: an average would rise
    in one slow spell. In a thread of a busy process it counts the wait for the interpreter as well, and would call
    runs dear there for ever; so one that needs little work is tried in place now and then, where the clock is right."""

    def __init__(self) -> None:
        self._estimates: dict[int, Estimate] = {}

    def learn(self, size: int, clock_s: float, work_s: float) -> None:
        known = self._estimates.get(size.bit_length())
        if known is None:
            self._estimates[size.bit_length()] = Estimate(clock_s, work_s)
            return
        clock, work = known.clock * FORGETTING, known.work * FORGETTING
        known.clock = clock if clock < clock_s else clock_s
        known.work = work if work < work_s else work_s

    def is_below(self, limit_s: float, size: int) -> bool:
        """Whether to count on it. Of a size never seen only where a larger one costs less; else its first run is in a
        thread."""
        bits = size.bit_length()
        known = self._estimates.get(bits)
        if known is None:
            return any(larger.clock < limit_s for other, larger in self._estimates.items() if other > bits)
        if known.clock < limit_s:
            known.held_dear, known.patience = 0, PATIENCE
            return True
        known.held_dear += known.work < limit_s
        is_tried = known.held_dear >= known.patience
        if is_tried:
            known.held_dear, known.patience = 0, 2 * known.patience
        return is_tried
