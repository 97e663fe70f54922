"""Equal questions at the same time share one answer, within a process."""

from __future__ import annotations

import os
import threading
import typing as t
from concurrent.futures import Future

T = t.TypeVar("T")


class SharedCalls(t.Generic[T]):
    """Lets one thread ask while others that want to know the same wait for its answer, or for its failure."""

    def __init__(self) -> None:
        self._under_way: dict[t.Hashable, Future[T]] = {}
        self._guard = threading.Lock()

    def call(self, question: t.Hashable, ask: t.Callable[[], T]) -> T:
        """What `ask` answers; asked by whoever comes first."""
        # A forked process has no thread that would answer what was under way.
        question = (os.getpid(), question)
        with self._guard:
            under_way = self._under_way.get(question)
            if under_way is None:
                mine: Future[T] = Future()
                self._under_way[question] = mine
        if under_way is not None:
            return under_way.result()
        try:
            mine.set_result(ask())
        except BaseException as error:
            mine.set_exception(error)
        finally:
            with self._guard:
                del self._under_way[question]
        return mine.result()
