import asyncio
import gzip
import json
import math

import pytest
import pytest_asyncio
from django.test import override_settings

from tests.tracking.eta.fake_engine import DETOUR, LINE, SPEED
from tracking.eta.engines import EngineError, Refused, base, from_settings
from tracking.eta.engines.osrm import OSRM
from tracking.eta.engines.straight import estimate
from tracking.eta.engines.valhalla import Valhalla
from tracking.eta.router import Router
from tracking.geo import distance

START, END, FAR = (60.16756, 24.93596), (60.17406, 24.95199), (60.3, 25.1)

TABLES = {
    "osrm": lambda durations, distances: {
        "code": "Ok",
        "durations": durations,
        "distances": distances,
    },
    "valhalla": lambda durations, distances: {
        "sources_to_targets": [
            [
                {"time": seconds, "distance": None if metres is None else metres / 1000}
                for seconds, metres in zip(*row, strict=True)
            ]
            for row in zip(durations, distances, strict=True)
        ]
    },
}


@pytest_asyncio.fixture(params=["osrm", "valhalla"])
async def engine(fake, request):
    with override_settings(TRACKING={"ROUTING": {"BACKEND": request.param, "URL": fake.url}}):
        engine = from_settings()
    engine.name = request.param
    yield engine
    await engine.close()


def table_of(engine, durations, distances):
    return json.dumps(TABLES[engine.name](durations, distances)).encode()


async def test_many_pairs_share_one_request(fake, engine):
    pairs = [(START, END), (START, FAR), (END, FAR), (START, END)]
    legs = await engine.matrix(pairs)
    assert len(fake.requests) == 1
    for (start, end), leg in zip(pairs, legs, strict=True):
        metres = distance(*start, *end) * DETOUR
        assert leg.metres == pytest.approx(metres, rel=1e-4)
        assert leg.seconds == pytest.approx(metres / SPEED, rel=1e-4)


async def test_requests_to_valhalla_have_one_end(fake, engine):
    """It answers for each start and each end: with many ends, most answers are of no use."""
    pairs = [(START, END), (START, FAR), (END, FAR), (FAR, END), (END, START)]
    legs = await Router(engine).legs(pairs)
    assert len(fake.tables) == (3 if engine.name == "valhalla" else 1)
    for (start, end), leg in zip(pairs, legs, strict=True):
        assert leg.metres == pytest.approx(distance(*start, *end) * DETOUR, rel=1e-4)
    fake.requests.clear()
    await Router(engine).legs([(START, END)] * 120)
    assert len(fake.tables) == 3


async def test_a_route_has_its_line(fake, engine):
    route = await engine.route(START, END)
    metres = distance(*START, *END) * DETOUR
    assert route.metres == pytest.approx(metres, rel=1e-4)
    assert route.seconds == pytest.approx(metres / SPEED, rel=1e-4)
    assert route.line == LINE


async def test_a_pair_without_a_way_has_no_leg(fake, engine):
    fake.body = table_of(engine, [[None]], [[None]])
    assert await engine.matrix([(START, END)]) == [None]


async def test_a_way_far_shorter_than_the_straight_line_is_of_other_places(fake, engine):
    """OSRM moves a car that is not on its map to the nearest street, at any distance."""
    fake.body = table_of(engine, [[900]], [[distance(*START, *FAR) / 2]])
    assert await engine.matrix([(START, FAR)]) == [None]


async def test_ends_may_be_moved_to_the_nearest_street(fake, engine):
    metres = distance(*START, *END) - 250
    fake.body = table_of(engine, [[100]], [[metres]])
    assert await engine.matrix([(START, END)]) == [(100, pytest.approx(metres))]


@pytest.mark.parametrize(
    ("seconds", "metres"),
    [(-1, 2000), (100, -2000), (10, 2000), (0, 2000), ("100", 2000), ([], 2000)],
    ids=["past", "negative", "faster than a car", "at once", "a string", "a list"],
)
async def test_an_impossible_drive_is_an_error(fake, engine, seconds, metres):
    fake.body = table_of(engine, [[seconds]], [[metres]])
    with pytest.raises(EngineError):
        await engine.matrix([(START, END)])


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999"], ids=["nan", "inf", "-inf", "overflow"]
)
async def test_no_number_is_an_error(fake, engine, number):
    fake.body = table_of(engine, [[77.25]], [[2000]]).replace(b"77.25", number.encode())
    with pytest.raises(EngineError):
        await engine.matrix([(START, END)])
    fake.body = table_of(engine, [[7]], [[math.pi * 1000]]).replace(b"3.14", f"{number}, ".encode())
    with pytest.raises(EngineError):
        await engine.matrix([(START, END)])


