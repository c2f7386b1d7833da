"""Which network a request comes from."""

from __future__ import annotations

import ipaddress
import re

from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from marinemap.api.conf import is_behind_proxy

# A household or an office has all addresses of such a network, and takes a new one at will.
_IPV6_PREFIX = 64
# Some proxies add the port: 192.0.2.7:5000, [2001:db8::1]:5000.
_WITH_PORT = re.compile(r"^(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[\d.]+))(?::\d+)?$")


def address_of(request: HttpRequest) -> str:
    """Return a digest of the network that a request comes from: the same for the same network.

    A digest, for jobs are kept for a year and nobody has to know who asked for them.
    """
    network = network_of(request)
    digest = salted_hmac("marinemap.address", network, algorithm="sha256")
    return f"address:{digest.hexdigest()[:32]}"


def network_of(request: HttpRequest) -> str:
    """Return the address of the client, of IPv6 its /64 network; ``unknown`` for none.

    Behind a proxy it is the last that ``X-Forwarded-For`` names, which the proxy has added;
    whatever stands before that was sent by the client.
    """
    if is_behind_proxy():
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if network := _network(forwarded):
            return network
    return _network(request.META.get("REMOTE_ADDR", "")) or "unknown"


def _network(text: str) -> str | None:
    if match := _WITH_PORT.match(text):
        text = match["v6"] or match["v4"]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
