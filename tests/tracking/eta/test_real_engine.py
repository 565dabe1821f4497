"""The engines as they are: OSRM and Valhalla, on the streets of Helsinki's centre."""

import random
import statistics
from itertools import pairwise

import pytest
import pytest_asyncio

from tests.services.osrm import ANNANKATU, LIISANKATU
from tracking.eta import ways
from tracking.eta.engines import EngineError, Refused, base
from tracking.eta.engines.osrm import OSRM
from tracking.eta.engines.straight import estimate
from tracking.eta.engines.valhalla import Valhalla
from tracking.eta.router import Router
from tracking.geo import distance
from tracking.polyline import decode

# Between the tracks of the railway station, 80 m from the nearest street.
RAILS = (60.1735, 24.9415)
# On a street from which none leads away in the file, though one leads there.
DEAD_END = (60.1752, 24.9385)
# 13 km west of the file, and so far away that Valhalla looks for no street.
ESPOO, TAMPERE, LAGOS = (60.17406, 24.70), (61.5, 23.76), (6.5, 3.4)

KINDS = {"osrm": ("routing_engine", OSRM), "valhalla": ("valhalla_engine", Valhalla)}


@pytest_asyncio.fixture(params=KINDS)
async def engine(request):
    service, kind = KINDS[request.param]
    engine = kind(request.getfixturevalue(service).url)
    yield engine
    await engine.close()


@pytest_asyncio.fixture
async def both(routing_engine, valhalla_engine):
    engines = OSRM(routing_engine.url), Valhalla(valhalla_engine.url)
    yield engines
    for engine in engines:
        await engine.close()


def many(count):
    """Return different pairs of places, all near ANNANKATU and LIISANKATU."""
    return [
        (
            (ANNANKATU[0] + number * 1e-5, ANNANKATU[1]),
            (LIISANKATU[0], LIISANKATU[1] - number * 1e-5),
        )
        for number in range(count)
    ]


async def test_times_are_of_real_streets(engine):
    route = await engine.route(ANNANKATU, LIISANKATU)
    assert distance(*ANNANKATU, *LIISANKATU) < route.metres < 3000
    assert 60 < route.seconds < 600
    legs = await engine.matrix([(ANNANKATU, LIISANKATU)] * 3 + [(LIISANKATU, ANNANKATU)] * 2)
    assert abs(legs[0].seconds - route.seconds) < 2
    assert abs(legs[0].metres - route.metres) < 2
    assert legs[0] == legs[2] != legs[3]
    assert route.seconds / 2 < estimate(ANNANKATU, LIISANKATU).seconds < route.seconds * 2


async def test_line_leads_from_place_to_place(engine):
    route = await engine.route(ANNANKATU, LIISANKATU)
    line = decode(route.line)
    assert distance(*ANNANKATU, *line[0]) < 10
    assert distance(*LIISANKATU, *line[-1]) < 10
    driven = sum(distance(*a, *b) for a, b in pairwise(line))
    assert driven == pytest.approx(route.metres, rel=0.01)


async def test_engines_agree_about_the_order_of_magnitude(both):
    """Measured on 636 pairs: Valhalla's times are 0.8 of OSRM's (median), and 0.3 to 2.4."""
    places = random.Random(1)
    pairs = [
        tuple((places.uniform(60.164, 60.179), places.uniform(24.935, 24.954)) for _ in range(2))
        for _ in range(50)
    ]
    tables = [await engine.matrix(pairs) for engine in both]
    found = [(a, b) for a, b in zip(*tables, strict=True) if a and b and a.seconds > 30]
    assert len(found) > 25
    for part in ("seconds", "metres"):
        ratios = [getattr(b, part) / getattr(a, part) for a, b in found]
        assert 0.6 < statistics.median(ratios) < 1.2
        assert all(0.2 < ratio < 4 for ratio in ratios)


async def test_place_off_the_streets_is_moved_to_the_nearest_one(engine):
    to, back = await engine.matrix([(RAILS, LIISANKATU), (ANNANKATU, RAILS)])
    assert None not in (to, back)
    line = decode((await engine.route(RAILS, LIISANKATU)).line)
    assert 50 < distance(*RAILS, *line[0]) < base.SNAPPING
    line = decode((await engine.route(ANNANKATU, RAILS)).line)
    assert 50 < distance(*RAILS, *line[-1]) < base.SNAPPING


