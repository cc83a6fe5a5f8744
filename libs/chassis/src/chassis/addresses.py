"""Whether addresses and URLs of settings can be any: each function gives back what it was given, or raises ValueError saying what
was expected, and quotes nothing, since URLs hold passwords.
"""

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

_LAST_PORT: Final = 65_535
_PLACE: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]@,]+)(:([0-9]{1,5}))?")
_RESOLVER: Final = re.compile(r"(dns:(///)?|ipv4:|ipv6:)")
_WEB_SOCKETS: Final = {"ws", "wss"}


def place(text: str) -> str:
    """`host:port`, `[::1]:port`."""
    return _place(text, "must be host:port")


def target(text: str) -> str:
    """What a channel is made to: `host:port`, `dns:///host:port`, `ipv4:` or `ipv6:` with several of them."""
    for each in _RESOLVER.sub("", text, count=1).split(","):
        _place(each, "must be host:port or dns:///host:port")
    return text


def _place(text: str, expected: str, *, port: bool = True) -> str:
    found = _PLACE.fullmatch(text)
    if found is None or (port and found[3] is None):
        raise ValueError(expected)
    if int(found[3] or 0) > _LAST_PORT:
        raise ValueError("the port is past 65535")
    return text


def collector(text: str) -> str:
    """An OTLP receiver: `host:port`, or http or https with them."""
    scheme, _, rest = text.rpartition("://")
    if scheme not in {"", "http", "https"}:
        raise ValueError("must be otlp:host:port or otlp:http://host:port")
    _place(rest.removesuffix("/"), "must be otlp:host:port or otlp:http://host:port")
    return text


def web(text: str) -> str:
    """An http or https URL."""
    found = _split(text, "must be http://host or https://host")
    if not found.hostname:
        raise ValueError("must be http://host or https://host")
    return text


def broker(text: str) -> str:
    """NATS servers separated by commas, all of them web sockets or none."""
    expected = "must be nats://host:port, or tls, ws or wss, several of a kind separated by commas"
    parts = [_split(each, expected) for each in text.split(",")]
    kinds = {part.scheme in _WEB_SOCKETS for part in parts}
    if len(kinds) != 1 or not all(part.hostname and part.scheme in {"nats", "tls", *_WEB_SOCKETS} for part in parts):
        raise ValueError(expected)
    return text


def postgres(text: str) -> str:
    """A Postgres URL with one host, several, or none for the machine's own socket."""
    expected = (
        "must be postgresql://user@host:port/database, what is special in a password percent-encoded (%2F for a slash)"
    )
    scheme, _, rest = text.partition("://")
    if scheme not in {"postgresql", "postgres"} or not rest or re.search(r"\s", text):
        raise ValueError(expected)
    hosts = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    for host in hosts.split(",") if hosts else ():
        _place(host, expected, port=False)
    return text


def _split(text: str, expected: str) -> SplitResult:
    try:
        found = urlsplit(text)
        _ = found.port
    except ValueError:
        raise ValueError(expected) from None
    return found
