"""A mixed load: clients of all kinds, well behaved or not, and a server that is restarted."""

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter, sleep

from whisper_jax.bench.serving.client import Answer, Caller, Client, Upload
from whisper_jax.bench.serving.process import OwnServer
from whisper_jax.bench.serving.results import MixedFigures, Outcomes
from whisper_jax.bench.serving.watch import Sample, Watch

_BUSY = (429, 503)
"""What a server under load may answer to anybody."""
_FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_SETTLE_S = 120.0
_MOST_REST_S, _NOBODY_REST_S = 0.5, 2.0


@dataclass(frozen=True, kw_only=True)
class MixedPlan:
    """A mixed load.

    Attributes:
        seconds: How long.
        n_clients: Clients at once.
        uploads: What they send.
        callers: Who they are.
        fields: Form fields of all of them.
        has_keys: Whether the server asks for keys.
        seed: Of what they do.
    """

    seconds: float
    n_clients: int
    uploads: Sequence[Upload]
    callers: Sequence[Caller]
    fields: dict[str, str]
    has_keys: bool
    seed: int = 0


@dataclass
class _Tally:
    """What came of it so far."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    statuses: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: Counter[str] = field(default_factory=Counter[str])
    audio_s: float = 0.0


class _Client:
    """One client, which does one thing after the other."""

    def __init__(self, plan: MixedPlan, client: Client, number: int, tally: _Tally) -> None:
        self._plan, self._client, self._tally = plan, client, tally
        self._random = random.Random(plan.seed * 1000 + number)
        self._caller = plan.callers[number % len(plan.callers)]
        # What it does, how often, and what a server may answer.
        self._kinds: dict[str, tuple[int, Callable[[], int], tuple[int, ...]]] = {
            "upload": (8, self._upload, (200,)),
            "stream": (4, self._stream, (200,)),
            "vanish in the upload": (3, self._vanish_in_upload, (0,)),
            "vanish in the answer": (3, self._vanish_in_answer, (200,)),
            "garbage": (2, self._garbage, (400, 413, 415, 422)),
            "garbage in a form": (2, self._garbage_file, (400, 415, 422)),
        }
        if plan.has_keys:
            self._kinds["wrong key"] = (1, self._wrong_key, (401,))

    def act(self, epoch: Callable[[], int]) -> None:
        """Do one thing and note what came of it.

        Args:
            epoch: How often the server was stopped or started.
        """
        weights = [weight for weight, _, _ in self._kinds.values()]
        (kind,) = self._random.choices(list(self._kinds), weights)
        _, do, allowed = self._kinds[kind]
        before = epoch()
        status = do()
        # Not to be answered by a server that is not there is right; to be told of a fault is not.
        was_stopped = before != epoch() or before % 2 == 1
        is_allowed = status in allowed or status in _BUSY or (was_stopped and status == 0)
        with self._tally.lock:
            self._tally.statuses[kind][status] += 1
            self._tally.wrong[kind] += not is_allowed
        sleep(_NOBODY_REST_S if was_stopped else self._random.uniform(0, _MOST_REST_S))

    def _any_upload(self) -> Upload:
        return self._random.choice(self._plan.uploads)

    def _note(self, upload: Upload, answer: Answer) -> int:
        if answer.status == 200:
            with self._tally.lock:
                self._tally.audio_s += upload.duration_s
        return answer.status

    def _upload(self) -> int:
        upload = self._any_upload()
        fields = {**self._plan.fields, "response_format": self._random.choice(_FORMATS)}
        return self._note(upload, self._client.transcribe(upload, self._caller, fields))

    def _stream(self) -> int:
        upload, status, last = self._any_upload(), 200, ""
        try:
            for event in self._client.events(upload, self._caller, self._plan.fields):
                last = event["type"]
                status = event.get("status", status)
        except (OSError, ValueError):
            return 0
        if status == 200 and last == "transcript.text.done":
            return self._note(upload, Answer(status=status, seconds=0.0))
        # An answer that breaks off, or tells of an error, is no answer.
        return status if status != 200 else 0

    def _vanish_in_upload(self) -> int:
        share = self._random.random()
        self._client.vanish_in_upload(self._any_upload(), self._caller, share)
        return 0

    def _vanish_in_answer(self) -> int:
        fields = {**self._plan.fields, "stream_detail": "true"}
        events = self._client.events(self._any_upload(), self._caller, fields)
        status = 200
        try:
            for _ in range(self._random.randrange(1, 4)):
                status = next(events, {}).get("status", status)
        except (OSError, ValueError):
            return 0
        finally:
            events.close()
        return status

    def _garbage(self) -> int:
        content = self._random.randbytes(self._random.randrange(0, 20_000))
        return self._client.send_garbage(content, self._caller).status

    def _garbage_file(self) -> int:
        whole = self._any_upload()
        content = self._random.randbytes(self._random.randrange(0, 20_000))
        if self._random.random() < 0.5:
            # The beginning of a real file, and then something else.
            content = whole.content[:200] + content
        upload = Upload(name=whole.name, content=content, duration_s=0.0)
        status = self._client.transcribe(upload, self._caller, self._plan.fields).status
        # What is left of a real file may be heard.
        return 400 if status == 200 and content.startswith(whole.content[:200]) else status

    def _wrong_key(self) -> int:
        caller = Caller(key="not-one-of-the-keys", address=self._caller.address)
        return self._client.transcribe(self._any_upload(), caller, self._plan.fields).status


def mixed(plan: MixedPlan, client: Client, watch: Watch, server: OwnServer | None) -> MixedFigures:
    """Let the clients do what they do for a while.

    Args:
        plan: The load.
        client: The server.
        watch: What looks at it.
        server: The same, if it is ours: it is stopped and started again in the middle.
    """
    tally, is_over = _Tally(), threading.Event()
    clients = [_Client(plan, client, number, tally) for number in range(plan.n_clients)]
    for upload in plan.uploads[:6]:  # the first ones compile
        client.transcribe(upload, plan.callers[0], plan.fields)
    before = _settled(watch)
    exit_codes: list[int] = []
    epochs: list[float] = []

    def play(one: _Client) -> None:
        while not is_over.is_set():
            one.act(lambda: len(epochs))

    start_s = perf_counter()
    with ThreadPoolExecutor(plan.n_clients) as threads:
        playing = [threads.submit(play, one) for one in clients]
        try:
            sleep(plan.seconds / 2)
            if server is not None:
                epochs.append(watch.at_s)
                exit_codes.append(server.stop())
                server.start()
                epochs.append(watch.at_s)
            sleep(max(0.0, plan.seconds - (perf_counter() - start_s)))
        finally:
            is_over.set()
        for one in playing:
            one.result()
    seconds = perf_counter() - start_s
    after = _settled(watch)
    return MixedFigures(
        seconds=seconds,
        outcomes=tuple(
            Outcomes(
                kind=kind,
                n=found.total(),
                statuses=tuple(found.most_common()),
                n_wrong=tally.wrong[kind],
            )
            for kind, found in sorted(tally.statuses.items())
        ),
        audio_s=tally.audio_s,
        n_restarts=len(exit_codes),
        exit_codes=tuple(exit_codes),
        before=before,
        after=after,
    )


def _settled(watch: Watch) -> Sample | None:
    """The server once it has nothing to do; as it is, if it always has."""
    deadline_s = perf_counter() + _SETTLE_S
    while True:
        sample = watch.take()
        is_busy = sample is None or sample.n_requests + sample.n_windows + (sample.n_uploads or 0)
        if not is_busy or perf_counter() > deadline_s:
            return sample
        sleep(0.5)
