import signal
import threading

import pytest

from tracking.contrib.uvicorn.config import Config
from tracking.contrib.uvicorn.server import Server


@pytest.fixture
def server(monkeypatch):
    # uvicorn would configure logging for the whole process.
    monkeypatch.setattr(Config, "configure_logging", lambda self: None)
    return Server(Config("tracking.serving.asgi:application", drain="tracking.serving.asgi:drain"))


def test_main_thread_stops_the_server_on_sighup_and_restores_the_handler(server):
    before = signal.getsignal(signal.SIGHUP)
    with server.capture_signals():
        assert signal.getsignal(signal.SIGHUP) == server.handle_exit
    assert signal.getsignal(signal.SIGHUP) == before


def test_server_in_another_thread_leaves_signals_alone(server):
    before, during = signal.getsignal(signal.SIGHUP), []

    def serve():
        with server.capture_signals():
            during.append(signal.getsignal(signal.SIGHUP))

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert during == [before]


def test_system_without_sighup_serves(server, monkeypatch):
    monkeypatch.delattr(signal, "SIGHUP")
    with server.capture_signals():
        assert signal.getsignal(signal.SIGTERM) == server.handle_exit
