import pytest_asyncio

from tests.tracking.eta.fake_engine import serve

from ..trips.conftest import new_user as new_user


@pytest_asyncio.fixture
async def fake():
    async with serve() as engine:
        yield engine
