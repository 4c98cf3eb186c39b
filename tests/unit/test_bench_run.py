from dataclasses import replace
from pathlib import Path

import pytest
from bench_samples import LIMITS, measurement

import whisper_jax.bench.run
from whisper_jax.bench.peers.environment import PeerError
from whisper_jax.bench.peers.run import PeerJob, PeerResult, PeerRun
from whisper_jax.bench.peers.settings import PeerSettings
from whisper_jax.bench.plan import Plan
from whisper_jax.bench.results import Configuration, Limits, Measurement
from whisper_jax.bench.run import RealProcesses, run_benchmark
from whisper_jax.bench.workload import Recording
from whisper_jax.errors import OptionError, WhisperJaxError

DATA = Path(__file__).parents[1] / "golden" / "data"
PLAN = Plan(
    recordings=(Recording(path=Path("a.wav")),),
    model="base",
    threads=2,
    compute_types=("float32", "bfloat16"),
    peers=("faster-whisper", "openai-whisper"),
)


class PretendedProcesses:
    def __init__(self, errors: dict[str, Exception] | None = None) -> None:
        self.errors = errors or {}
        self.log: list[str] = []

    def _do(self, what: str) -> None:
        self.log.append(what)
        if what in self.errors:
            raise self.errors[what]

    def prepare_peer(self, peer: str) -> None:
        self._do(f"prepare {peer}")

    def measure(self, configuration: Configuration) -> Measurement:
        self._do(configuration.label)
        return measurement(configuration.system, configuration.compute_type, 1.0)

    def measure_limits(self) -> Limits:
        self._do("limits")
        return LIMITS


ROUND = [
    "whisper-jax float32",
    "faster-whisper float32",
    "whisper-jax bfloat16",
    "faster-whisper int8",
    "openai-whisper float32",
]


def test_ours_and_the_peers_take_turns_in_every_round():
    processes, said = PretendedProcesses(), []
    report = run_benchmark(replace(PLAN, runs=2), processes, progress=said.append)
    prepared = ["prepare faster-whisper", "prepare openai-whisper"]
    assert processes.log == ["limits", *prepared, *ROUND, *ROUND]
    assert [one.configuration.label for one in report.measurements] == 2 * ROUND
    assert (report.limits, report.problems) == (LIMITS, ())
    assert said[-1] == "openai-whisper float32, run 2 of 2"


def test_what_cannot_be_run_is_left_out_and_named_in_a_line():
    processes = PretendedProcesses(
        {
            "limits": WhisperJaxError("too small"),
            "prepare openai-whisper": PeerError("could not install it; pip said:\nblah\nno wheel"),
            "faster-whisper int8": PeerError("no int8 here"),
        }
    )
    report = run_benchmark(replace(PLAN, runs=2), processes, progress=lambda _: None)
    assert report.problems == (
        "limits: too small",
        "openai-whisper: could not install it; pip said: no wheel",
        "faster-whisper int8: no int8 here",
    )
    assert report.limits is None
    assert [one.configuration.label for one in report.measurements] == 2 * ROUND[:3]
    assert processes.log.count("faster-whisper int8") == 1, "a failure is not repeated"


def test_a_mistake_in_the_call_is_no_failed_configuration():
    processes = PretendedProcesses({"whisper-jax float32": OptionError("no language xx")})
    with pytest.raises(OptionError, match="no language xx"):
        run_benchmark(PLAN, processes, progress=lambda _: None)


def test_without_recordings_only_the_limits_are_measured():
    processes = PretendedProcesses()
    report = run_benchmark(replace(PLAN, recordings=()), processes, progress=lambda _: None)
    assert processes.log == ["limits"]
    assert report.measurements == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"compute_types": ("float8",)}, "no compute type float8; there are: auto, float32,"),
        ({"compute_types": ()}, "no compute type given"),
        ({"peer_compute_types": ()}, "no compute type for the peers"),
        ({"runs": 0}, "runs is 0"),
        ({"beam_size": 0}, "beam_size is 0"),
        ({"long_form": "backwards"}, "long_form is 'backwards'"),
        ({"peers": ("nobody",)}, "no peer 'nobody'; there are: faster-whisper"),
        ({"peer_compute_types": ("int4",)}, "for the peers int4; they know: float32, int8,"),
        ({"peer_compute_types": ("f32",)}, "faster-whisper computes in float32 or int8, which"),
        ({"batch_sizes": (8, 0)}, "batch_sizes is 0"),
        ({"own_defaults": True, "beam_size": 5}, "give one of the two"),
    ],
)
def test_a_plan_is_checked(wrong: dict, message: str):
    with pytest.raises(OptionError, match=message):
        replace(PLAN, **wrong)


