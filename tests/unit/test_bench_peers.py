import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from whisper_jax.bench.peers import run, texts, worker
from whisper_jax.bench.peers.environment import PeerError
from whisper_jax.bench.peers.run import PeerFile, PeerJob, PeerText, measure_peer, peer_texts
from whisper_jax.bench.peers.settings import PeerSettings
from whisper_jax.bench.peers.texts import PeerTexts
from whisper_jax.errors import CheckpointError, OptionError
from whisper_jax.evaluate import Clip

SEQUENTIAL = PeerSettings(system="faster-whisper")
GREEDY = {"beam_size": 1, "temperature": 0.0}


@pytest.mark.parametrize(
    ("settings", "label", "options"),
    [
        (SEQUENTIAL, "faster-whisper", {}),
        (PeerSettings(system="faster-whisper-batched"), "faster-whisper-batched", {}),
        (
            PeerSettings(system="faster-whisper", compute_type="int8", **GREEDY),
            "faster-whisper int8 greedy",
            GREEDY,
        ),
        (
            PeerSettings(system="faster-whisper-batched", beam_size=3, temperature=0.0),
            "faster-whisper-batched beam 3 temperature 0",
            {"beam_size": 3, "temperature": 0.0},
        ),
        (
            PeerSettings(system="openai-whisper"),
            "openai-whisper",
            {"fp16": False, "beam_size": 5, "best_of": 5},
        ),
        (
            PeerSettings(system="openai-whisper", **GREEDY),
            "openai-whisper greedy",
            {"fp16": False, "temperature": 0.0},
        ),
        (
            PeerSettings(system="openai-whisper", beam_size=1),
            "openai-whisper beam 1",
            {"fp16": False, "best_of": 5},
        ),
        (
            PeerSettings(system="openvino-genai", compute_type="f32", **GREEDY),
            "openvino-genai f32 greedy",
            {"return_timestamps": True, "num_beams": 1},
        ),
        (PeerSettings(system="openvino-genai"), "openvino-genai", {"return_timestamps": True}),
        (
            PeerSettings(system="transformers", beam_size=5, temperature=0.0),
            "transformers beam 5 temperature 0",
            {"task": "transcribe", "num_beams": 5},
        ),
        (
            PeerSettings(system="whisper.cpp"),
            "whisper.cpp",
            {"greedy": {"best_of": 5}, "beam_search": {"beam_size": 5, "patience": -1.0}},
        ),
        (
            PeerSettings(system="whisper.cpp", **GREEDY),
            "whisper.cpp greedy",
            {"greedy": {"best_of": 5}, "temperature": 0.0, "temperature_inc": 0.0},
        ),
    ],
)
def test_a_peer_is_told_what_is_not_its_default(settings, label, options):
    assert (settings.label, settings.options()) == (label, options)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"system": "nobody"}, "no peer 'nobody'; there are: faster-whisper, "),
        ({"system": "faster-whisper", "beam_size": 0}, "beam_size is 0"),
        ({"system": "openai-whisper", "compute_type": "int8"}, "in 'float32' here, not 'int8'"),
        ({"system": "openvino-genai", "temperature": 0.2}, "at temperature 0 here"),
        ({"system": "transformers", "compute_type": "f16"}, "in 'float32' or 'bfloat16' here"),
    ],
)
def test_settings_are_checked(wrong, message):
    with pytest.raises(OptionError, match=message):
        PeerSettings(**wrong)


def job(*files: PeerFile, **changes) -> PeerJob:
    return replace(
        PeerJob(settings=SEQUENTIAL, model=Path("model"), files=files, threads=1), **changes
    )


def test_a_job_is_checked():
    file = PeerFile(path=Path("a.wav"))
    with pytest.raises(OptionError, match="no recordings"):
        job()
    with pytest.raises(OptionError, match="threads is 0"):
        job(file, threads=0)
    several = PeerFile(path=Path("a.wav"), multilingual=True)
    job(several, settings=PeerSettings(system="faster-whisper-batched"))
    with pytest.raises(OptionError, match="openai-whisper detects one language"):
        job(several, settings=PeerSettings(system="openai-whisper"))


