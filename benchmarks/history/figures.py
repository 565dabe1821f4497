"""Figures of the history: their values over the repetitions, and the targets."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

WORDS: Final = {True: "met", False: "**missed**", None: ""}


@dataclass
class Figure:
    """A figure with one value for each repetition. `limit` is its target, if it has one."""

    title: str
    unit: str
    values: Sequence[float]
    limit: float | None = None
    style: str = ".1f"

    @property
    def met(self) -> bool | None:
        """True if the median is within the limit; None without a limit."""
        return None if self.limit is None else median(self.values) <= self.limit

    def row(self) -> list[str]:
        """Return the cells: title, wanted, measured, met."""
        low, middle, high = min(self.values), median(self.values), max(self.values)
        measured = f"{middle:{self.style}} {self.unit}"
        if len(self.values) > 1:
            measured += f" ({low:{self.style}}–{high:{self.style}})"
        wanted = "" if self.limit is None else f"at most {self.limit:g} {self.unit}"
        return [self.title, wanted, measured, WORDS[self.met]]


@dataclass
class Figures:
    """All figures of a run, printed as they are added."""

    found: list[Figure] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def add(self, *arguments: Any, **options: Any) -> None:
        """Add a `Figure` of these arguments."""
        figure = Figure(*arguments, **options)
        self.found.append(figure)
        title, wanted, measured, met = figure.row()
        self.note(f"{title}: {measured}  {wanted} {met}".rstrip())

    def note(self, text: str) -> None:
        """Print a line with the seconds since the start."""
        print(f"{time.monotonic() - self.began:6.0f} s  {text}", flush=True)

    def table(self) -> str:
        """Return the figures as a table in Markdown."""
        head = ["figure", "wanted", "measured", ""]
        rows = [head, ["---", "---:", "---:", "---:"], *(figure.row() for figure in self.found)]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def milliseconds(
    calls: Iterable[Callable[[], Result]], check: Callable[[Result], object]
) -> list[float]:
    """Return the duration of each call, without that of the check of its result."""
    durations = []
    for call in calls:
        began = time.perf_counter()
        result = call()
        durations.append(1000 * (time.perf_counter() - began))
        check(result)
    return durations


def expect(wanted: object, found: object) -> None:
    """Raise AssertionError if what was measured is not what was meant to be measured."""
    if found != wanted:
        raise AssertionError(f"{found!r} and not {wanted!r}")
