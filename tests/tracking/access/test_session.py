import asyncio
import itertools
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import InterfaceError, OperationalError

from tracking import revocation
from tracking.access import session as session_module
from tracking.access.identities import Identities
from tracking.access.principals import PrincipalId
from tracking.access.registry import Registry
from tracking.access.session import Session
from tracking.access.tokens import Claims
from tracking.engine.receiver import Receiver
from tracking.protocol import (
    Forbidden,
    InvalidMessage,
    OverCapacity,
    TokenExpired,
    TokenInvalid,
)

from ..fakes import DEADLINE, Loads, Log, settle, within_deadline

USER, OTHER = 22, 23


numbers = itertools.count()


def token(user_id=USER, lifetime=3600.0):
    """Return a token for `read`. Unlike a real one, it may expire at a fraction of a second."""
    return json.dumps([user_id, time.time() + lifetime, next(numbers)])


def read(token):
    user_id, expires_at, _ = json.loads(token)
    if expires_at <= time.time():
        raise TokenExpired
    return Claims(user_id, expires_at)


@pytest.fixture(autouse=True)
def _short_lived_tokens(monkeypatch):
    monkeypatch.setattr(session_module, "verify", read)


class Account(str):
    """A user that is nothing but its name."""

    pk = USER
    password = "the hash of a password"


class Gatekeeper:
    """A policy that records the users that it was asked about."""

    def __init__(self):
        self.permits = True
        self.error = None
        self.asked = Log()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, principal):
        self.asked.append(principal.user)
        permits = self.permits  # Read at the call, as a query's result is.
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return permits


def identities(loads):
    return Identities(lambda _function, user_ids: loads(user_ids))


@pytest.fixture
def loads():
    return Loads({USER: Account("the user"), OTHER: Account("another user")})


@pytest.fixture
def gatekeeper():
    return Gatekeeper()


@pytest.fixture
def ends():
    return Log()


@pytest.fixture
async def registry(layer):
    receiver = Receiver(layer)
    yield Registry(receiver)
    await receiver.close()


@pytest.fixture
async def session(loads, registry, gatekeeper, ends):
    users = identities(loads)
    session = Session(users, registry, gatekeeper, ends.append)
    yield session
    session.close()
    loads.gate.set()
    await users.close()
    await settle()


class Clock:
    """Puts the time of day and the event loop's time forward, so that timers are due early."""

    def __init__(self, monkeypatch):
        self._ahead = 0.0
        for source in (time, asyncio.get_running_loop()):
            monkeypatch.setattr(source, "time", self._following(source.time))

    def _following(self, read):
        return lambda: read() + self._ahead

    async def advance(self, seconds):
        self._ahead += seconds
        await settle()


@pytest.fixture
async def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def recheck_often(monkeypatch):
    monkeypatch.setattr(session_module, "RECHECK_INTERVAL", 0.01)


# Opening


async def test_a_good_token_of_a_permitted_user_opens_a_session(session, gatekeeper, ends):
    await session.authenticate(token())
    assert (gatekeeper.asked, ends) == (["the user"], [])


async def test_an_open_session_has_the_principal_of_its_token_and_nothing_before(session):
    assert session.principal is None
    await session.authenticate(token())
    assert session.principal == PrincipalId("user", USER)


async def test_the_token_of_an_open_session_is_not_checked_again(session, gatekeeper, loads):
    good = token()
    for _ in range(5):
        await session.authenticate(good)
    assert (len(loads.calls), len(gatekeeper.asked)) == (1, 1)


async def test_a_user_who_is_deleted_or_inactive_is_refused(session):
    with pytest.raises(TokenInvalid):
        await session.authenticate(token(user_id=99))


async def test_a_user_who_is_not_permitted_is_refused(session, gatekeeper):
    gatekeeper.permits = False
    with pytest.raises(Forbidden):
        await session.authenticate(token())


async def test_a_refused_token_is_checked_again_next_time(session, gatekeeper):
    good = token()
    gatekeeper.permits = False
    with pytest.raises(Forbidden):
        await session.authenticate(good)
    gatekeeper.permits = True
    await session.authenticate(good)
    assert len(gatekeeper.asked) == 2


async def test_an_expired_token_is_refused(session, loads):
    with pytest.raises(TokenExpired):
        await session.authenticate(token(lifetime=-1))
    assert loads.calls == []