class FakeFasterWhisper:
    """faster-whisper's package and ctranslate2, as far as a worker uses them."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.loaded: list[tuple] = []
        self.calls: list[tuple[str, dict]] = []

    def set_random_seed(self, seed):
        self.seeds.append(seed)

    def WhisperModel(self, model, **settings):  # noqa: N802
        self.loaded.append((model, settings))
        return self

    def BatchedInferencePipeline(self, model):  # noqa: N802
        self.loaded.append(("batched", model))
        return self

    def transcribe(self, path, **options):
        self.calls.append((path, options))
        if "broken" in path:
            raise ValueError("no recording")
        parts = [SimpleNamespace(text=part) for part in (" one", f" {path}")]
        return iter(parts), SimpleNamespace(duration=2.0)


@pytest.fixture
def package(monkeypatch):
    made = FakeFasterWhisper()
    monkeypatch.setitem(sys.modules, "faster_whisper", made)
    monkeypatch.setitem(sys.modules, "ctranslate2", made)
    return made


def message(*files: PeerFile, **changes) -> dict:
    return run._message(job(*files, **changes), None)


def test_the_worker_writes_a_line_for_each_file(package):
    files = [PeerFile(path=Path(name)) for name in ("a.wav", "broken.wav", "c.wav")]
    found = list(worker.write_texts(message(*files)))
    assert [answer["text"] for answer in found] == [" one a.wav", "", " one c.wav"]
    assert [answer["duration_s"] for answer in found] == [2.0, 0.0, 2.0]
    assert [answer["error"] for answer in found] == [None, "ValueError: no recording", None]
    assert package.seeds == [0]
    assert {PeerText(**answer).wall_s >= 0 for answer in found} == {True}


def test_the_worker_tells_the_peer_what_was_asked(package):
    settings = PeerSettings(system="faster-whisper-batched", compute_type="int8", **GREEDY)
    files = [
        PeerFile(path=Path("a.wav"), language="de"),
        PeerFile(path=Path("b.wav"), multilingual=True),
    ]
    list(worker.write_texts(message(*files, settings=settings)))
    loaded = {"device": "cpu", "compute_type": "int8", "cpu_threads": 1}
    assert package.loaded == [("model", loaded), ("batched", package)]
    assert package.calls == [
        ("a.wav", {**GREEDY, "language": "de"}),
        ("b.wav", {**GREEDY, "language": None, "multilingual": True}),
    ]


def test_by_default_the_worker_tells_the_peer_nothing_but_the_language(package):
    list(worker.write_texts(message(PeerFile(path=Path("a.wav"), language="de"))))
    assert package.calls == [("a.wav", {"language": "de"})]
    assert len(package.loaded) == 1


def test_a_measured_peer_is_warmed_up_with_the_first_file(package, monkeypatch):
    monkeypatch.setattr(worker, "version", lambda name: f"{name} 1")
    files = (PeerFile(path=Path("a.wav")), PeerFile(path=Path("b.wav")))
    (answer,) = worker.measure({**message(*files), "runs": 2})
    assert [path for path, _ in package.calls] == ["a.wav", *["a.wav", "b.wav"] * 2]
    assert answer["texts"] == [" one a.wav", " one b.wav"]
    assert answer["durations_s"] == [2.0, 2.0]
    assert len(answer["runs"]) == 2
    assert answer["versions"]["ctranslate2"] == "ctranslate2 1"
    with pytest.raises(ValueError, match="no recording"):
        list(worker.measure({**message(PeerFile(path=Path("broken"))), "runs": 1}))


# What stands for the worker in the tests of the process around it.
ECHO = """
import json, sys
job = json.load(sys.stdin)
print("noise", file=sys.stderr)
for file in job["files"]:
    if "crash" in file["path"]:
        print('{"text": "cut o', end="")
        sys.exit("out of memory")
    print(json.dumps({"text": file["path"], "duration_s": 1, "wall_s": 2, "cpu_s": 3}), flush=True)
