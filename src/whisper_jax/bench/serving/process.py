"""A server of our own for the time of a benchmark: started, told to stop, started again."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

from whisper_jax.bench.serving.client import Caller, Client
from whisper_jax.errors import WhisperJaxError

_START_S, _STOP_S = 180.0, 90.0
KEYS_VARIABLE = "WHISPER_JAX_API_KEYS"


class OwnServer:
    """``whisper-jax serve`` as a process on this machine, with a folder of its own for uploads.

    Args:
        model: What it serves.
        keys: The API keys that it takes; none lets everybody in who is on this machine.
        arguments: Further arguments of the command.

    Attributes:
        url: Where it is.
        uploads: Where it keeps uploads while it needs them.
    """

    def __init__(self, model: str, keys: Sequence[str], arguments: Sequence[str] = ()) -> None:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._folder = tempfile.TemporaryDirectory(prefix="whisper-jax-bench-")
        self.uploads = Path(self._folder.name) / "uploads"
        self.uploads.mkdir()
        self._command = [sys.executable, "-P", "-m", "whisper_jax.cli", "serve"]
        self._command += ["--host", "127.0.0.1", "--port", str(port), "--model", model, *arguments]
        self._environment = {**os.environ, "TMPDIR": str(self.uploads)}
        if keys:
            self._environment[KEYS_VARIABLE] = ",".join(keys)
        self._caller = Caller(key=keys[0] if keys else None)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = (Path(self._folder.name) / "log").open("w+b")

    @property
    def process_id(self) -> int | None:
        """Of the process, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> float:
        """Start it and wait until it is ready; seconds that this took.

        Raises:
            WhisperJaxError: It ended, or was not ready in time.
        """
        start_s = time.perf_counter()
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        client = Client(self.url, timeout_s=5.0)
        while client.get("/ready", self._caller)[0] != 200:
            if self._process.poll() is not None or time.perf_counter() - start_s > _START_S:
                self.kill()
                raise WhisperJaxError(f"the server did not start:\n{self.said()}")
            time.sleep(0.1)
        return time.perf_counter() - start_s

    def stop(self) -> int:
        """Tell it to stop and wait until it has; its exit code.

        Raises:
            WhisperJaxError: It did not stop in time.
        """
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(_STOP_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            raise WhisperJaxError(f"the server did not stop in {_STOP_S:g} s") from error

    def kill(self) -> None:
        """End it at once, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def said(self) -> str:
        """The end of its log."""
        self._log.seek(0)
        return self._log.read()[-2000:].decode(errors="replace")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._clean_up()

    def _clean_up(self) -> None:
        self._log.close()
        self._folder.cleanup()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
