"""The socket of a server, which listens before the server runs."""

import socket

from bertspec.core.errors import EnvironmentFault


def listen(
    host: str,
    port: int,
    code: str = "E503",
    advice: str = "choose another --port, or a --host of this machine",
) -> socket.socket:
    """Port 0 is any that is free.

    Raises EnvironmentFault, with this code, for an address that cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise EnvironmentFault.of(
            code,
            f"cannot listen at {host}, port {port}: {error.strerror or error}",
            advice,
        ) from None
    # Connections inherit it. asyncio sets it for sockets that name their protocol, as this does
    # not; without it, a client has the end of an answer 40 ms late (Nagle and delayed ACK).
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