def test_ours_and_the_peers_decode_alike():
    assert PLAN.options == {"beam_size": 1, "temperature": 0.0, "long_form": "parallel"}
    assert PLAN.peer_settings("faster-whisper-batched", "int8") == PeerSettings(
        system="faster-whisper-batched", compute_type="int8", beam_size=1, temperature=0.0
    )
    wide = replace(PLAN, beam_size=5, long_form="sequential")
    assert wide.options == {"beam_size": 5, "temperature": 0.0, "long_form": "sequential"}
    assert wide.peer_settings("openai-whisper").beam_size == 5


def test_all_by_their_own_defaults():
    own = replace(PLAN, own_defaults=True)
    assert own.options == {"long_form": "parallel"}
    assert own.peer_settings("openai-whisper") == PeerSettings(system="openai-whisper")
    assert (PLAN.decoding, own.decoding) == ("beam 1", "each system's own defaults")


def test_a_peer_is_run_in_what_it_knows():
    peers = ("openvino-genai", "faster-whisper", "whisper.cpp")
    plan = replace(PLAN, compute_types=("auto",), peers=peers)
    assert [one.label for one in plan.configurations] == [
        "whisper-jax auto",
        "openvino-genai default",
        "openvino-genai f32",
        "faster-whisper float32",
        "faster-whisper int8",
        "whisper.cpp f16",
    ]
    some = replace(plan, peer_compute_types=("int8", "default"))
    assert [one.label for one in some.configurations[1:]] == [
        "openvino-genai default",
        "faster-whisper int8",
        "whisper.cpp f16",
    ]


def test_each_batch_size_is_a_configuration_of_ours():
    plan = replace(PLAN, compute_types=("auto",), peers=("openai-whisper",), batch_sizes=(1, 8))
    assert [one.label for one in plan.configurations] == [
        "whisper-jax auto",
        "openai-whisper float32",
        "whisper-jax auto batch 1",
        "whisper-jax auto batch 8",
    ]


def test_limits_may_be_left_out():
    processes = PretendedProcesses()
    report = run_benchmark(replace(PLAN, with_limits=False), processes, progress=lambda _: None)
    assert "limits" not in processes.log
    assert (report.limits, report.problems) == (None, ())


def test_the_peers_are_told_what_the_plan_says(monkeypatch: pytest.MonkeyPatch):
    jobs: list[PeerJob] = []

    def measure_peer(job: PeerJob) -> PeerResult:
        jobs.append(job)
        return PeerResult(
            import_s=1,
            load_s=1,
            first_s=1,
            runs=(PeerRun(wall_s=2, cpu_s=3),),
            texts=("",),
            durations_s=(60,),
            peak_memory_bytes=1,
            versions={},
        )

    monkeypatch.setattr(whisper_jax.bench.run, "measure_peer", measure_peer)
    peer = Configuration(system="faster-whisper-batched", compute_type="int8")
    result = RealProcesses(replace(PLAN, beam_size=2), Path("model")).measure(peer)
    (job,) = jobs
    assert job.settings == PeerSettings(
        system="faster-whisper-batched", compute_type="int8", beam_size=2, temperature=0.0
    )
    assert (job.threads, job.model) == (2, Path("model"))
    assert result.times_real_time == 30


def test_a_recording_in_a_process_of_its_own(base_folder: Path):
    reference = "And so my fellow Americans, ask not what your country can do for you, ask what you"
    recordings = (
        Recording(
            path=DATA / "jfk.flac",
            language="en",
            tag="en",
            reference=f"{reference} can do for your country.",
        ),
        Recording(path=DATA / "clips.json", language="en"),
    )
    plan = Plan(
        recordings=recordings,
        model=str(base_folder),
        threads=1,
        batch_size=2,
        long_form="sequential",
    )
    ours = Configuration(system="whisper-jax", compute_type="float32")
    result = RealProcesses(plan, base_folder).measure(ours)
    assert result.audio_s == pytest.approx(11, abs=0.1)
    (rate,) = result.rates
    assert (rate.unit, rate.errors, rate.n_reference) == ("WER", 0, 22)
    (failed,) = result.failed
    assert failed.startswith("clips.json: ")
    assert result.n_tokens is not None
    assert 25 <= result.n_tokens <= 40
    assert result.occupancy == 0.5, "one window in a bucket of two slots"
    assert {"encode", "run"} <= set(result.device_s)
    assert sum(result.device_s.values()) < result.steady_s * 1.01
    assert result.n_compiled_late == 0
    assert result.n_compiled is not None
    assert result.n_from_cache is not None
    assert 3 <= result.n_compiled >= result.n_from_cache
    assert result.compile_s is not None
    assert 0 < result.compile_s < 300
    assert result.first_s is not None
    assert 2**28 < result.peak_memory_bytes < 2**33
    assert result.versions["jax"]


def test_a_mistake_is_told_by_the_process(base_folder: Path):
    recordings = (Recording(path=DATA / "jfk.flac", language="xx"),)
    plan = Plan(recordings=recordings, model=str(base_folder), threads=1, batch_size=2)
    with pytest.raises(OptionError, match="xx"):
        RealProcesses(plan, base_folder).measure(plan.configurations[0])
