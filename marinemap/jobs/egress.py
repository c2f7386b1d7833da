"""Requests that this site sends because a stranger asked for it: never into its own network."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from marinemap.errors import RequestError
from marinemap.sentences import say

# The body of a request, if it has one, and its further headers.
Sent: TypeAlias = tuple[bytes | None, Mapping[str, str]]
_MOST_CHARACTERS = 2_000
_PORTS = {"http": 80, "https": 443}
# For each step, and for all of it: who answers a byte at a time must not hold up others.
_STEP_SECONDS = 5.0
_ALL_SECONDS = 10.0
_MOST_OF_A_NAME = 253
# What of IPv6 is given to networks on the Internet (IANA, IPv6 Address Space), and that by which
# addresses of IPv4 are reached (RFC 6052). Others are reserved, or of one's own network.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_TRANSLATED_V6 = ipaddress.IPv6Network("64:ff9b::/96")
# Look-ups that nobody waits for any more go on until the resolver gives them up.
_looking_up = threading.BoundedSemaphore(32)


class NotOnInternetError(OSError):
    """A name is not known, or leads into a private network: for the operator to be told which."""


def check_uri(uri: object, field: str) -> str:
    """Return an address that may be called, as far as its text tells.

    What its name leads to is looked at when it is called.

    Raises
    ------
    RequestError
        If it is no http(s) address, names a user, or is an address of a private network.
    """
    if not isinstance(uri, str) or len(uri) > _MOST_CHARACTERS:
        raise RequestError(say("not an address of a page"), field=field, value=uri)
    try:
        parts = urlsplit(uri)
        is_sound = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        _check_labels(parts.hostname or "")
    except ValueError as error:
        raise RequestError(
            say("not an address: {error}", error=error), field=field, value=uri
        ) from error
    if not is_sound or not uri.isascii() or not uri.isprintable() or " " in uri:
        raise RequestError(
            say("an address begins with http:// or https:// and a host"), field=field, value=uri
        )
    if parts.username or parts.password:
        raise RequestError(
            say("a name and password in an address are not sent; put a key into its query"),
            field=field,
        )
    _check_literal(str(parts.hostname), field)
    return uri


def post_json(
    uri: str, body: bytes, headers: Mapping[str, str] | None = None, *, is_trusted: bool = False
) -> int:
    """Post JSON to an address and return the status of the answer; redirects are not followed.

    Parameters
    ----------
    uri : str
    body : bytes
    headers : mapping, optional
        Further ones.
    is_trusted : bool, optional
        Whether the operator gave the address: it may lead into a private network.

    Raises
    ------
    OSError
        If it cannot be reached, does not answer in time, or leads into a private network.
    """
    return _call("POST", uri, (body, headers or {}), 0, is_trusted)[0]


def fetch(uri: str, most_bytes: int) -> bytes:
    """Return what an address answers; redirects are not followed.

    Raises
    ------
    NotOnInternetError
        If its name is not known, or leads into a private network. Which of the two, and where it
        leads, is not for strangers: they would learn what is called how in the site's network.
    OSError
        As :func:`post_json` does; or if it answers another status than 200, or more bytes.
    """
    status, content = _call("GET", uri, (None, {}), most_bytes + 1)
    if status != 200:
        raise OSError(f"it answers {status}")
    if len(content) > most_bytes:
        raise OSError(f"it answers more than {most_bytes:,} bytes")
    return content


def _call(
    method: str, uri: str, sent: Sent, most_bytes: int, is_trusted: bool = False
) -> tuple[int, bytes]:
    parts = urlsplit(uri)
    port = parts.port or _PORTS[parts.scheme]
    # Resolved once: what was looked at is what is connected to.
    address = _address_of(str(parts.hostname), port, is_trusted)
    plain = socket.create_connection((address, port), _STEP_SECONDS)
    # Wrapped, a socket is another object: that one is closed, and cut off.
    with closing(_secured(plain, parts)) as connected:
        watch = threading.Timer(_ALL_SECONDS, _cut, [connected])
        # The end of the process waits for nobody.
        watch.daemon = True
        watch.start()
        try:
            if isinstance(connected, ssl.SSLSocket):
                connected.do_handshake()
            return _exchange(connected, parts, (method, sent), most_bytes)
        except http.client.HTTPException as error:
            raise OSError(f"it answers no HTTP: {error!r}") from error
        finally:
            watch.cancel()


def _secured(plain: socket.socket, parts: SplitResult) -> socket.socket:
    if parts.scheme == "http":
        return plain
    return ssl.create_default_context().wrap_socket(
        plain, server_hostname=parts.hostname, do_handshake_on_connect=False
    )


def _exchange(
    connected: socket.socket,
    parts: SplitResult,
    asked: tuple[str, Sent],
    most_bytes: int,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(str(parts.hostname), timeout=_STEP_SECONDS)
    connection.sock = connected
    target = parts.path or "/"
    target = f"{target}?{parts.query}" if parts.query else target
    headers = {
        "Host": parts.netloc,
        "User-Agent": "MarineMap",
        "Connection": "close",
    }
    method, (body, further) = asked
    kind = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, target, body, {**further, **headers, **kind})
    response = connection.getresponse()
    content = response.read(most_bytes) if most_bytes else b""
    response.close()
    connection.close()
    return response.status, content


def _cut(connected: socket.socket) -> None:
    # It may just have ended by itself.
    with suppress(OSError):
        # Of TLS as well: the farewell of the protocol would wait for the other side.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _address_of(host: str, port: int, is_trusted: bool) -> str:
    addresses = _look_up(host, port)
    for address in addresses:
        if not is_trusted and not _may_be_called(ipaddress.ip_address(address.partition("%")[0])):
            raise NotOnInternetError(f"{host} is {address}, an address of a private network")
    return addresses[0]


def _look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a name, in a thread: a look-up itself cannot be told to end."""
    answer: SimpleQueue[list[str] | OSError] = SimpleQueue()
    turns = _looking_up
    if not turns.acquire(timeout=_STEP_SECONDS):
        raise OSError(f"{host} was not looked up: other names take too long just now")
    try:
        asked = (host, port, answer, turns)
        threading.Thread(target=_resolve, args=asked, daemon=True).start()
    except RuntimeError as error:
        turns.release()
        raise OSError(f"{host} was not looked up: {error}") from error
    try:
        found = answer.get(timeout=_STEP_SECONDS)
    except Empty:
        raise TimeoutError(f"{host} was not found within {_STEP_SECONDS:g} s") from None
    if isinstance(found, OSError):
        raise found
    return found


def _resolve(
    host: str,
    port: int,
    answer: SimpleQueue[list[str] | OSError],
    turns: threading.BoundedSemaphore,
) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answer.put([str(entry[4][0]) for entry in found])
    except (OSError, UnicodeError) as error:
        answer.put(NotOnInternetError(str(error)))
    finally:
        turns.release()


def _check_labels(host: str) -> None:
    # As the look-up does, which would fail with no OSError (RFC 1035, section 2.3.4).
    if len(host) > _MOST_OF_A_NAME or host.startswith("."):
        raise ValueError(f"no host has more than {_MOST_OF_A_NAME} letters, nor begins with a dot")
    host.encode("idna")


def _check_literal(host: str, field: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not _may_be_called(address):
        raise RequestError(
            say("an address of a private network is not called"), field=field, value=host
        )


def _may_be_called(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if settings.MARINEMAP_CALLBACK_PRIVATE:
        return True
    # By such an address of IPv6 one of IPv4 is reached: what that one is counts.
    inner = None
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.sixtofour
        if address in _TRANSLATED_V6:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        elif address not in _GLOBAL_V6:
            return False
    return address.is_global and not address.is_multicast and (inner is None or inner.is_global)
