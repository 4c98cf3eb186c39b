"""The server with real weights: the same text as without it, for several clients at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from openai import OpenAI
from served import Served, serving, until

from whisper_jax.shelf import Models

DATA = Path(__file__).parents[1] / "golden" / "data"
JFK = DATA / "jfk.flac"


@pytest.fixture(scope="module")
def real(base_folder: Path) -> Iterator[Served]:
    models = Models((str(base_folder),))
    with serving(models, aliases={"base": str(base_folder)}) as served:
        yield served


@pytest.fixture
def client(real: Served) -> Iterator[OpenAI]:
    url = f"{real.url}/v1"
    with OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120) as client:
        yield client


def test_words_and_segments(client: OpenAI):
    found = client.audio.transcriptions.create(
        file=JFK,
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert "ask not what your country can do for you" in found.text
    assert (found.language, found.duration) == ("english", 11.0)
    assert found.words is not None
    assert [word.word for word in found.words[:4]] == ["And", "so", "my", "fellow"]
    assert all(a.start <= b.start for a, b in zip(found.words, found.words[1:], strict=False))


def test_many_at_once_and_a_stream(client: OpenAI):
    def whole(name: str) -> str:
        return client.audio.transcriptions.create(file=DATA / name, model="base").text

    def streamed(name: str) -> str:
        events = client.audio.transcriptions.create(file=DATA / name, model="base", stream=True)
        return "".join(event.delta for event in events if event.type == "transcript.text.delta")

    names = ["jfk.flac", "de.mp3", "zh.mp3"]
    with ThreadPoolExecutor(6) as pool:
        texts = pool.map(whole, names)
        streams = pool.map(streamed, names)
        assert list(texts) == list(streams)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # OpenAI has newer models for it
def test_a_translation(client: OpenAI):
    found = client.audio.translations.create(
        file=DATA / "de.mp3", model="base", response_format="verbose_json"
    )
    assert found.language == "english"
    assert found.text


def test_a_client_that_leaves_frees_its_slots(client: OpenAI, real: Served):
    stream = client.audio.transcriptions.create(
        file=DATA / "lj_long.mp3", model="base", stream=True, extra_body={"stream_detail": True}
    )
    next(iter(stream))
    stream.close()
    name = real.models.names[0]
    until(lambda: real.metric("whisper_jax_running_requests") == 0)
    until(lambda: real.metric(f'whisper_jax_model_windows{{model="{name}"}}') == 0)
