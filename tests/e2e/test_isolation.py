"""When the database fails for one driver, the other drivers' fixes are still stored."""

import psycopg
import pytest

from tests import services

from .client import Driver
from .stack import DRIVER, OTHER_DRIVER, person

TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON tracking_driverlocation
FOR EACH ROW WHEN (NEW.driver_id = {}) EXECUTE FUNCTION refuse()
"""


@pytest.fixture
def hindered(postgres_service):
    """Start a worker whose database cannot store one driver; yield it, tokens, and a repair."""
    environment = services.environment(postgres_service.new_database())
    services.migrate(environment)
    tokens = services.create_users(environment, [person(DRIVER), person(OTHER_DRIVER)])

    def execute(sql):
        with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(sql)

    execute(TRIGGER.format(DRIVER))
    with services.Uvicorn(environment, "hindered") as worker:
        yield worker, tokens, lambda: execute("DROP FUNCTION refuse CASCADE")


async def test_a_driver_that_cannot_be_stored_delays_no_other_and_is_acknowledged_in_the_end(
    hindered,
):
    worker, tokens, mend = hindered
    async with (
        Driver(worker.websocket_url, DRIVER, token=tokens[DRIVER]) as unlucky,
        Driver(worker.websocket_url, OTHER_DRIVER, token=tokens[OTHER_DRIVER]) as other,
    ):
        for number in range(4):
            await unlucky.post(str(number), "1")
            await other.send(str(number), "2")
        assert unlucky.frames == []
        mend()
        await unlucky.frame(3)
        for driver, longitude in ((unlucky, 1), (other, 2)):
            assert driver.frames == [
                f'{{"location_lat": "{number}", "location_lon": "{longitude}"}}'
                for number in range(4)
            ]
    assert worker.log().count("Locations cannot be stored") == 1
    assert worker.log().count("Locations are stored again") == 1
    assert "lost" not in worker.log()
