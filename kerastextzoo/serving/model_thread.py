"""One thread that runs the model, for TensorFlow uses all cores anyway.

Texts that come while the model is at work wait and then go through it together, so batches grow
with the load, and nobody waits for one to fill.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_Result = TypeVar("_Result")


class _Job(NamedTuple):
    """Texts to answer; or, without texts, something else to do."""

    texts: Sequence[str] | None
    work: Callable[[], Any] | None
    future: "Future[Any]"


class ModelThread:
    """Answers texts, many at once.

    It takes what it is given: how much may wait is for the caller to decide.

    Args:
        answer: Texts to probabilities `(texts, classes)`.
        most_texts: Texts that are answered at once, if one call has no more.

    Example:
        >>> import numpy as np
        >>> thread = ModelThread(lambda texts: np.array([[len(text)] for text in texts]))
        >>> thread.answer(["good", "day"]).result().tolist()
        [[4], [3]]
        >>> thread.close()
    """

    def __init__(
        self,
        answer: "Callable[[Sequence[str]], npt.NDArray[np.float32]]",
        *,
        most_texts: int = 256,
    ) -> None:
        self._answer, self._most_texts = answer, most_texts
        self._waiting = deque[_Job]()
        self._news = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def answer(self, texts: Sequence[str]) -> "Future[npt.NDArray[np.float32]]":
        """Answer texts as soon as it is their turn."""
        return self._put(_Job(texts, None, Future()))

    def call(self, work: Callable[[], _Result]) -> "Future[_Result]":
        """Do something else with the model in this thread."""
        return self._put(_Job(None, work, Future()))

    def close(self) -> None:
        """Do what is waiting, then end."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join()

    def _put(self, job: _Job) -> "Future[Any]":
        with self._news:
            self._waiting.append(job)
            self._news.notify()
        return job.future

    def _run(self) -> None:
        while jobs := self._next():
            # Whoever has gone needs no answer.
            self._do([job for job in jobs if job.future.set_running_or_notify_cancel()])

    def _next(self) -> list[_Job]:
        """Wait for work; return one job, or several whose texts go together; none at the end."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._closed)
            taken, room = list[_Job](), self._most_texts
            while self._waiting:
                texts = self._waiting[0].texts
                if taken and (texts is None or len(texts) > room):
                    break
                taken.append(self._waiting.popleft())
                if texts is None:
                    break
                room -= len(texts)
            return taken

    def _do(self, jobs: Sequence[_Job]) -> None:
        try:
            results = self._results(jobs)
        except Exception as error:
            # Whatever a model raises, the thread lives on, and others have their answers.
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self._do([job])
            return
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)

    def _results(self, jobs: Sequence[_Job]) -> list[Any]:
        if not jobs:
            return []
        if jobs[0].work:
            return [jobs[0].work()]
        every = [job.texts or () for job in jobs]
        answers = self._answer([text for texts in every for text in texts])
        ends = accumulate(map(len, every))
        return [answers[end - len(texts) : end] for end, texts in zip(ends, every, strict=True)]
