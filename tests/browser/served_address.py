"""The server, started as somebody would start it."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

START_S = 180


class serving:  # noqa: N801 - used as a statement
    """``with serving(folder, …) as address``: the command, as somebody would start it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        command = Path(sys.executable).with_name("whisper-jax")
        self._command = [command, "serve", "--model", "base", "--port", port, *arguments]
        self._log = folder / "server.log"

    def __enter__(self) -> str:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        begun_s = time.monotonic()
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() - begun_s > START_S:
                self.__exit__()
                pytest.fail(f"the server did not start: {self._log.read_text()}")
            time.sleep(0.1)
        return self.address

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/ready", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False
