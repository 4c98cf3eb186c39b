"""What the worker tells OpenVINO GenAI, transformers and whisper.cpp, with stand-ins for them."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from whisper_jax.bench.peers import run, worker
from whisper_jax.bench.peers.run import PeerFile, PeerJob
from whisper_jax.bench.peers.settings import PeerSettings

JFK = Path(__file__).parents[1] / "golden" / "data" / "jfk.flac"
GREEDY = {"beam_size": 1, "temperature": 0.0}


class Package:
    """A peer's package, as far as the worker uses it: notes what it is told."""

    def __init__(self, is_multilingual: bool = True) -> None:
        self.is_multilingual = is_multilingual
        self.loaded: list[tuple[tuple, dict]] = []
        self.told: list[dict] = []

    def heard(self, samples: np.ndarray, **told) -> str:
        assert samples.dtype == np.float32
        assert abs(len(samples) - 11 * 16_000) < 16
        self.told.append(told)
        return "asked not"


class OpenVINO(Package):
    def WhisperPipeline(self, *given, **settings):  # noqa: N802
        self.loaded.append((given, settings))
        return self

    def get_generation_config(self):
        return SimpleNamespace(is_multilingual=self.is_multilingual)

    def generate(self, samples, config):
        return self.heard(samples, **vars(config))


class Transformers(Package):
    float32, bfloat16 = "f32", "bf16"

    def set_num_threads(self, n):
        self.threads = n

    def pipeline(self, *given, **settings):
        self.loaded.append((given, settings))
        config = SimpleNamespace(is_multilingual=self.is_multilingual)

        def call(audio, generate_kwargs):
            assert audio["sampling_rate"] == 16_000
            return {"text": self.heard(audio["raw"], **generate_kwargs)}

        call.model = SimpleNamespace(generation_config=config)
        return call


class WhisperCpp(Package):
    def Model(self, *given, **settings):  # noqa: N802
        self.loaded.append((given, settings))
        return self

    def transcribe(self, samples, **told):
        return [SimpleNamespace(text=text) for text in self.heard(samples, **told).split()]


def answers(monkeypatch, modules: dict, settings: PeerSettings, *languages: str | None) -> list:
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(run, "peer_model", lambda peer, folder, **_: folder / peer)
    files = tuple(PeerFile(path=JFK, language=language) for language in languages)
    job = PeerJob(settings=settings, model=Path("m"), files=files, threads=2)
    found = list(worker.write_texts(run._message(job, None)))
    assert [answer["error"] for answer in found] == [None] * len(found)
    assert all(abs(answer["duration_s"] - 11) < 0.01 for answer in found)
    return [answer["text"] for answer in found]


@pytest.mark.parametrize("compute_type", ["default", "f32"])
def test_openvino(monkeypatch, compute_type):
    package = OpenVINO()
    settings = PeerSettings(system="openvino-genai", compute_type=compute_type, beam_size=5)
    found = answers(monkeypatch, {"openvino_genai": package}, settings, "de", None)
    assert found == ["asked not"] * 2
    hint = {} if compute_type == "default" else {"INFERENCE_PRECISION_HINT": "f32"}
    ((given, told),) = package.loaded
    assert (given, told) == (("m/openvino-genai", "CPU"), {"INFERENCE_NUM_THREADS": 2, **hint})
    common = {"is_multilingual": True, "task": "transcribe", "return_timestamps": True}
    common["num_beams"] = 5
    assert package.told == [{**common, "language": "<|de|>"}, common]


def test_openvino_with_an_english_model(monkeypatch):
    package = OpenVINO(is_multilingual=False)
    answers(monkeypatch, {"openvino_genai": package}, PeerSettings(system="openvino-genai"), "en")
    assert package.told == [{"is_multilingual": False, "return_timestamps": True}]


def test_transformers(monkeypatch):
    package = Transformers()
    settings = PeerSettings(system="transformers", compute_type="bfloat16", **GREEDY)
    modules = {"transformers": package, "torch": package}
    assert answers(monkeypatch, modules, settings, "de", None) == ["asked not"] * 2
    ((_, told),) = package.loaded
    assert (told["model"], told["dtype"], told["batch_size"]) == ("m/transformers", "bf16", 8)
    assert told["return_timestamps"] is True
    assert package.threads == 2
    common = {"task": "transcribe", "num_beams": 1}
    assert package.told == [{**common, "language": "de"}, {**common, "language": None}]


def test_transformers_with_an_english_model(monkeypatch):
    package = Transformers(is_multilingual=False)
    modules = {"transformers": package, "torch": package}
    answers(monkeypatch, modules, PeerSettings(system="transformers", beam_size=5), "en")
    assert package.told == [{"num_beams": 5}]


@pytest.mark.parametrize(("beam_size", "strategy"), [(1, 0), (5, 1)])
def test_whisper_cpp(monkeypatch, beam_size, strategy):
    package = WhisperCpp()
    settings = PeerSettings(system="whisper.cpp", beam_size=beam_size, temperature=0.0)
    modules = {"pywhispercpp": SimpleNamespace(), "pywhispercpp.model": package}
    assert answers(monkeypatch, modules, settings, "de", None) == [" asked not"] * 2
    ((given, told),) = package.loaded
    assert given == ("m/whisper.cpp",)
    assert (told["params_sampling_strategy"], told["n_threads"]) == (strategy, 2)
    assert told["temperature_inc"] == 0.0
    assert ("beam_search" in told) == bool(strategy)
    assert package.told == [{"language": "de"}, {"language": ""}]