async def test_another_users_token_is_forbidden_and_the_session_stays(session, ends, gatekeeper):
    good = token()
    await session.authenticate(good)
    with pytest.raises(Forbidden):
        await session.authenticate(token(OTHER))
    await session.authenticate(good)
    assert (len(gatekeeper.asked), ends) == (1, [])


async def test_an_unavailable_database_opens_no_session(session, loads):
    loads.error = OSError("connection refused")
    with pytest.raises(OSError, match="connection refused"):
        await session.authenticate(token())


# Expiry


async def test_a_session_ends_when_its_token_expires_without_a_message(session, ends, clock):
    await session.authenticate(token(lifetime=1000))
    await clock.advance(900)
    assert ends == []
    await clock.advance(100)
    (end,) = await ends.reach(1)
    assert isinstance(end, TokenExpired)


async def test_the_token_of_a_session_is_refused_once_it_has_expired(session, monkeypatch):
    good = token()
    await session.authenticate(good)
    later = time.time() + 3601
    monkeypatch.setattr(session_module.time, "time", lambda: later)
    with pytest.raises(TokenExpired):
        await session.authenticate(good)


async def test_a_token_that_expires_while_its_user_is_loaded_ends_the_session(
    session, loads, ends, clock
):
    loads.gate.clear()
    opening = asyncio.create_task(session.authenticate(token(lifetime=100)))
    await loads.calls.reach(1)
    await clock.advance(100)
    loads.gate.set()
    await within_deadline(opening)
    (end,) = await ends.reach(1)
    assert isinstance(end, TokenExpired)


async def test_a_newer_token_of_the_same_user_extends_the_session(session, ends, clock):
    await session.authenticate(token(lifetime=100))
    await session.authenticate(token(lifetime=1000))
    await clock.advance(900)
    assert ends == []
    await clock.advance(100)
    await ends.reach(1)
    await settle()
    assert len(ends) == 1


async def test_an_older_token_that_comes_late_shortens_nothing(session, ends, gatekeeper, clock):
    await session.authenticate(token(lifetime=1000))
    await session.authenticate(token(lifetime=100))
    assert len(gatekeeper.asked) == 1
    await clock.advance(900)
    assert ends == []
    await clock.advance(100)
    await ends.reach(1)


async def test_a_message_without_a_token_needs_one_that_was_accepted(session):
    with pytest.raises(InvalidMessage, match="token is missing"):
        await session.authenticate(None)
    await session.authenticate(token())
    await session.authenticate(None)


async def test_without_a_token_an_expired_session_is_refused_too(session, monkeypatch):
    await session.authenticate(token())
    later = time.time() + 3601
    monkeypatch.setattr(session_module.time, "time", lambda: later)
    with pytest.raises(TokenExpired):
        await session.authenticate(None)


async def test_a_client_that_asks_is_warned_once_before_each_token_expires(
    session, ends, clock, monkeypatch
):
    monkeypatch.setattr(session_module, "EXPIRY_WARNING", 100.0)
    warnings = Log()
    await session.authenticate(token(lifetime=1000))
    session.warn_with(warnings.append)
    await clock.advance(900)
    # Less what this machine has taken.
    assert await warnings.reach(1) == [pytest.approx(100, abs=20)]
    await session.authenticate(token(lifetime=1000))
    await clock.advance(900)
    assert await warnings.reach(2) == [pytest.approx(100, abs=20)] * 2
    await clock.advance(100)
    await ends.reach(1)
    assert len(warnings) == 2


async def test_a_token_that_expires_soon_gets_no_warning(session, ends, clock, monkeypatch):
    monkeypatch.setattr(session_module, "EXPIRY_WARNING", 100.0)
    warnings = Log()
    await session.authenticate(token(lifetime=50))
    session.warn_with(warnings.append)
    await clock.advance(50)
    await ends.reach(1)
    assert warnings == []


async def test_a_user_has_a_limited_number_of_sessions(
    session, loads, registry, gatekeeper, ends, settings
):
    settings.TRACKING = {"MAX_CONNECTIONS_PER_USER": 1}
    second = Session(identities(loads), registry, gatekeeper, ends.append)
    await session.authenticate(token())
    with pytest.raises(OverCapacity, match="this user"):
        await second.authenticate(token())
    await session.authenticate(token())  # Authenticating the same session again counts once.
    session.close()
    await second.authenticate(token())
    assert registry.count(USER) == 1
    second.close()


