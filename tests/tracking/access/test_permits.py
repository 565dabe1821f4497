"""The remembered permissions of requests, with identities set by hand."""

import asyncio
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from tracking.access import permits as access_permits
from tracking.access.permits import Permits
from tracking.access.tokens import Claims
from tracking.protocol import Forbidden, TokenInvalid

from ..fakes import settle, within_deadline


class Registry:
    def __init__(self):
        self.sessions = []

    async def listen(self):
        pass

    def add(self, user_id, session):
        self.sessions.append(session)

    def discard(self, user_id, session):
        self.sessions.remove(session)

    def notice(self):
        for session in self.sessions:
            session.recheck()


class Identities:
    def __init__(self):
        self.calls = 0
        self.error = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def user_of(self, claims):
        self.calls += 1
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return SimpleNamespace(pk=claims.user_id, permitted=True)


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1_000.0, time=lambda: clock.now)
    monkeypatch.setattr(access_permits, "time", clock)
    monkeypatch.setattr(access_permits, "verify", lambda token: Claims(19, 9_999.0))
    return clock


@pytest.fixture
async def permits(clock):
    async def authorize(user):
        return user.permitted

    permits = Permits(Identities(), Registry(), authorize)
    permits.identities, permits.registry = permits._identities, permits._registry
    yield permits
    await within_deadline(permits.close())


async def test_requests_at_the_same_time_share_one_check(permits):
    found = await within_deadline(asyncio.gather(*(permits.user_of("t") for _ in range(9))))
    assert found == [19] * 9
    assert permits.identities.calls == 1
    assert await permits.user_of("t") == 19
    assert permits.identities.calls == 1


async def test_permission_is_renewed_while_it_stands(permits, clock):
    await permits.user_of("t")
    clock.now += access_permits.RENEWAL
    permits.identities.answers.clear()
    # Without waiting for the check.
    assert [await permits.user_of("t"), await permits.user_of("t")] == [19, 19]
    permits.identities.answers.set()
    await settle()
    assert permits.identities.calls == 2
    assert len(permits.registry.sessions) == 1


async def test_notice_ends_the_permission(permits):
    await permits.user_of("t")
    permits.registry.notice()
    permits.identities.error = TokenInvalid()
    with pytest.raises(TokenInvalid):
        await permits.user_of("t")
    assert permits.registry.sessions == []


async def test_check_that_a_notice_overtakes_is_repeated(permits):
    permits.identities.answers.clear()
    asked = asyncio.create_task(permits.user_of("t"))
    await settle()
    permits.registry.notice()
    permits.identities.answers.set()
    assert await within_deadline(asked) == 19
    assert permits.identities.calls == 2


async def test_refused_renewal_ends_the_permission(permits, clock):
    await permits.user_of("t")
    clock.now += access_permits.RENEWAL
    permits.identities.error = Forbidden()
    await permits.user_of("t")
    await settle()
    assert len(permits) == 0
    with pytest.raises(Forbidden):
        await permits.user_of("t")


async def test_permission_stands_only_until_its_end_while_the_database_fails(permits, clock):
    await permits.user_of("t")
    permits.identities.error = OperationalError()
    clock.now += access_permits.RENEWAL
    await permits.user_of("t")
    await settle()
    assert await permits.user_of("t") == 19
    clock.now += access_permits.RECHECK_INTERVAL
    with pytest.raises(OperationalError):
        await permits.user_of("t")


async def test_oldest_permissions_are_forgotten(permits, monkeypatch):
    monkeypatch.setattr(access_permits, "MAX_PERMITS", 2)
    for token in "abc":
        await permits.user_of(token)
    assert len(permits) == len(permits.registry.sessions) == 2