async def test_car_at_its_waypoint_has_no_way_to_drive(engine):
    assert await engine.matrix([(ANNANKATU, ANNANKATU)]) == [(0, 0)]
    assert (await engine.route(ANNANKATU, ANNANKATU))[:2] == (0, 0)


async def test_place_without_a_way_costs_the_others_nothing(engine):
    pairs = [(DEAD_END, LIISANKATU), (ANNANKATU, DEAD_END), (ANNANKATU, LIISANKATU)]
    legs = await engine.matrix(pairs)
    assert [leg is None for leg in legs] == [True, False, False]
    assert await engine.matrix(pairs[:1]) == [None]
    assert await engine.route(DEAD_END, LIISANKATU) is None


@pytest.mark.parametrize("far", [ESPOO, TAMPERE, LAGOS], ids=["Espoo", "Tampere", "Lagos"])
async def test_place_off_the_map_has_no_way_and_costs_the_others_nothing(engine, far):
    """OSRM and Valhalla may move it to Helsinki: only an end that is there is believed."""
    router = Router(engine)
    pairs = [(far, LIISANKATU), (ANNANKATU, LIISANKATU), (ANNANKATU, far)]
    legs = await router.legs(pairs)
    assert [leg is None for leg in legs] == [True, False, True]
    assert await engine.route(far, LIISANKATU) is None
    assert await engine.route(ANNANKATU, far) is None
    assert router.is_closed


async def test_as_many_pairs_as_are_sent_share_a_request(engine):
    pairs = many(engine.max_pairs)
    legs = await engine.matrix(pairs)
    assert None not in legs
    for number in (0, len(pairs) // 2, -1):
        (alone,) = await engine.matrix([pairs[number]])
        assert alone == legs[number]


async def test_cars_of_one_waypoint_and_waypoints_of_one_car(engine):
    starts, ends = zip(*many(engine.max_pairs), strict=True)
    for pairs in ([(start, ends[0]) for start in starts], [(starts[0], end) for end in ends]):
        legs = await engine.matrix(pairs)
        assert None not in legs
        assert [legs[7]] == await engine.matrix([pairs[7]])


async def test_largest_answer_is_read(both):
    """That of Valhalla has 500 kB."""
    coordinates = ["24.950000,60.170000"] * 100
    osrm, valhalla = both
    status, body = await osrm.fetch("/table/v1/driving/" + ";".join(coordinates))
    assert status == 200
    assert len(body) < base.MAX_BODY
    starts, ends = zip(*many(valhalla.max_pairs), strict=True)
    sources, targets = ([{"lat": y, "lon": x} for y, x in places] for places in (starts, ends))
    request = {"sources": sources, "targets": targets, "costing": "auto"}
    status, body = await valhalla.fetch("/sources_to_targets", json=request)
    assert status == 200
    assert len(body) < base.MAX_BODY / 2


async def test_second_pass_of_valhalla_finds_a_way_that_its_lines_have(both):
    """Without it, 25 of 1,000 pairs had a line, but no time in a matrix; with it, 2."""
    _, valhalla = both
    pair = (60.169620, 24.943340), (60.171626, 24.949790)
    (leg,) = await valhalla.matrix([pair])
    assert leg is not None
    assert leg.metres == pytest.approx((await valhalla.route(*pair)).metres, rel=0.05)


async def test_error_costs_the_confidence_only(engine):
    """A limit of the engine that is lower than what is sent, for example."""
    engine.max_pairs, engine.one_end = 101, False
    pairs = many(engine.max_pairs)
    code = ", error 150" if isinstance(engine, Valhalla) else ""
    with pytest.raises(EngineError, match=f"answered 400{code}$") as caught:
        await engine.matrix(pairs)
    assert not isinstance(caught.value, Refused)
    router = Router(engine)
    found = await ways.ask(router, pairs)
    assert [way.confidence for way in found] == ["low"] * len(pairs)
    assert found[0][:2] == estimate(*pairs[0])
    # One failure is not many: the next is answered.
    assert [way.confidence for way in await ways.ask(router, pairs[:50])] == ["high"] * 50


async def test_trips_in_another_city_cost_the_others_nothing(engine):
    """Valhalla refuses a request in which any start is more than 400 km from any end."""
    lagos = [((LAGOS[0] + number * 1e-4, LAGOS[1]), LAGOS) for number in range(25)]
    pairs = [pair for both in zip(many(25), lagos, strict=True) for pair in both]
    legs = await Router(engine).legs(pairs)
    assert None not in legs[::2]