async def test_an_expiry_is_on_time_while_the_user_is_being_checked_again(
    session, loads, ends, clock, recheck_often
):
    await session.authenticate(token(lifetime=1000))
    loads.gate.clear()  # the database stops answering
    await loads.calls.reach(2)
    await clock.advance(1000)
    (end,) = await ends.reach(1)
    assert isinstance(end, TokenExpired)


async def test_a_renewal_during_a_check_counts(session, gatekeeper, ends, clock, recheck_often):
    await session.authenticate(token(lifetime=100))
    slow, quick = asyncio.Event(), gatekeeper.gate
    gatekeeper.gate = slow
    await gatekeeper.asked.reach(2)  # the check of the first token is under way
    gatekeeper.gate = quick
    await session.authenticate(token(lifetime=1000))
    slow.set()
    await clock.advance(900)
    assert ends == []
    await clock.advance(100)
    await ends.reach(1)


async def test_a_closed_session_does_not_expire(session, ends, clock):
    await session.authenticate(token(lifetime=100))
    session.close()
    await clock.advance(100)
    assert ends == []


# Checking again


async def test_a_user_is_checked_again_and_again(session, gatekeeper, ends, recheck_often):
    await session.authenticate(token())
    await gatekeeper.asked.reach(4)
    assert ends == []


async def test_a_user_who_was_deactivated_meanwhile_loses_the_session(
    session, loads, ends, recheck_often
):
    await session.authenticate(token())
    del loads.values[USER]
    (end,) = await ends.reach(1)
    assert isinstance(end, TokenInvalid)


async def test_a_user_who_lost_the_permission_loses_the_session(
    session, gatekeeper, ends, recheck_often
):
    await session.authenticate(token())
    gatekeeper.permits = False
    (end,) = await ends.reach(1)
    assert isinstance(end, Forbidden)


async def test_a_session_ends_once(session, gatekeeper, ends, clock, recheck_often):
    await session.authenticate(token(lifetime=100))
    gatekeeper.permits = False
    await ends.reach(1)
    await clock.advance(100)
    assert len(ends) == 1


async def test_an_unavailable_database_keeps_the_session_and_is_asked_again(
    session, loads, gatekeeper, ends, recheck_often, caplog
):
    await session.authenticate(token())
    loads.error = OSError("connection refused")
    await loads.calls.reach(4)
    loads.error = None
    await gatekeeper.asked.reach(3)
    assert ends == []
    assert "connection refused" in caplog.text


async def test_a_session_still_expires_while_the_database_is_unavailable(
    session, loads, ends, clock, recheck_often
):
    await session.authenticate(token(lifetime=1000))
    loads.error = OSError("connection refused")
    await loads.calls.reach(3)
    assert ends == []
    await clock.advance(1000)
    (end,) = await ends.reach(1)
    assert isinstance(end, TokenExpired)


async def test_a_client_that_starts_repeatedly_is_still_checked(session, gatekeeper, monkeypatch):
    monkeypatch.setattr(session_module, "RECHECK_INTERVAL", 0.05)
    await session.authenticate(token())
    async with asyncio.timeout(DEADLINE):
        while len(gatekeeper.asked) < 3:
            session.warn_with(None)
            await asyncio.sleep(0.01)  # must be shorter than the interval


async def test_a_warning_does_not_replace_a_check(session, gatekeeper, clock, monkeypatch):
    monkeypatch.setattr(session_module, "EXPIRY_WARNING", 100.0)
    monkeypatch.setattr(session_module, "RECHECK_INTERVAL", 900.0)
    warnings = Log()
    await session.authenticate(token(lifetime=1000))
    session.warn_with(warnings.append)
    await clock.advance(900)  # both are due when the loop goes on
    await warnings.reach(1)
    await settle()
    assert len(gatekeeper.asked) == 2


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("connection refused"),
        InterfaceError("connection refused"),
        TimeoutError("connection refused"),
    ],
)
async def test_a_policy_that_cannot_reach_the_database_keeps_the_session(
    session, gatekeeper, ends, recheck_often, error
):
    await session.authenticate(token())
    gatekeeper.error = error
    await gatekeeper.asked.reach(4)
    assert ends == []