@pytest.mark.parametrize("sizes", [(), (0,), (1,), (3,), (2, 1), (2, 3), (2, 2, 2)])
async def test_a_matrix_of_another_size_is_an_error(fake, engine, sizes):
    cells = [[500] * size for size in sizes]
    fake.body = table_of(engine, cells, cells)
    with pytest.raises(EngineError):
        await engine.matrix([(START, END), (END, FAR)])


async def test_distances_of_another_size_than_durations_are_an_error(fake):
    engine = OSRM(fake.url)
    fake.body = (
        TABLES["osrm"]([[500]], [[500, 500]])
        and json.dumps(TABLES["osrm"]([[500]], [[500, 500]])).encode()
    )
    with pytest.raises(EngineError):
        await engine.matrix([(START, END)])
    await engine.close()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Please log in</html>",
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"code": "Ok"}',
        b'{"code": "InvalidQuery", "message": "no"}',
        b'{"error_code": 171, "error": "no"}',
        b'{"code": "Ok", "routes": []}',
        b'{"trip": {"summary": {"time": 9, "length": 1}, "legs": []}}',
        b'{"code": "Ok", "routes": [{"duration": 90, "distance": 1500, "geometry": 5}]}',
        b'{"code": "Ok", "routes": [{"duration": 90, "distance": 1500, "geometry": "a\\u0000"}]}',
        b"[" * 100_000,
    ],
)
async def test_an_answer_of_another_form_is_an_error(fake, engine, body):
    fake.body = body
    with pytest.raises(EngineError):
        await engine.matrix([(START, END)])
    with pytest.raises(EngineError):
        await engine.route(START, END)


@pytest.mark.parametrize("status", [204, 301, 400, 401, 404, 500, 503])
async def test_another_status_is_an_error_whatever_the_body(fake, engine, status):
    fake.status = status
    fake.headers += "location: /elsewhere\r\n"
    with pytest.raises(EngineError):
        await engine.matrix([(START, END)])
    assert len(fake.requests) == 1


async def test_an_engine_that_has_no_way_refuses(fake, engine):
    fake.status = 400
    fake.body = b'{"code": "NoSegment", "error_code": 171}'
    with pytest.raises(Refused):
        await engine.matrix([(START, END)])
    assert await engine.route(START, END) is None


async def test_a_body_above_the_bound_is_not_read(fake, engine):
    fake.body = b" " * (base.MAX_BODY + 1)
    with pytest.raises(EngineError, match="more than"):
        await engine.matrix([(START, END)])


async def test_a_compressed_body_is_not_unpacked(fake, engine):
    fake.headers += "content-encoding: gzip\r\n"
    fake.body = gzip.compress(table_of(engine, [[500]], [[1500]]))
    with pytest.raises(EngineError):
        await engine.matrix([(START, END)])


async def test_a_long_line_is_left_out(fake, engine):
    fake.line = "?" * (base.MAX_LINE + 1)
    assert (await engine.route(START, END)).line == ""


async def test_an_engine_that_hangs_is_given_up(fake, engine, monkeypatch):
    monkeypatch.setattr(base, "TIMEOUT", 0.05)
    fake.hangs = True
    with pytest.raises(EngineError, match="no answer"):
        async with asyncio.timeout(2):
            await engine.matrix([(START, END)])


async def test_an_engine_that_hangs_is_left_alone_whatever_is_to_be_asked(
    fake, engine, monkeypatch
):
    monkeypatch.setattr(base, "TIMEOUT", 0.05)
    fake.hangs = True
    pairs = [(START, (60 + number * 1e-3, 25.0)) for number in range(400)]
    async with asyncio.timeout(2):
        assert await Router(engine).legs(pairs) == [None] * 400
    # As many at once, and two more before the third failure.
    assert len(fake.requests) <= 4 + 2


async def test_an_engine_that_closes_gives_no_answer(fake, engine):
    fake.closes = True
    with pytest.raises(EngineError, match="no answer"):
        await engine.matrix([(START, END)])


async def test_no_engine_at_all_gives_no_answer():
    for engine in (OSRM("http://127.0.0.1:9"), Valhalla("http://127.0.0.1:9/")):
        with pytest.raises(EngineError) as caught:
            await engine.matrix([(START, END)])
        assert "60.16" not in str(caught.value)
        await engine.close()


async def test_the_environment_has_no_say(fake, engine, monkeypatch):
    """A proxy of the environment would get the places of all cars."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await engine.matrix([(START, END)]) != [None]


async def test_an_answer_that_is_not_http_is_an_error(engine, fake):
    async def serve(reader, writer):
        await reader.read(100)
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    engine.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(EngineError):
        await engine.matrix([(START, END)])
    server.close()


def test_the_straight_line_is_a_guess():
    leg = estimate(START, END)
    assert distance(*START, *END) < leg.metres < 2 * distance(*START, *END)
    assert leg.seconds == pytest.approx(leg.metres / 7)


def test_without_settings_there_is_no_engine():
    assert from_settings() is None
