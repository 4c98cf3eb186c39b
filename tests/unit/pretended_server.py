"""A server in place of ours for the tests of the load generator: it says what it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

METRICS = """# HELP whisper_jax_model_windows Windows in slots.
whisper_jax_model_windows{{model="a"}} {n}.0
whisper_jax_model_windows{{model="b"}} 1.0
whisper_jax_uploading_requests 0.0
whisper_jax_waiting_requests 2.0
whisper_jax_running_requests {n}.0
process_resident_memory_bytes 1.5e+08
process_open_fds 11.0
"""
KEY = "the-only-key-there-is"


class FakeServer(ThreadingHTTPServer):
    """Answers every upload with the number of its bytes.

    Attributes:
        forms: The bodies of all uploads that came whole.
        clients: Their addresses and keys.
        n_cut: Uploads that ended before their time.
        status: What uploads are answered with.
        n_windows: What the metrics tell.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.forms: list[bytes] = []
        self.clients: list[tuple[str, str | None]] = []
        self.n_cut = 0
        self.status = 200
        self.n_windows = 0
        self.has_keys = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients vanish here on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        text = METRICS.format(n=self.server.n_windows) if self.path == "/metrics" else "ok"
        self._answer(200, text.encode())

    def do_POST(self) -> None:
        n_bytes = int(self.headers["Content-Length"])
        body = self.rfile.read(n_bytes)
        if len(body) < n_bytes:
            self.server.n_cut += 1
            return
        self.server.forms.append(body)
        key = self.headers["Authorization"]
        self.server.clients.append((self.client_address[0], key))
        if self.server.has_keys and key != f"Bearer {KEY}":
            self._answer(401, b"{}")
        elif b"filename" not in body or b"RIFF" not in body.partition(b"filename")[2][:200]:
            self._answer(400, b"{}")
        elif self.server.status != 200 or b'name="stream"' not in body:
            self._answer(self.server.status, json.dumps({"text": str(n_bytes)}).encode())
        else:
            self._stream()

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for number in range(200 if b"job.wav" in self.server.forms[-1] else 3):
            self._tell({"type": "transcript.progress", "position_s": 10.0 * number})
            sleep(0.01)
        self._tell({"type": "transcript.text.done", "text": "all"})

    def _tell(self, event: object) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def fake_server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