async def test_a_policy_that_fails_ends_the_session(session, gatekeeper, ends, caplog):
    await session.authenticate(token())
    gatekeeper.error = LookupError("no such city")
    session.recheck()
    (end,) = await ends.reach(1)
    assert isinstance(end, Forbidden)
    assert "checking it again failed" in caplog.text
    assert "no such city" in caplog.text


async def test_closing_cancels_the_check_under_way(session, loads, ends, recheck_often):
    await session.authenticate(token())
    loads.gate.clear()
    del loads.values[USER]
    await loads.calls.reach(2)
    session.close()
    loads.gate.set()
    await settle()
    assert ends == []


async def test_many_sessions_share_the_queries_of_their_checks(loads, registry):
    users = identities(loads)
    loads.values = {user_id: Account(user_id) for user_id in range(1, 201)}
    ends, asked = Log(), Gatekeeper()
    sessions = [Session(users, registry, asked, ends.append) for _ in range(200)]
    opening = [s.authenticate(token(number)) for number, s in enumerate(sessions, start=1)]
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*opening)
    assert len(loads.calls) == 1
    for session in sessions:
        session.close()
    await users.close()


# Cutting off


async def test_a_session_is_checked_again_on_a_recheck_event(
    session, registry, layer, gatekeeper, ends
):
    await session.authenticate(token())
    gatekeeper.permits = False
    await layer.group_send(revocation.GROUP, {"type": revocation.GROUP, "users": [OTHER, USER]})
    (end,) = await ends.reach(1)
    assert isinstance(end, Forbidden)


async def test_other_users_sessions_are_left_alone(session, layer, gatekeeper):
    await session.authenticate(token())
    await layer.group_send(revocation.GROUP, {"type": revocation.GROUP, "users": [OTHER]})
    await settle(100)
    assert len(gatekeeper.asked) == 1


async def test_a_change_during_the_first_check_is_noticed(session, layer, gatekeeper, loads):
    gatekeeper.gate.clear()
    opening = asyncio.create_task(session.authenticate(token()))
    await gatekeeper.asked.reach(1)
    del loads.values[USER]
    session.recheck()
    gatekeeper.gate.set()
    with pytest.raises(TokenInvalid):
        await within_deadline(opening)


async def test_a_change_during_a_later_check_is_noticed(session, gatekeeper, loads, ends):
    await session.authenticate(token())
    gatekeeper.gate.clear()
    session.recheck()
    await gatekeeper.asked.reach(2)
    del loads.values[USER]
    session.recheck()
    gatekeeper.gate.set()
    (end,) = await ends.reach(1)
    assert isinstance(end, TokenInvalid)


async def test_a_changed_password_ends_the_session(session, loads, ends):
    await session.authenticate(token())
    loads.values[USER] = Account("the user")
    loads.values[USER].password = "the hash of another password"
    session.recheck()
    (end,) = await ends.reach(1)
    assert isinstance(end, TokenInvalid)


async def test_a_token_issued_after_the_change_of_password_keeps_the_session(session, loads, ends):
    await session.authenticate(token())
    loads.values[USER] = Account("the user")
    loads.values[USER].password = "the hash of another password"
    await session.authenticate(token())
    session.recheck()
    await loads.calls.reach(3)
    await settle()
    assert ends == []


async def test_a_permission_ends_at_its_time(session, gatekeeper, ends):
    gatekeeper.permits = datetime.now(UTC) + timedelta(seconds=0.2)
    await session.authenticate(token())
    await gatekeeper.asked.reach(1)
    gatekeeper.permits = False
    (end,) = await ends.reach(1)
    assert isinstance(end, Forbidden)
    assert len(gatekeeper.asked) == 2


async def test_a_permission_that_was_prolonged_stays_valid(session, gatekeeper, ends):
    gatekeeper.permits = datetime.now(UTC) + timedelta(seconds=0.2)
    await session.authenticate(token())
    gatekeeper.permits = True
    await gatekeeper.asked.reach(2)
    await settle()
    assert ends == []


async def test_a_permission_ends_at_its_time_though_the_database_is_unavailable(
    session, gatekeeper, loads, ends
):
    gatekeeper.permits = datetime.now(UTC) + timedelta(seconds=0.2)
    await session.authenticate(token())
    loads.error = OSError("connection refused")
    (end,) = await ends.reach(1)
    assert isinstance(end, Forbidden)


