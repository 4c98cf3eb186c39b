"""Clients of a server: some that wait for their answer, and some that do not.

The standard library's HTTP is enough: a client that vanishes in the middle of a request has to
hold the very socket.
"""

import json
import socket
import struct
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from whisper_jax.errors import OptionError

_BOUNDARY = "whisper-jax-bench-7f3a"
_PIECE_BYTES = 1 << 16
_PATH = "/v1/audio/transcriptions"


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that a client sends.

    Attributes:
        name: Its name, with the ending of its format.
        content: Its bytes.
        duration_s: Seconds of audio in it.
    """

    name: str
    content: bytes
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whom a server takes a client for.

    Attributes:
        key: Its API key.
        address: Its own address; None for the system's choice. All of 127.0.0.0/8 is a Linux
            machine's own, so that one machine can be many clients.
    """

    key: str | None = None
    address: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a request.

    Attributes:
        status: HTTP's; 0 if there was no answer.
        seconds: From the first byte sent to the last one received.
        text: What was transcribed, or what was said of an error.
    """

    status: int
    seconds: float
    text: str = ""


class Client:
    """Talks to one server; safe to use from many threads.

    Args:
        url: Where it is: ``http://127.0.0.1:8000``.
        timeout_s: Most seconds without a byte.
    """

    def __init__(self, url: str, timeout_s: float = 600.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError(f"{url!r} is no server's address; give http://HOST:PORT")
        self.url = url
        self._connection = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port, self._timeout_s = parts.hostname, parts.port, timeout_s

    def get(self, path: str, caller: Caller) -> tuple[int, bytes]:
        """Status and content of an address; 0 if nobody answers."""
        try:
            with closing(self._connect(caller)) as connection:
                connection.request("GET", path, headers=_headers(caller))
                response = connection.getresponse()
                return response.status, response.read()
        except (OSError, HTTPException) as error:
            return 0, str(error).encode()

    def transcribe(self, upload: Upload, caller: Caller, fields: Mapping[str, str]) -> Answer:
        """Send a file and wait for its text."""
        start_s = perf_counter()
        try:
            with closing(self._connect(caller)) as connection:
                response = _post(connection, upload, caller, fields)
                status, content = response.status, response.read()
        except (OSError, HTTPException) as error:
            return Answer(status=0, seconds=perf_counter() - start_s, text=repr(error))
        seconds = perf_counter() - start_s
        return Answer(status=status, seconds=seconds, text=content.decode(errors="replace"))

    def events(
        self, upload: Upload, caller: Caller, fields: Mapping[str, str]
    ) -> Generator[dict[str, Any]]:
        """Send a file and give each event of the answer as it comes; closing it hangs up.

        A refusal is one event, with its ``status``.
        """
        with closing(self._connect(caller)) as connection:
            response = _post(connection, upload, caller, {**fields, "stream": "true"})
            if response.status != 200:
                yield {"type": "refused", "status": response.status, "text": response.read()}
                return
            for line in response:
                if line.startswith(b"data: {"):
                    yield json.loads(line.removeprefix(b"data: "))

    def vanish_in_upload(self, upload: Upload, caller: Caller, share: float) -> None:
        """Send a part of a file, and reset the connection.

        Args:
            upload: The file.
            caller: Who sends it.
            share: How much of it, 0 to 1.
        """
        body, headers = _form(upload, {})
        try:
            with closing(self._connect(caller)) as connection:
                connection.putrequest("POST", _PATH)
                for name, value in {**headers, **_headers(caller)}.items():
                    connection.putheader(name, value)
                connection.endheaders(body[: int(share * len(body))])
                # Neither a polite end nor the rest: the network is gone.
                reset = struct.pack("ii", 1, 0)
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        except OSError:
            pass  # the server was quicker

    def send_garbage(self, content: bytes, caller: Caller) -> Answer:
        """Send what is no form at all."""
        start_s = perf_counter()
        try:
            with closing(self._connect(caller)) as connection:
                headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
                connection.request("POST", _PATH, content, {**headers, **_headers(caller)})
                response = connection.getresponse()
                status, text = response.status, response.read().decode(errors="replace")
        except (OSError, HTTPException) as error:
            status, text = 0, repr(error)
        return Answer(status=status, seconds=perf_counter() - start_s, text=text)

    def _connect(self, caller: Caller) -> HTTPConnection:
        source = None if caller.address is None else (caller.address, 0)
        return self._connection(
            self._host, self._port, timeout=self._timeout_s, source_address=source
        )


def _headers(caller: Caller) -> dict[str, str]:
    return {} if caller.key is None else {"Authorization": f"Bearer {caller.key}"}


def _post(
    connection: HTTPConnection, upload: Upload, caller: Caller, fields: Mapping[str, str]
) -> HTTPResponse:
    body, headers = _form(upload, fields)
    pieces = (body[i : i + _PIECE_BYTES] for i in range(0, len(body), _PIECE_BYTES))
    connection.request("POST", _PATH, pieces, {**headers, **_headers(caller)})
    return connection.getresponse()


def _form(upload: Upload, fields: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """A form with a file, and the headers that it goes with."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file";'
        f' filename="{upload.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    )
    body = "".join(parts).encode() + upload.content + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return body, {
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        "Content-Length": str(len(body)),
    }
