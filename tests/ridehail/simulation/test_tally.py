import pytest

from ridehail.demo.simulation.tally import Latencies, Tally


def test_percentiles_of_nothing_are_unknown():
    assert Latencies().percentile(50) is None


def test_percentiles_are_right_within_their_resolution():
    latencies = Latencies()
    for milliseconds in range(1, 1001):
        latencies.add(milliseconds / 1000)
    for percent in (1, 50, 99, 100):
        assert latencies.percentile(percent) == pytest.approx(percent / 100, rel=0.06)


def test_a_latency_below_the_resolution_counts_as_the_shortest():
    latencies = Latencies()
    latencies.add(0.0)
    assert latencies.percentile(99) == pytest.approx(0.0001)


def test_one_slow_acknowledgement_in_a_thousand_is_not_the_99th_percentile():
    latencies = Latencies()
    for seconds in [0.002] * 999 + [5.0]:
        latencies.add(seconds)
    assert latencies.percentile(99) == pytest.approx(0.002, rel=0.06)
    assert latencies.percentile(100) == pytest.approx(5.0, rel=0.06)


def test_progress_counts_from_one_line_to_the_next():
    tally = Tally()
    tally.connected, tally.sent = 3, 20
    for _ in range(10):
        tally.add_acknowledgement(0.004)
    tally.errors["closed 1012"] += 2
    line = tally.progress(4, 2.0)
    assert "connected 3/4  sent 10.0/s  acknowledged 5.0/s  p50 4." in line
    assert line.endswith("errors 2")
    assert "sent 0.0/s  acknowledged 0.0/s  p50 -  p99 -" in tally.progress(4, 2.0)


def test_the_summary_covers_the_whole_run_and_names_every_error():
    tally = Tally()
    tally.sent = 2
    tally.add_acknowledgement(0.25)
    tally.progress(1, 1.0)
    tally.errors["closed 1012"] += 1
    first, second = tally.summary(1, 10.0).splitlines()
    assert first.startswith("1 drivers, 10 s: sent 2, acknowledged 1 (0.1/s), p50 2")
    assert second == "1 x closed 1012"
