"""The observers of a server: one for each model that was looked into, for as long as the model is there."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from weakref import WeakKeyDictionary

from service.diagnosis.observer import Observer, observer
from service.model import Model


class Observers:
    """Shared by all threads that look into models."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.known: WeakKeyDictionary[Model, Observer] = WeakKeyDictionary()

    def of(self, model: Model) -> Observer:
        """Made when first asked for. One thread is all it has, and it keeps no memory between runs.

        Raises NotReady and NotCarried where the model cannot be looked into."""
        with self._lock:
            found = self.known.get(model)
            if found is None:
                runtime = replace(model.runtime, intra_op_threads=1, keeps_memory=False)
                found = self.known[model] = observer(model, runtime)
        return found
