"""Tests marked `cuda` are run where CUDA computes; elsewhere they are taken out, and the last lines say so."""

from __future__ import annotations

import pytest

from service.session import cuda_problem

NOT_RUN = pytest.StashKey[str]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("cuda")]
    problem = cuda_problem() if marked else None
    if problem is not None:
        items[:] = [item for item in items if item not in set(marked)]
        config.hook.pytest_deselected(items=marked)
        config.stash[NOT_RUN] = f"cuda: {len(marked)} tests NOT RUN, since CUDA {problem}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if NOT_RUN in config.stash:
        terminalreporter.write_line(config.stash[NOT_RUN], yellow=True)
