"""The line before a running batch: who enters when, and what happens to the rows when a step fails."""

from __future__ import annotations

from collections import deque

from cornucopia.inference.generate import Row
from cornucopia.inference.running_batch import NoRoom, RunningBatch
from cornucopia.inference.shared_model import free_memory

CALM = 64  # steps without a failure after which a batch that memory made smaller is tried at twice its size
LONGEST_CALM = 4096


class Scheduler:
    """Rows wait, are answered and leave.

    When a step fails, most often for memory, its rows go on in halves, each alone, down to the one that is to blame;
    that one ends with the error. What was already written stays written. Where memory ran out the batch stays smaller
    for a while, longer each time.
    """

    def __init__(self, batch: RunningBatch) -> None:
        self._batch = batch
        self._waiting: deque[Row] = deque()
        self._suspects: list[deque[Row]] = []
        self._most, self._calm, self._wait = batch.most, 0, CALM

    @property
    def busy(self) -> int:
        """Rows that are not finished."""
        return len(self._batch.rows) + len(self._waiting) + sum(map(len, self._suspects))

    def add(self, row: Row) -> None:
        """Put a row at the end of the line."""
        self._waiting.append(row)

    def remove(self, row: Row) -> None:
        """Take a row out wherever it is."""
        if row in self._batch.rows:
            self._batch.drop(row)
        for line in (self._waiting, *self._suspects):
            if row in line:
                line.remove(row)

    def step(self) -> list[Row]:
        """One step of the batch; the rows that got a token or ended."""
        while self._suspects and not self._suspects[-1] and not self._batch.rows:
            self._suspects.pop()
        line = self._suspects[-1] if self._suspects else self._waiting
        try:
            self._batch.take(line)
        except NoRoom as error:
            row = line.popleft()
            row.finish, row.error = "error", str(error)
            return [row]
        if not self._batch.rows:
            return []
        try:
            served = self._batch.step()
        except Exception as error:  # a model may raise anything; rows that are not to blame must be answered
            return self._blame(error)
        self._grow()
        return served

    def _grow(self) -> None:
        """Make the batch larger again once nothing has failed for a while."""
        self._calm += 1
        if self._batch.most < self._most and self._calm >= self._wait and not self._suspects:
            self._batch.most, self._calm = min(self._most, 2 * self._batch.most), 0

    def _blame(self, error: Exception) -> list[Row]:
        stuck = [row for row in self._batch.rows if row.finish is None]
        if not stuck:
            raise error
        for row in list(self._batch.rows):
            self._batch.drop(row)
        free_memory()
        if len(stuck) == 1:
            stuck[0].finish, stuck[0].error = "error", problem(error)
            return stuck
        half = (len(stuck) + 1) // 2
        if is_short(error):
            if self._batch.most < self._most:
                self._wait = min(LONGEST_CALM, 2 * self._wait)
            self._batch.most, self._calm = half, 0
        self._suspects += [deque(stuck[half:]), deque(stuck[:half])]
        return []


def is_short(error: Exception) -> bool:
    """Whether memory ran out; torch's words for it on Windows, on Linux and of CUDA libraries differ."""
    import torch

    words = ("not enough memory", "can't allocate memory", "out of memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in words)


def problem(error: Exception) -> str:
    """What a failed row's reply says (Chinese)."""
    if is_short(error):
        return "内存不够，单独一条也放不下：减小 --max-new-tokens，或用 --bits 4"
    return f"生成失败：{type(error).__name__}: {str(error)[:200]}".replace("\n", " ")
