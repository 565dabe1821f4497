"""Fixtures that give uvicorn's tests our protocol classes; copied beside these tests.

uvicorn's tests drive a protocol with mocks that have only the methods that uvicorn calls. The mocks
here also have the methods of asyncio's transports and event loops that our classes call.
"""

import pytest

from tests.protocols import test_http, test_websocket
from tracking.contrib.uvicorn.http import HttpProtocol
from tracking.contrib.uvicorn.websocket import WebSocketProtocol

FIXTURES = {"http_protocol_cls", "ws_protocol_cls"}


class MockTransport(test_http.MockTransport):
    """A mock transport that returns its protocol, and can be aborted."""

    protocol = None

    def get_protocol(self):
        return self.protocol

    def set_protocol(self, protocol):
        self.protocol = protocol

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def abort(self):
        self.closed = True


class MockWriteTransport(test_websocket.MockWriteTransport):
    def set_write_buffer_limits(self, high=None, low=None):
        pass


class MockLoop(test_http.MockLoop):
    """A mock event loop whose `call_soon` calls at once."""

    def call_soon(self, callback, *args):
        callback(*args)


class IntroducedHttpProtocol(HttpProtocol):
    """Our protocol, which sets itself as the mock transport's protocol, as asyncio does."""

    def connection_made(self, transport):
        if isinstance(transport, MockTransport):
            transport.set_protocol(self)
        super().connection_made(transport)


@pytest.fixture
def http_protocol_cls():
    return IntroducedHttpProtocol


@pytest.fixture
def ws_protocol_cls():
    return WebSocketProtocol


@pytest.fixture(autouse=True)
def _complete_mocks(monkeypatch):
    monkeypatch.setattr(test_http, "MockTransport", MockTransport)
    monkeypatch.setattr(test_http, "MockLoop", MockLoop)
    monkeypatch.setattr(test_websocket, "MockWriteTransport", MockWriteTransport)


def pytest_collection_modifyitems(config, items):
    """Deselect the tests that name a class of uvicorn's, so do not test ours."""
    ours = [item for item in items if FIXTURES & set(item.fixturenames)]
    config.hook.pytest_deselected(items=[item for item in items if item not in ours])
    items[:] = ours