"""


@pytest.fixture
def process(monkeypatch, tmp_path):
    script = tmp_path / "echo.py"
    script.write_text(ECHO)
    monkeypatch.setattr(run, "_WORKER", script)
    monkeypatch.setattr(run, "peer_python", lambda *_, **__: sys.executable)


@pytest.mark.usefixtures("process")
def test_texts_come_as_they_are_written():
    found = list(peer_texts(job(PeerFile(path=Path("a")), PeerFile(path=Path("b")))))
    assert found == [
        PeerText(text=name, duration_s=1, wall_s=2, cpu_s=3, error=None) for name in "ab"
    ]


@pytest.mark.usefixtures("process")
def test_a_peer_that_ends_early_has_given_what_it_wrote():
    answers = peer_texts(job(PeerFile(path=Path("a")), PeerFile(path=Path("crash"))))
    assert next(answers).text == "a"
    with pytest.raises(PeerError, match=r"failed with code 1:\nnoise\nout of memory"):
        next(answers)


def test_what_a_peer_says_when_it_fails_is_told(monkeypatch):
    monkeypatch.setattr(run, "peer_python", lambda *_, **__: sys.executable)
    with pytest.raises(PeerError, match="No module named 'faster_whisper'"):
        next(peer_texts(job(PeerFile(path=Path("a")))))


@pytest.mark.usefixtures("process")
def test_a_peer_is_not_asked_for_no_runs():
    with pytest.raises(OptionError, match="runs is 0"):
        measure_peer(job(PeerFile(path=Path("a"))), runs=0)


class Peer:
    """Stands for the peer: writes a text for each file, and counts its processes."""

    def __init__(self) -> None:
        self.jobs: list[list[str]] = []
        self.stop_at = ""

    def texts(self, job: PeerJob):
        self.jobs.append([file.path.name for file in job.files])
        for file in job.files:
            if file.path.name == self.stop_at:
                raise PeerError("out of memory")
            bad = "broken" in file.path.name
            yield PeerText(
                text="" if bad else f"{file.path.name} {file.language} {file.multilingual}",
                duration_s=1.5,
                wall_s=0.5,
                cpu_s=0.25,
                error="ValueError: bad" if bad else None,
            )


@pytest.fixture
def peer(monkeypatch, tmp_path):
    made = Peer()
    monkeypatch.setattr(texts, "peer_texts", made.texts)
    monkeypatch.setenv("WHISPER_JAX_CACHE", str(tmp_path / "cache"))
    return made


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    return folder


def clips(folder: Path, *names: str, language: str = "en", **other) -> list[Clip]:
    for name in names:
        (folder / name).write_text(name.partition(".")[0])
    return [
        Clip(
            path=folder / name,
            name=name,
            set_name="s",
            language=language,
            text=f"{name} en False",
            duration_s=None,
            **other,
        )
        for name in names
    ]


def hypotheses(report) -> list[str]:
    return [result.hypothesis for result in report.clips]


def test_what_was_recorded_is_not_recorded_again(peer, model, tmp_path):
    first = PeerTexts(SEQUENTIAL, model).evaluate(clips(tmp_path, "a.wav", "b.wav"), threads=1)
    assert hypotheses(first) == ["a.wav en False", "b.wav en False"]
    assert first.totals[0].score.errors == 0
    assert (first.audio_s, first.seconds, first.is_peer) == (3.0, 1.0, True)
    said: list[tuple[int, int]] = []
    more = clips(tmp_path, "a.wav", "c.wav", "b.wav")
    again = PeerTexts(SEQUENTIAL, model).evaluate(
        more, threads=1, progress=lambda n, of: said.append((n, of))
    )
    assert hypotheses(again) == ["a.wav en False", "c.wav en False", "b.wav en False"]
    assert peer.jobs == [["a.wav", "b.wav"], ["c.wav"]]
    assert said == [(1, 1)]
    assert again.settings["packages"][0] == "faster-whisper==1.2.1"


def test_a_recording_is_known_by_its_content(peer, model, tmp_path):
    record = PeerTexts(SEQUENTIAL, model).evaluate
    record(clips(tmp_path, "a.wav"), threads=1)
    assert hypotheses(record(clips(tmp_path, "a.mp3"), threads=1)) == ["a.wav en False"]
    (tmp_path / "a.wav").write_text("another take")
    changed = [replace(clips(tmp_path, "x.wav")[0], path=tmp_path / "a.wav")]
    record(changed, threads=1)
    assert peer.jobs == [["a.wav"], ["a.wav"]]


def test_other_settings_weights_and_languages_are_recorded_apart(peer, model, tmp_path):
    clip = clips(tmp_path, "a.wav")
    for system in ("faster-whisper", "faster-whisper-batched"):
        for changes in ({}, {"compute_type": "int8"}, GREEDY):
            PeerTexts(PeerSettings(system=system, **changes), model).evaluate(clip, threads=1)
    assert len(peer.jobs) == 6
    (model / "model.bin").write_bytes(b"other weights")
    PeerTexts(SEQUENTIAL, model).evaluate(clip, threads=1)
    PeerTexts(SEQUENTIAL, model).evaluate(clips(tmp_path, "a.wav", language="de"), threads=2)
    assert len(peer.jobs) == 8


def test_code_switched_clips_go_without_a_language(peer, model, tmp_path):
    switched = clips(tmp_path, "a.wav", language="zh+en")
    batched = PeerTexts(PeerSettings(system="faster-whisper-batched"), model)
    assert hypotheses(batched.evaluate(switched, threads=1)) == ["a.wav None True"]
    openai = PeerTexts(PeerSettings(system="openai-whisper"), model)
    assert hypotheses(openai.evaluate(switched, threads=1)) == ["a.wav None False"]


def test_an_interrupted_recording_goes_on_where_it_ended(peer, model, tmp_path):
    all_clips = clips(tmp_path, "a.wav", "b.wav", "c.wav")
    peer.stop_at = "b.wav"
    kept = PeerTexts(SEQUENTIAL, model)
    with pytest.raises(PeerError, match="out of memory"):
        kept.evaluate(all_clips, threads=1)
    # As if it had been killed while it wrote.
    with kept.path.open("a", encoding="utf-8") as file:
        file.write('{"clip": "öde')
    peer.stop_at = ""
    PeerTexts(SEQUENTIAL, model).evaluate(all_clips, threads=1)
    assert hypotheses(kept.evaluate(all_clips, threads=1))[2] == "c.wav en False"
    assert peer.jobs == [["a.wav", "b.wav", "c.wav"], ["b.wav", "c.wav"]]
    lines = [json.loads(line) for line in kept.path.read_text(encoding="utf-8").splitlines()]
    assert [line.get("text", "")[:5] for line in lines] == ["", "a.wav", "b.wav", "c.wav"]


def test_a_clip_that_fails_counts_as_nothing_and_is_tried_again(peer, model, tmp_path):
    broken = clips(tmp_path, "broken.wav", "a.wav")
    report = PeerTexts(SEQUENTIAL, model).evaluate(broken, threads=1)
    (failed,) = report.failed
    assert (failed.clip.name, failed.error) == ("broken.wav", "ValueError: bad")
    assert failed.score.deletions == failed.score.n_reference > 0
    PeerTexts(SEQUENTIAL, model).evaluate(broken, threads=1)
    assert peer.jobs == [["broken.wav", "a.wav"], ["broken.wav"]]


def test_a_missing_recording_is_left_to_the_peer(peer, model, tmp_path):
    (gone,) = clips(tmp_path, "broken.wav")
    gone.path.unlink()
    assert PeerTexts(SEQUENTIAL, model).evaluate([gone], threads=1).failed
    assert peer.jobs == [["broken.wav"]]


def test_peers_need_weights_that_they_read(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no model\.bin"):
        PeerTexts(SEQUENTIAL, tmp_path)
