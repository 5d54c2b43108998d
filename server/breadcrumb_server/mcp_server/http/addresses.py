"""Decide where an HTTP server listens, and under which names clients may call it."""

import errno
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcp.server.transport_security import TransportSecuritySettings

from breadcrumb_storage.errors import BreadcrumbError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

_HINTS = {
    errno.EADDRINUSE: "Another program listens there. Try another --port.",
    errno.EACCES: "Ports below 1024 are not for everyone. Try another --port.",
}
_NOT_OURS = "Give --host an address of this machine, such as 127.0.0.1 or ::1."


@dataclass(frozen=True)
class Address:
    """An address to listen on.

    Attributes:
        family: Of the socket.
        parts: What the socket is bound to.
        ip: The address without its port.
        port: The port.
    """

    family: socket.AddressFamily
    parts: tuple[Any, ...]
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int


def resolve(host: str, port: int) -> Address:
    """Find the address of a host.

    Args:
        host: A name or address of this machine; an IPv6 one with or without brackets.
        port: 1 to 65535.

    Raises:
        BreadcrumbError: The name is unknown.
    """
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        # An empty name would be every address.
        found = socket.getaddrinfo(host or "?", port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICSERV)
    except (OSError, UnicodeError) as error:  # the latter of names that DNS cannot have
        raise BreadcrumbError(f"There is no host {host[:100]!r}.", why=str(error), hint=_NOT_OURS) from error
    family, _, _, _, parts = found[0]
    return Address(family, parts, ipaddress.ip_address(str(parts[0]).partition("%")[0]), port)


def listen(address: Address) -> socket.socket:
    """Bind a socket, so that a port in use is noticed before anything else is set up.

    Raises:
        BreadcrumbError: The port is in use or not allowed, or the address is not of this machine.
    """
    try:
        return socket.create_server(address.parts, family=address.family)
    except OSError as error:
        raise BreadcrumbError(
            f"Cannot listen on port {address.port} of {address.ip}.",
            why=os.strerror(error.errno or 0),
            hint=_HINTS.get(error.errno or 0, _NOT_OURS),
        ) from error


def url_of(address: Address, allowed_hosts: Sequence[str]) -> str:
    """Return the URL for clients; where the address says "any", by the first allowed name."""
    host = _in_url(address)
    if address.ip.is_unspecified:
        host = allowed_hosts[0] if allowed_hosts else "localhost"
    return f"http://{host}:{address.port}/mcp"


def check_host_name(text: str) -> str:
    """Return a name for ``--allow-host``, in small letters.

    Raises:
        ValueError: It is a URL, has a port or a wildcard, or is empty.
    """
    if text.startswith("[") and text.endswith("]"):
        return f"[{ipaddress.IPv6Address(text[1:-1])}]"
    if all(part.replace("-", "").replace("_", "").isalnum() for part in text.split(".")):
        return text.lower()
    raise ValueError(f"{text!r} is not the name of a host, such as breadcrumb, 10.0.0.5 or [fd00::5], without a port")


def security_settings(address: Address, allowed_hosts: Sequence[str]) -> TransportSecuritySettings:
    """Return the Host and Origin headers that are let through, so that no web page gets in by DNS rebinding.

    The SDK checks them by itself only where it is told a name of loopback, and is silent elsewhere.
    """
    own = () if address.ip.is_unspecified else (_in_url(address),)
    names = dict.fromkeys([*LOOPBACK_NAMES, *own, *allowed_hosts])
    hosts = [name + port for name in names for port in ("", ":*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts],
    )


def _in_url(address: Address) -> str:
    return f"[{address.ip}]" if address.ip.version == 6 else str(address.ip)
