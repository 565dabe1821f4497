import pytest_asyncio

from tests.services.osrm import ANNANKATU, LIISANKATU
from tracking.eta.engines import base
from tracking.eta.engines.osrm import OSRM
from tracking.eta.engines.straight import estimate
from tracking.geo import distance


@pytest_asyncio.fixture
async def engine(routing_engine):
    engine = OSRM(routing_engine.url)
    yield engine
    await engine.close()


async def test_osrm_routes_on_real_streets(engine):
    route = await engine.route(ANNANKATU, LIISANKATU)
    assert distance(*ANNANKATU, *LIISANKATU) < route.metres < 3000
    assert 60 < route.seconds < 600
    assert route.line
    legs = await engine.matrix([(ANNANKATU, LIISANKATU)] * 3 + [(LIISANKATU, ANNANKATU)] * 2)
    assert abs(legs[0].seconds - route.seconds) < 2
    assert legs[0] == legs[2] != legs[3]
    assert route.seconds / 2 < estimate(ANNANKATU, LIISANKATU).seconds < route.seconds * 2


async def test_osrm_knows_no_way_in_another_city(engine):
    """It moves both ends to Helsinki: only one that is there as well is believed."""
    espoo = (60.17406, 24.70)
    legs = await engine.matrix([(espoo, LIISANKATU), (ANNANKATU, LIISANKATU)])
    assert legs[0] is None
    assert legs[1] is not None
    assert await engine.route(espoo, LIISANKATU) is None


async def test_osrm_takes_as_many_pairs_as_are_sent(engine):
    pairs = [
        (
            (ANNANKATU[0] + number * 1e-5, ANNANKATU[1]),
            (LIISANKATU[0], LIISANKATU[1] - number * 1e-5),
        )
        for number in range(engine.max_pairs)
    ]
    assert None not in await engine.matrix(pairs)
    status, body = await engine.fetch("/table/v1/driving/" + ";".join(["24.95,60.17"] * 100))
    assert status == 200
    assert len(body) < base.MAX_BODY
