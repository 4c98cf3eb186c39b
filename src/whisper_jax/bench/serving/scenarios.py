"""Two loads with a figure each: many uploads at once, and short ones during a long job."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, sleep

from whisper_jax.bench.serving.client import Answer, Caller, Client, Upload
from whisper_jax.bench.serving.results import BurstFigures, FairnessFigures, latencies
from whisper_jax.errors import WhisperJaxError

_SETTLED_S = 900.0
"""Seconds of the long job after which it is at its speed: the first windows end all at once."""
_ALONE_S, _MOST_S = 20.0, 300.0


def burst(
    client: Client,
    uploads: Sequence[Upload],
    caller: Caller,
    fields: Mapping[str, str],
    batch_seconds: float | None = None,
) -> BurstFigures:
    """Send all uploads at once: once to warm up, once by the clock.

    Args:
        client: The server.
        uploads: What is sent.
        caller: Who sends them.
        fields: Form fields of all of them.
        batch_seconds: See `BurstFigures`.
    """
    with ThreadPoolExecutor(len(uploads)) as threads:

        def send_all() -> list[Answer]:
            return list(threads.map(lambda one: client.transcribe(one, caller, fields), uploads))

        send_all()
        start_s = perf_counter()
        answers = send_all()
        seconds = perf_counter() - start_s
    return BurstFigures(
        n_uploads=len(uploads),
        n_failed=sum(answer.status != 200 for answer in answers),
        audio_s=sum(upload.duration_s for upload in uploads),
        seconds=seconds,
        latencies=latencies([answer.seconds for answer in answers]),
        batch_seconds=batch_seconds,
    )


class LongJob:
    """A long upload on a thread of its own, whose progress is told by the server's events.

    Args:
        client: The server.
        upload: The recording.
        caller: Whose it is.
        fields: Form fields.
    """

    def __init__(
        self, client: Client, upload: Upload, caller: Caller, fields: Mapping[str, str]
    ) -> None:
        self._client, self._upload, self._caller = client, upload, caller
        self._fields = {**fields, "stream_detail": "true"}
        self._position_s = 0.0
        self._said = ""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="whisper-jax-bench-job")

    @property
    def position_s(self) -> float:
        """Seconds of it that are done.

        Raises:
            WhisperJaxError: It has ended: there is nothing to be measured beside it.
        """
        if self._is_over.is_set():
            raise WhisperJaxError(f"the long recording has ended{self._said}; give a longer one")
        return self._position_s

    def __enter__(self) -> "LongJob":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _follow(self) -> None:
        try:
            events = self._client.events(self._upload, self._caller, self._fields)
            for event in events:
                if event["type"] == "refused":
                    self._said = f" ({event['status']}: {event['text'][:200]!r})"
                self._position_s = event.get("position_s", self._position_s)
                if self._is_over.is_set():
                    events.close()
                    return
        except (OSError, ValueError) as error:
            self._said = f" ({error!r})"
        self._is_over.set()


def fairness(
    client: Client,
    job: Upload,
    uploads: Sequence[Upload],
    callers: tuple[Caller, Caller],
    fields: Mapping[str, str],
) -> FairnessFigures:
    """Send short uploads one after the other while a long one is transcribed.

    Args:
        client: The server.
        job: The long recording.
        uploads: The short ones.
        callers: Who sends the long one, and who the short ones.
        fields: Form fields of all of them.

    Raises:
        WhisperJaxError: The job ended before the last upload.
    """
    owner, guest = callers
    client.transcribe(uploads[0], guest, fields)  # the first one compiles
    answers: list[Answer] = []

    def try_all() -> None:
        answers.extend(client.transcribe(upload, guest, fields) for upload in uploads)

    with LongJob(client, job, owner, fields) as running:
        _wait_for(lambda: running.position_s > _SETTLED_S)
        alone = _speed(running, lambda: sleep(_ALONE_S))
        shared = _speed(running, try_all)
    return FairnessFigures(
        n_tries=len(uploads),
        n_failed=sum(answer.status != 200 for answer in answers),
        upload_s=sum(upload.duration_s for upload in uploads) / len(uploads),
        latencies=latencies([answer.seconds for answer in answers]),
        alone=alone,
        shared=shared,
    )


def _speed(job: LongJob, meanwhile: Callable[[], None]) -> float:
    """Times real time of a job during something."""
    position_s, start_s = job.position_s, perf_counter()
    meanwhile()
    return (job.position_s - position_s) / (perf_counter() - start_s)


def _wait_for(holds: Callable[[], bool]) -> None:
    deadline_s = perf_counter() + _MOST_S
    while not holds():
        if perf_counter() > deadline_s:
            raise WhisperJaxError("the long recording does not get on")
        sleep(0.1)
