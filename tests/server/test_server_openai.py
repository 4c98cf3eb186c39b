"""OpenAI's own Python client, unchanged, against the server."""

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from served import CountingModels, Served, audio, serving

KEY = "a-key-that-nobody-guesses"
AUDIO = ("a.wav", audio(3))


@pytest.fixture(scope="module")
def keyed() -> Iterator[Served]:
    from whisper_jax.server.keys import ApiKeys

    with serving(CountingModels(), keys=ApiKeys([KEY, "another-key-of-16"])) as served:
        yield served


@pytest.fixture
def client(keyed: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{keyed.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def transcriptions(client: OpenAI):
    return client.audio.transcriptions


def test_json(client: OpenAI):
    found = transcriptions(client).create(file=AUDIO, model="whisper-1")
    assert found.text == "0 1 2"
    assert found.usage is not None
    assert found.usage.type == "duration"
    assert found.usage.seconds == 3
    assert found._request_id


@pytest.mark.parametrize("response_format", ["text", "srt", "vtt"])
def test_plain_formats(client: OpenAI, response_format):
    found = transcriptions(client).create(
        file=AUDIO, model="counting", response_format=response_format
    )
    expected = {
        "text": "0 1 2\n",
        "srt": "1\n00:00:00,000 --> 00:00:01,000\n0\n\n",
        "vtt": "WEBVTT\n\n00:00.000 --> 00:01.000\n0\n\n",
    }
    assert isinstance(found, str)
    assert found.startswith(expected[response_format])


def test_verbose_json_with_segments(client: OpenAI):
    found = transcriptions(client).create(
        file=AUDIO, model="counting", response_format="verbose_json"
    )
    assert (found.text, found.language, found.duration) == ("0 1 2", "english", 3.0)
    assert found.segments is not None
    assert [segment.text for segment in found.segments] == [" 0", " 1", " 2"]
    assert [segment.end for segment in found.segments] == [1, 2, 3]
    assert found.segments[0].avg_logprob == -0.5
    assert found.segments[0].model_extra == {"language": "en"}
    assert found.words is None


def test_verbose_json_with_words(client: OpenAI):
    found = transcriptions(client).create(
        file=AUDIO,
        model="counting",
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
    assert found.words is not None
    assert [(word.word, word.start) for word in found.words] == [("0", 0.1), ("1", 1.1), ("2", 2.1)]
    assert found.segments is None


def test_verbose_json_with_words_and_segments(client: OpenAI):
    found = transcriptions(client).create(
        file=AUDIO,
        model="counting",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert found.words is not None
    assert found.segments is not None
    assert len(found.words) == len(found.segments) == 3


def test_diarized_json_of_channels(client: OpenAI):
    found = transcriptions(client).create(
        file=AUDIO,
        model="counting",
        response_format="diarized_json",
        extra_body={"channels": "split"},
    )
    assert [segment.speaker for segment in found.segments] == ["A", "A", "A"]
    assert found.segments[0].id == "seg_001"
    assert found.segments[0].type == "transcript.text.segment"


def test_stream(client: OpenAI):
    events = list(transcriptions(client).create(file=AUDIO, model="whisper-1", stream=True))
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert deltas == ["0", " 1", " 2"]
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == "".join(deltas)
    assert len(events) == 4


def test_stream_of_speakers(client: OpenAI):
    events = list(
        transcriptions(client).create(
            file=AUDIO,
            model="counting",
            stream=True,
            response_format="diarized_json",
            extra_body={"channels": "split"},
        )
    )
    segments = [event for event in events if event.type == "transcript.text.segment"]
    assert [segment.speaker for segment in segments] == ["A"] * 3
    assert events[-1].type == "transcript.text.done"


def test_fields_reach_the_options(client: OpenAI, keyed: Served):
    transcriptions(client).create(
        file=AUDIO,
        model="counting",
        language="de",
        prompt="Namen: Zoë",
        temperature=0.4,
        chunking_strategy={
            "type": "server_vad",
            "threshold": 0.3,
            "prefix_padding_ms": 200,
            "silence_duration_ms": 300,
        },
        extra_body={"beam_size": 2, "hotwords": "Zoë", "vad_neg_threshold": "none"},
    )
    owner, options = keyed.models.whisper.asked[-1]
    assert owner.startswith("key-")
    assert KEY not in owner
    assert (options.language, options.initial_prompt) == ("de", "Namen: Zoë")
    assert options.temperature == (0.4,)
    assert (options.vad_threshold, options.vad_speech_pad_ms) == (0.3, 200)
    assert options.vad_min_silence_duration_ms == 300
    assert options.vad_filter is True
    assert (options.beam_size, options.hotwords) == (2, "Zoë")


def test_temperature_zero_keeps_the_retries(client: OpenAI, keyed: Served):
    transcriptions(client).create(file=AUDIO, model="counting", temperature=0)
    assert len(keyed.models.whisper.asked[-1][1].temperature) == 6


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # OpenAI has newer models for it
@pytest.mark.parametrize("response_format", ["json", "verbose_json", "text"])
def test_translations(client: OpenAI, keyed: Served, response_format):
    found = client.audio.translations.create(
        file=AUDIO, model="whisper-1", response_format=response_format
    )
    assert keyed.models.whisper.asked[-1][1].task == "translate"
    if response_format == "text":
        assert found == "0 1 2\n"
    else:
        assert found.text == "0 1 2"
    if response_format == "verbose_json":
        assert (found.language, found.duration) == ("english", 3.0)
        assert len(found.segments) == 3


def test_models(client: OpenAI):
    assert [model.id for model in client.models.list()] == ["counting", "whisper-1"]
    assert client.models.retrieve("counting").object == "model"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4")
    assert caught.value.code == "model_not_found"


def test_a_wrong_key(keyed: Served):
    wrong = OpenAI(base_url=f"{keyed.url}/v1", api_key=KEY + "x", max_retries=0)
    with wrong as client, pytest.raises(openai.AuthenticationError) as caught:
        transcriptions(client).create(file=AUDIO, model="counting")
    error = caught.value
    assert (error.code, error.type, error.param) == (
        "invalid_api_key",
        "invalid_request_error",
        None,
    )
    assert error.request_id


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "xml"}, "response_format"),
        ({"include": ["logprobs"]}, "include[]"),
        ({"known_speaker_names": ["Ann"]}, "known_speaker_names[]"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities[]"),
        ({"temperature": 1.5}, "temperature"),
        ({"language": "klingon"}, "language"),
        ({"chunking_strategy": {"type": "server_vad", "threshold": 2}}, "chunking_strategy"),
        ({"extra_body": {"beam_size": "many"}}, "beam_size"),
        ({"extra_body": {"beam_size": 99}}, "beam_size"),
        ({"extra_body": {"nonsense": 1}}, "nonsense"),
        ({"extra_body": {"max_line_width": 40}}, "max_line_width"),
        ({"extra_body": {"stream_detail": True}}, "stream_detail"),
        ({"stream": True, "response_format": "srt"}, "response_format"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(client: OpenAI, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        transcriptions(client).create(file=AUDIO, model="counting", **fields)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


def test_an_unknown_model(client: OpenAI):
    with pytest.raises(openai.NotFoundError) as caught:
        transcriptions(client).create(file=AUDIO, model="gpt-4o-transcribe")
    assert caught.value.param == "model"


def test_a_file_that_is_no_recording(client: OpenAI):
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            transcriptions(client).create(
                file=("a.mp3", b"<html>" * 100), model="counting", stream=stream
            )
        assert (caught.value.code, caught.value.param) == ("invalid_audio", "file")


def test_an_error_amid_a_stream(client: OpenAI, keyed: Served):
    keyed.models.whisper.failure = RuntimeError("the words were secret")
    try:
        with pytest.raises(openai.APIError, match="its log says why"):
            list(transcriptions(client).create(file=AUDIO, model="counting", stream=True))
        with pytest.raises(openai.InternalServerError):
            transcriptions(client).create(file=AUDIO, model="counting")
    finally:
        keyed.models.whisper.failure = None
