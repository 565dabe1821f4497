"""Costs of the history that must not grow with the load, counted."""

import pytest
from django.db import connections

from tests.faults.proxy import Proxy
from tracking.engine.database import DatabaseThread
from tracking.history.reading import read
from tracking.history.writer import HistorySink
from tracking.pipeline.rows import upsert

from ..rows import drivers
from .test_writer import NOW, fix_at

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgresql"]),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]


async def test_a_batch_costs_one_round_trip_with_the_history(database, monkeypatch):
    messages = []

    def count(data):
        messages.append(data)
        return data

    async with Proxy(int(connections.settings[database]["PORT"])) as proxy:
        config = connections.settings["postgresql"]
        monkeypatch.setitem(connections.settings, "postgresql", {**config, "PORT": proxy.port})
        thread = DatabaseThread("test-history")
        ids = await thread.run(drivers, 5)
        sink = HistorySink()

        async def store(seconds_ago):
            fixes = [fix_at(driver_id, seconds_ago) for driver_id in ids]
            await thread.run(upsert, fixes, [sink], {fix.driver_id: [fix] for fix in fixes})

        await store(2)  # It also makes the day's partition.
        proxy.alter = count
        await store(1)
        assert len(messages) == 1
        thread.close()


def test_reading_a_day_costs_two_queries(database, django_assert_num_queries):
    (driver,) = drivers(1)
    day = NOW.replace(hour=0, minute=0, second=0)
    fixes = [fix_at(driver, ago) for ago in range(20)]
    upsert([fixes[0]], [HistorySink()], {driver: fixes})
    with django_assert_num_queries(2, connection=connections[database]):
        list(read(driver, day, day.replace(hour=23)))
