"""Counts of sends, acknowledgements and errors, and a summary of them in one line."""

import math
from collections import Counter
from typing import Final

# Latencies are counted in buckets 5 % apart, from 0.1 ms. That is exact enough for percentiles, and
# its memory does not grow with time or the number of drivers.
_SHORTEST: Final = 1e-4
_RATIO: Final = math.log(1.05)


class Latencies:
    """A histogram of durations in seconds."""

    def __init__(self) -> None:
        self.count = 0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self.count += 1
        self._buckets[
            max(0, math.ceil(math.log(max(seconds, _SHORTEST) / _SHORTEST) / _RATIO))
        ] += 1

    def percentile(self, percent: float) -> float | None:
        """Return the percentile in seconds, at most 5 % too long, or None without durations."""
        rest = max(1, math.ceil(self.count * percent / 100))
        for bucket in sorted(self._buckets):
            rest -= self._buckets[bucket]
            if rest <= 0:
                return _SHORTEST * math.exp(bucket * _RATIO)
        return None


class Tally:
    """The counts of all phones, in total and since the last line."""

    def __init__(self) -> None:
        self.connected = 0
        self.sent = 0
        self.acknowledged = 0
        self.errors: Counter[str] = Counter()
        self.latencies = Latencies()
        self._recent = Latencies()
        self._reported = (0, 0)

    def add_acknowledgement(self, seconds: float) -> None:
        self.acknowledged += 1
        self.latencies.add(seconds)
        self._recent.add(seconds)

    def progress(self, drivers: int, seconds: float) -> str:
        """Return a line on the last seconds, and start the counts of the next line."""
        sent, acknowledged = self.sent - self._reported[0], self.acknowledged - self._reported[1]
        self._reported = (self.sent, self.acknowledged)
        recent, self._recent = self._recent, Latencies()
        return (
            f"connected {self.connected}/{drivers}"
            f"  sent {sent / seconds:.1f}/s  acknowledged {acknowledged / seconds:.1f}/s"
            f"  {_percentiles(recent)}  errors {self.errors.total()}"
        )

    def summary(self, drivers: int, seconds: float) -> str:
        """Return a summary of the whole run, with one line per kind of error."""
        total = (
            f"{drivers} drivers, {seconds:.0f} s: sent {self.sent},"
            f" acknowledged {self.acknowledged} ({self.acknowledged / seconds:.1f}/s),"
            f" {_percentiles(self.latencies)}"
        )
        return "\n".join([total, *(f"{n} x {what}" for what, n in self.errors.most_common())])


def _percentiles(latencies: Latencies) -> str:
    return "  ".join(f"p{n} {_milliseconds(latencies.percentile(n))}" for n in (50, 99))


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