async def test_a_permission_ends_at_its_time_though_the_database_does_not_answer(
    session, gatekeeper, loads, ends
):
    until = datetime.now(UTC) + timedelta(seconds=0.2)
    gatekeeper.permits = until
    await session.authenticate(token())
    loads.gate.clear()
    (end,) = await ends.reach(1)
    assert isinstance(end, Forbidden)
    assert until <= datetime.now(UTC) < until + timedelta(seconds=1)
    del loads.values[USER]
    loads.gate.set()
    await settle()
    assert len(ends) == 1


async def test_an_answer_that_comes_a_little_late_prolongs_the_permission(
    session, gatekeeper, loads, ends
):
    until = datetime.now(UTC) + timedelta(seconds=0.1)
    gatekeeper.permits = until
    await session.authenticate(token())
    gatekeeper.permits = True
    loads.gate.clear()
    await loads.calls.reach(2)
    loads.gate.set()
    await asyncio.sleep(session_module.PROLONGING_TIMEOUT + 0.1)  # the answer has come by then
    assert ends == []


async def test_a_change_during_a_renewal_is_noticed_though_another_check_is_made_too(
    session, gatekeeper
):
    await session.authenticate(token())
    renewing = gatekeeper.gate = asyncio.Event()
    renewal = asyncio.create_task(session.authenticate(token(lifetime=7200)))
    await gatekeeper.asked.reach(2)  # the renewal has loaded the user before the change
    gatekeeper.permits = False
    gatekeeper.gate = asyncio.Event()
    session.recheck()
    await gatekeeper.asked.reach(3)  # the older token's check runs at the same time
    gatekeeper.gate.set()
    renewing.set()
    with pytest.raises(Forbidden):
        await within_deadline(renewal)


async def test_a_newer_token_is_judged_again_when_the_older_one_fails_after_it_came(
    session, gatekeeper, ends
):
    await session.authenticate(token())
    opened, gatekeeper.gate = gatekeeper.gate, asyncio.Event()
    gatekeeper.permits = False
    session.recheck()
    await gatekeeper.asked.reach(2)  # the older token is about to fail
    checking, gatekeeper.gate = gatekeeper.gate, opened
    gatekeeper.permits = True  # the newer token is accepted under the old permission
    await session.authenticate(token(lifetime=7200))
    gatekeeper.permits = False
    checking.set()
    (end,) = await ends.reach(1)
    assert isinstance(end, Forbidden)
    assert len(gatekeeper.asked) == 4


async def test_a_token_that_is_not_verified_yet_does_not_count_for_its_user(
    session, loads, registry, gatekeeper, ends, settings
):
    """Otherwise a stranger could lock a user out by sending tokens with that user's id."""
    settings.TRACKING = {"MAX_CONNECTIONS_PER_USER": 1}
    gatekeeper.permits = False
    gatekeeper.gate.clear()
    refused = [Session(identities(loads), registry, gatekeeper, ends.append) for _ in range(3)]
    attempts = [asyncio.create_task(each.authenticate(token())) for each in refused]
    await gatekeeper.asked.reach(3)
    assert registry.count(USER) == 0
    gatekeeper.gate.set()
    for attempt in attempts:
        with pytest.raises(Forbidden):
            await within_deadline(attempt)
    gatekeeper.permits = True
    await session.authenticate(token())
    assert registry.count(USER) == 1


async def test_a_change_of_the_user_whom_a_session_is_about_has_it_checked_again(
    session, registry, gatekeeper, ends
):
    session.about = OTHER
    await session.authenticate(token())
    gatekeeper.permits = False
    await registry._recheck({"users": [OTHER]})
    (end,) = await ends.reach(1)
    assert isinstance(end, Forbidden)
    session.close()
    assert not registry._about


async def test_a_session_that_has_ended_is_removed(session, registry, gatekeeper):
    await session.authenticate(token())
    assert registry.count(USER) == 1
    session.close()
    assert registry.count(USER) == 0
    gatekeeper.permits = False
    with pytest.raises(Forbidden):
        await Session(session._identities, registry, gatekeeper, Log().append).authenticate(token())
    assert registry.count(USER) == 0
