"""A server that sends back each message: `python -m tests.conformance.echo PORT`."""

import sys

import uvicorn

from tracking.contrib.uvicorn.http import HttpProtocol
from tracking.contrib.uvicorn.websocket import WebSocketProtocol


async def echo(scope, receive, send):
    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


if __name__ == "__main__":
    uvicorn.run(
        echo,
        port=int(sys.argv[1]),
        ws=WebSocketProtocol,
        http=HttpProtocol,
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="critical",
    )
