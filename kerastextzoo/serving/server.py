"""Listening: a socket, a run's application on it, and a good end."""

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

from kerastextzoo.errors import InputError, quoted
from kerastextzoo.run import Run
from kerastextzoo.serving import require_libraries
from kerastextzoo.serving.requests import Limits

_WAITING_CONNECTIONS = 2048
_SECONDS_TO_END = 10
_LAST_PORT = 65_535


def serve(
    run: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    name: str | None = None,
    limits: Limits | None = None,
    allowed_hosts: Sequence[str] = (),
    ready: Callable[[Run, str], None] = lambda run, url: None,
) -> None:
    """Answer requests until a signal comes; those under way then have their answer.

    Args:
        run: What `train` or `tune` wrote.
        host: The address to listen on; the default can be reached from this machine alone.
        port: The port; 0: any that is free.
        name: In TensorFlow Serving's addresses; None: that of the run's folder.
        limits: How much is taken at a time; None: the defaults.
        allowed_hosts: Further names under which it answers. On an address of this machine alone it
            otherwise answers to that address and `localhost`, elsewhere to any name.
        ready: Called with the loaded run and its URL when requests are answered.

    Raises:
        InputError: A library is missing, `run` is no run, or the address can't be used.
    """
    require_libraries()
    import uvicorn

    from kerastextzoo.serving.application import create_application

    listening = _listen(host, port)
    try:
        loaded = Run(run)
        application = create_application(
            loaded,
            name or Path(run).resolve().name,
            limits,
            hosts=_hosts(host, allowed_hosts),
        )
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_SECONDS_TO_END,
        )
        ready(loaded, _url(listening))
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if not 0 <= port <= _LAST_PORT:
        raise InputError(f"can't listen on port {port}; a --port is 0 (any) to {_LAST_PORT}")
    try:
        return socket.create_server((host, port), family=family, backlog=_WAITING_CONNECTIONS)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"can't listen on {quoted(host)} port {port}: {reason}; give another --port (0: any "
            "that is free) or --host"
        ) from None


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _hosts(host: str, allowed: Sequence[str]) -> list[str]:
    if not _is_loopback(host) and not allowed:
        return ["*"]
    return ["localhost", "127.0.0.1", "[::1]", "::1", host, *allowed]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
