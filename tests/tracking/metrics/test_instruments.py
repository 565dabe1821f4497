import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tracking.metrics.instruments import Counter, Histogram, LabelledCounter, gauge


def samples(*instruments):
    """Return the values as Prometheus reads them, by name and labels."""

    class Instruments:
        def collect(self):
            return [instrument.collect() for instrument in instruments]

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Instruments())
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_counter_adds_up():
    counter = Counter("fixes", "Fixes.")
    counter.add()
    counter.add(3)
    assert samples(counter) == {("fixes_total",): 4}


def test_labelled_counter_has_one_value_for_each_combination():
    counter = LabelledCounter("ends", "Ends.", "code", "route")
    counter.add("1000", "get")
    counter.add("1000", "get", count=2)
    counter.add("1000", "set")
    assert samples(counter) == {("ends_total", "1000", "get"): 3, ("ends_total", "1000", "set"): 1}


@pytest.mark.parametrize(
    ("value", "buckets"), [(0.0, [1, 1, 1]), (1.0, [1, 1, 1]), (1.5, [0, 1, 1]), (9.0, [0, 0, 1])]
)
def test_histogram_counts_what_is_at_most_as_large_as_a_bound(value, buckets):
    histogram = Histogram("seconds", "Seconds.", [1, 5])
    histogram.observe(value)
    assert samples(histogram) == {
        **dict(
            zip([("seconds_bucket", le) for le in ("1.0", "5.0", "+Inf")], buckets, strict=True)
        ),
        ("seconds_count",): 1,
        ("seconds_sum",): value,
    }


def test_gauge_has_a_value_for_each_label():
    class Depths:
        def collect(self):
            return gauge("depth", "Depth.", {"storage": 3, "broadcast": 0}.items(), "queue")

    assert samples(Depths()) == {("depth", "storage"): 3, ("depth", "broadcast"): 0}
