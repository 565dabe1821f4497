"""The log line of a connection, written when it ends."""

import logging

import pytest

from tracking import metrics
from tracking.consumers.record import ConnectionRecord

from ..sockets import Server, token_for

FACTS = ("route", "reason", "code", "received", "sent", "driver", "user")


def ends(caplog):
    """Return the log of the facts of ended connections."""
    return [
        {name: getattr(record, name) for name in FACTS}
        for record in caplog.records
        if record.message == "Connection ended"
    ]


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.INFO)


def end_of(record, code, caplog):
    record.end(code)
    return caplog.records[-1]


@pytest.mark.parametrize(
    ("code", "reason", "logged"),
    [
        (1000, "client_left", 1000),
        (1001, "client_left", 1001),
        (1005, "client_left", 1005),
        (1006, "connection_lost", 1006),
        (None, "connection_lost", 1006),
    ],
)
def test_end_that_the_client_made(code, reason, logged, caplog):
    line = end_of(ConnectionRecord("get-tracking"), code, caplog)
    assert (line.reason, line.code) == (reason, logged)


def test_first_reason_to_close_is_the_one_that_counts(caplog):
    record = ConnectionRecord("get-tracking")
    record.close(4401, "token_expired")
    record.close(1012, "server_restart")
    line = end_of(record, 4401, caplog)
    assert (line.reason, line.code) == ("token_expired", 4401)


def test_connections_have_ids_of_their_own():
    assert len({ConnectionRecord("get-tracking").id for _ in range(100)}) == 100


def test_ends_are_counted_by_route_and_code(caplog):
    def count():
        return metrics.connections_ended.values.get(("set-tracking", "1006"), 0)

    before = count()
    ConnectionRecord("set-tracking").end(1006)
    assert count() == before + 1


def test_codes_that_a_client_made_up_are_counted_as_one_and_logged_as_they_are(caplog):
    before = set(metrics.connections_ended.values)
    logged = {end_of(ConnectionRecord("made-up"), code, caplog).code for code in range(3000, 5000)}
    assert logged == set(range(3000, 5000))
    counted = {code for _, code in set(metrics.connections_ended.values) - before}
    assert counted == {"4400", "4401", "4403", "4408", "4429", "other"}


@pytest.mark.parametrize(("is_poll", "level"), [(False, "INFO"), (True, "DEBUG")])
def test_end_of_a_poll_is_a_detail(caplog, is_poll, level):
    caplog.set_level("DEBUG")
    ConnectionRecord("trip", is_poll=is_poll).end(1001)
    (line,) = [record for record in caplog.records if record.message == "Connection ended"]
    assert line.levelname == level


@pytest.mark.django_db(transaction=True)
async def test_handshake_tells_the_client_the_id_that_is_logged(app_layer, driver, caplog):
    server = Server("get", driver)
    accept, *_ = await server.client.events.reach(1)
    await server.end()
    (name, value), *_ = accept["headers"]
    assert name == b"x-connection-id"
    (line,) = [record for record in caplog.records if record.message == "Connection ended"]
    assert line.connection == value.decode()


@pytest.mark.django_db(transaction=True)
async def test_line_of_a_driver_has_counts_and_neither_token_nor_location(
    app_layer, driver, caplog
):
    token = token_for(driver)
    server = Server("set", driver)
    for _ in range(3):
        server.report(token, lat=1.23456)
    await server.client.events.reach(4)
    await server.end()
    assert ends(caplog) == [
        {
            "route": "set-tracking",
            "reason": "client_left",
            "code": 1000,
            "received": 3,
            "sent": 3,
            "driver": driver,
            "user": driver,
        }
    ]
    written = "".join(f"{vars(record)}" for record in caplog.records)
    for secret in (token, "1.23456"):
        assert secret not in written


@pytest.mark.django_db(transaction=True)
async def test_line_of_a_refused_connection_has_the_reason(app_layer, driver, caplog):
    server = Server("get", driver)
    server.send({"token": "nonsense", "command": "start"})
    await server.client.events.reach(3)
    await server.end()
    (line,) = ends(caplog)
    assert (line["reason"], line["code"], line["user"]) == ("token_invalid", 4401, None)
