"""A load from its plan to its report."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from whisper_jax.bench.serving.batch import seconds_of_batch
from whisper_jax.bench.serving.client import Caller, Client
from whisper_jax.bench.serving.clips import all_endings, cut_uploads, whole_upload
from whisper_jax.bench.serving.mixed import MixedPlan, mixed
from whisper_jax.bench.serving.process import OwnServer
from whisper_jax.bench.serving.results import Figures, LoadReport, Scenario
from whisper_jax.bench.serving.scenarios import burst, fairness
from whisper_jax.bench.serving.watch import Watch, count_uploads
from whisper_jax.errors import OptionError

SCENARIOS: tuple[Scenario, ...] = ("burst", "fairness", "mixed")
_ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
_SHORT_S, _BURST_S, _MIXED_S = (9.0, 11.0), (10.0, 30.0), (5.0, 60.0)
"""Lengths of uploads. The longest of ``mixed`` are too large for a server to keep in memory."""


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """What a server is to bear.

    Attributes:
        scenario: ``burst``: many uploads at once; ``fairness``: short ones during a long job;
            ``mixed``: clients of all kinds.
        recordings: What uploads are cut from.
        job: The long recording of ``fairness``.
        url: The server; None to start one for the time.
        keys: API keys: of the job, and of the others. Without keys clients differ by address.
        server_arguments: What a server that is started is told besides.
        model: What clients ask for.
        language: What the recordings are in; detected if None.
        is_greedy: One beam in place of five.
        n_uploads: Uploads of ``burst``, tries of ``fairness``.
        minutes: How long ``mixed`` lasts.
        n_clients: Clients of ``mixed`` at once.
        with_batch: Hold ``burst`` against `transcribe_batch`.
        seed: Of the pieces, and of what clients do.
    """

    scenario: Scenario
    recordings: Sequence[Path]
    job: Path | None = None
    url: str | None = None
    keys: tuple[str, ...] = ()
    server_arguments: tuple[str, ...] = ()
    model: str = "base"
    language: str | None = None
    is_greedy: bool = False
    n_uploads: int = 64
    minutes: float = 60.0
    n_clients: int = 8
    with_batch: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            raise OptionError(f"no scenario {self.scenario!r}; there are: {', '.join(SCENARIOS)}")
        if not self.recordings:
            raise OptionError("there are no recordings; give files to cut uploads from")
        if self.scenario == "fairness" and self.job is None:
            raise OptionError("fairness needs a long recording: give --job")
        if self.url is not None and self.server_arguments:
            raise OptionError("a server that runs takes no arguments; leave --url or them out")

    @property
    def decoding(self) -> str:
        """How it is decoded, for people."""
        return "greedy" if self.is_greedy else "default"

    @property
    def fields(self) -> dict[str, str]:
        """The form fields of all uploads."""
        language = {} if self.language is None else {"language": self.language}
        return {"model": self.model, **language, **({"beam_size": "1"} if self.is_greedy else {})}

    @property
    def callers(self) -> list[Caller]:
        """Who the clients are: the first is the long job's owner."""
        if self.keys:
            return [Caller(key=key) for key in self.keys]
        is_local = self.url is None or "127.0.0.1" in self.url
        return [Caller(address=a) for a in _ADDRESSES] if is_local else [Caller()]


def run_load(plan: LoadPlan, progress: Callable[[str], None]) -> LoadReport:
    """Make the load, and start and end a server for it if there is none.

    Args:
        plan: What.
        progress: Told what is begun.

    Raises:
        OptionError: The recordings do not do.
        AudioError: One of them cannot be read.
        WhisperJaxError: The server does not start, or not bear it.
    """
    batch_seconds = None
    if plan.scenario == "burst" and plan.with_batch:
        progress("transcribe_batch over the same files")
        batch_seconds = seconds_of_batch(
            cut_uploads(plan.recordings, plan.n_uploads, _BURST_S, seed=plan.seed),
            plan.model,
            plan.language,
            is_greedy=plan.is_greedy,
        )
    with ExitStack() as stack:
        server: OwnServer | None = None
        if plan.url is None:
            progress("starting the server")
            server = stack.enter_context(OwnServer(plan.model, plan.keys, plan.server_arguments))
        client = Client(server.url if server is not None else plan.url or "")

        def n_uploads() -> int | None:
            return None if server is None else count_uploads(server.uploads, server.process_id)

        watch = stack.enter_context(Watch(client, plan.callers[0], n_uploads))
        progress(plan.scenario)
        figures = _play(plan, client, watch, server, batch_seconds)
        samples = watch.samples
    return LoadReport(
        scenario=plan.scenario,
        url=plan.url or "",
        model=plan.model,
        decoding=plan.decoding,
        figures=figures,
        samples=samples,
    )


def _play(
    plan: LoadPlan,
    client: Client,
    watch: Watch,
    server: OwnServer | None,
    batch_seconds: float | None,
) -> Figures:
    callers = plan.callers
    match plan.scenario:
        case "burst":
            uploads = cut_uploads(plan.recordings, plan.n_uploads, _BURST_S, seed=plan.seed)
            return burst(client, uploads, callers[0], plan.fields, batch_seconds)
        case "fairness":
            assert plan.job is not None
            uploads = cut_uploads(plan.recordings, plan.n_uploads, _SHORT_S, seed=plan.seed)
            job, both = whole_upload(plan.job), (callers[0], callers[-1])
            return fairness(client, job, uploads, both, plan.fields)
        case "mixed":
            load = MixedPlan(
                seconds=60 * plan.minutes,
                n_clients=plan.n_clients,
                uploads=cut_uploads(
                    plan.recordings, 48, _MIXED_S, seed=plan.seed, endings=all_endings()
                ),
                callers=callers,
                fields=plan.fields,
                has_keys=bool(plan.keys),
                seed=plan.seed,
            )
            return mixed(load, client, watch, server)
