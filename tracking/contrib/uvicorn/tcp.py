"""TCP options, for both protocols."""

import asyncio
import socket


def set_tcp_option(transport: asyncio.BaseTransport, name: str, value: int) -> None:
    """Set an option such as "TCP_USER_TIMEOUT", if the connection is TCP and the system has it."""
    connection = transport.get_extra_info("socket")
    option = getattr(socket, name, None)
    if connection is None or option is None:
        return
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
