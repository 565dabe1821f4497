import pytest
from channels.routing import ProtocolTypeRouter
from channels.testing import HttpCommunicator, WebsocketCommunicator

from tracking.runtime import get_runtime
from tracking.serving.wrap import wrap

from ..fakes import within_deadline

pytestmark = pytest.mark.django_db(transaction=True)


async def page(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def chat(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})


HOST = ProtocolTypeRouter({"http": page, "websocket": chat})


@pytest.fixture(autouse=True)
async def _runtime(app_layer):
    yield
    await within_deadline(get_runtime().close())


async def get(path, *headers):
    asking = HttpCommunicator(wrap(HOST), "GET", path, headers=headers)
    answer = await within_deadline(asking.get_response())
    return answer["status"], answer["body"]


@pytest.mark.parametrize("path", ["/", "/driver/1/map/", "/health/", "/metrics/"])
async def test_hosts_paths_stay_its_own(path):
    """`/metrics/` is the host's too, as long as no token is set for ours."""
    assert await get(path) == (200, path.encode())


async def test_health_needs_no_route_of_the_host():
    assert (await get("/health/live/"))[1].startswith(b'{"status":"ok"')
    assert (await get("/health/ready"))[1].startswith(b'{"status":"ready"')


async def test_metrics_need_no_route_of_the_host(settings):
    settings.TRACKING = {"METRICS_TOKEN": "t" * 40}
    status, body = await get("/metrics/", (b"authorization", b"Bearer " + b"t" * 40))
    assert status == 200
    assert b"\ntracking_draining 0.0\n" in body
    assert (await get("/metrics/"))[0] == 401


async def test_hosts_own_sockets_are_refused_while_draining():
    socket = WebsocketCommunicator(wrap(HOST), "/chat/")
    assert (await socket.connect())[0]
    get_runtime().draining = True
    socket = WebsocketCommunicator(wrap(HOST), "/chat/")
    assert not (await socket.connect())[0]
