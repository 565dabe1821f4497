import pytest_asyncio

from tests.tracking.eta.fake_engine import serve


@pytest_asyncio.fixture
async def fake():
    async with serve() as engine:
        yield engine
