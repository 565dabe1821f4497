"""Health, metrics and logs of a real server, of either kind."""

import asyncio
import json
import urllib.request

import pytest

from .client import DEADLINE


def ask(url):
    """Request a path like a load balancer, which knows an address and no host name."""
    request = urllib.request.Request(url, headers={"Host": "10.0.0.1:80"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status, json.load(answer)


def test_server_is_alive_and_ready_whatever_host_is_asked_for(stack):
    status, answer = ask(f"{stack.driver_server.http_url}/health/live/")
    assert (status, answer["status"]) == (200, "ok")
    status, answer = ask(f"{stack.driver_server.http_url}/health/ready/")
    assert (status, answer["status"]) == (200, "ready")


@pytest.mark.parametrize("reason", ["client_left", "connection_lost"])
async def test_client_can_quote_the_id_under_which_its_connection_is_logged(cluster_stack, reason):
    number = cluster_stack.new_driver()
    async with cluster_stack.driver(number) as phone:
        await phone.send("12.34567", "2.5")
        quoted = phone._connection.response.headers["X-Connection-Id"]
        if reason == "connection_lost":
            phone._connection.transport.abort()
    async with asyncio.timeout(DEADLINE):
        while quoted not in (log := cluster_stack.log()):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)
    (line,) = [json.loads(line) for line in log.splitlines() if quoted in line]
    assert (line["event"], line["reason"], line["driver"]) == (
        "Connection ended",
        reason,
        number,
    )
    assert "12.34567" not in log
    assert cluster_stack.tokens[number] not in log
