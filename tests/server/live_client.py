"""A client of the plain protocol."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from served import Served
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect


class PlainClient:
    """A connection on which everything that comes is kept.

    Attributes:
        first: What was told first.
        messages: What came after it.
        close_code: How the server closed it.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.first = self.next() or {}

    def send(self, data: bytes) -> None:
        self.connection.send(data)

    def command(self, kind: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"type": kind} | fields))

    def next(self, timeout: float = 20) -> dict[str, Any] | None:
        """The next message, or None once the connection is closed."""
        try:
            return json.loads(self.connection.recv(timeout=timeout))
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else None
            return None

    def until(self, kind: str) -> dict[str, Any]:
        """Take messages up to the first of a type."""
        while (message := self.next()) is not None:
            self.messages.append(message)
            if message["type"] == kind:
                return message
        raise AssertionError(f"no {kind} in {self.messages}")

    def rest(self) -> list[dict[str, Any]]:
        """Take all messages up to the end."""
        while (message := self.next()) is not None:
            self.messages.append(message)
        return self.messages


@contextmanager
def talking(
    server: Served,
    path: str = "/v1/live",
    *,
    key: str | None = None,
    headers: dict[str, str] | None = None,
    subprotocols: list[Any] | None = None,
    **query: Any,
) -> Iterator[PlainClient]:
    """A client of a path for the block."""
    text = urlencode(query)
    url = server.url.replace("http", "ws") + path + (f"?{text}" if text else "")
    all_headers = (headers or {}) | ({"Authorization": f"Bearer {key}"} if key else {})
    with connect(
        url, additional_headers=all_headers, subprotocols=subprotocols, max_size=None
    ) as connection:
        yield PlainClient(connection)


def refusal(server: Served, *args: Any, **settings: Any) -> tuple[int, str]:
    """Status and code with which a WebSocket is refused."""
    with pytest.raises(InvalidStatus) as refused, talking(server, *args, **settings):
        pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"")["error"]["code"]


def seqs(messages: list[dict[str, Any]]) -> list[int]:
    """Numbers of those that have one."""
    return [message["seq"] for message in messages if "seq" in message]


def text_of(messages: list[dict[str, Any]]) -> str:
    """All that was committed."""
    return "".join(message["text"] for message in messages if message["type"] == "committed")
