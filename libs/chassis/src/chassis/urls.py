"""URLs of databases, taken apart and put together."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit


def with_query(url: str, **parameters: str) -> str:
    """The URL with query parameters added or replaced."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | parameters
    return urlunsplit(parts._replace(query=urlencode(query)))


def with_database(url: str, database: str) -> str:
    """The URL pointing at another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def with_user(url: str, user: str, password: str) -> str:
    """The URL with other credentials, which may hold any characters."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]  # as written: brackets of an IPv6 address, several hosts
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{place}"))


def with_password(url: str, password: str) -> str:
    """The URL with the password put in for the user that it names; unchanged when `password` is empty.

    Raises ValueError when the URL names no user.
    """
    if not password:
        return url
    parts = urlsplit(url)
    credentials, _, place = parts.netloc.rpartition("@")
    user = credentials.partition(":")[0]
    if not user:
        raise ValueError("the URL names no user to whom the password could belong")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}"))
