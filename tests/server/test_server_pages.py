"""What is not a transcription: files of edited transcripts, facts, metrics, headers, the schema."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import CountingModels, Served, serving

from whisper_jax.errors import DownloadError, EngineError, ModelBusyError, WhisperJaxError
from whisper_jax.server.errors import ApiError, as_api_error
from whisper_jax.server.guard import page_policy


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving(
        CountingModels(("counting", "org/other")), aliases={"mine": "org/other"}
    ) as served:
        yield served


def render(server: Served, response_format: str = "srt", **changes) -> tuple[int, str]:
    words = [{"word": " Hello", "start": 0.0, "end": 0.5, "probability": 1.0}]
    segment = {"id": 0, "start": 0.0, "end": 1.5, "text": " Hello", "language": "en"}
    body = {
        "transcript": {"language": "english", "segments": [segment | {"words": words}]},
        "response_format": response_format,
    } | changes
    found = server.post_json("/v1/transcripts/render", body)
    return found.status_code, found.text


@pytest.mark.parametrize(
    ("response_format", "text"),
    [
        ("srt", "1\n00:00:00,000 --> 00:00:00,500\nHello\n\n"),
        ("vtt", "WEBVTT\n\n00:00.000 --> 00:00.500\nHello\n\n"),
        ("text", "Hello\n"),
        ("lrc", "[00:00.00]Hello\n[00:00.50]\n"),
    ],
)
def test_a_transcript_becomes_a_file(server: Served, response_format, text):
    assert render(server, response_format) == (200, text)


def test_a_verbose_answer_can_be_rendered_as_it_is(server: Served):
    fields = {
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
    }
    transcript = server.post(fields=fields).json()
    body = {"transcript": transcript, "response_format": "vtt", "layout": {"karaoke": True}}
    found = server.post_json("/v1/transcripts/render", body)
    assert found.status_code == 200
    assert "<00:00:00.100>" in found.text or "00:00.100" in found.text
    direct = server.post(fields={"response_format": "vtt", "karaoke": "true"})
    assert found.text == direct.text


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"response_format": "docx"}, "response_format"),
        ({"layout": {"max_line_width": 0}}, "max_line_width"),
        ({"layout": {"nonsense": 1}}, "layout"),
        ({"transcript": {}}, "transcript.segments"),
        ({"transcript": {"segments": [{"start": -1, "end": 0, "text": ""}]}}, None),
        ({"transcript": {"segments": [], "language": "klingon"}}, None),
        ({"extra": 1}, "extra"),
    ],
)
def test_what_cannot_be_rendered_is_refused(server: Served, changes, param):
    body = {
        "transcript": {"segments": [{"start": 0, "end": 1, "text": " a"}]},
        "response_format": "srt",
    } | changes
    found = server.post_json("/v1/transcripts/render", body)
    assert found.status_code == 400
    if param is not None:
        assert found.json()["error"]["param"] == param


def test_layouts_of_words_need_words(server: Served):
    segments = [{"start": 0, "end": 1, "text": " a"}]
    body = {
        "transcript": {"segments": segments},
        "response_format": "srt",
        "layout": {"highlight_words": True},
    }
    found = server.post_json("/v1/transcripts/render", body)
    assert found.json()["error"]["param"] == "transcript"


def test_a_transcript_may_not_be_endless(server: Served):
    for body, status in ((b" " * (9 << 20), 413), (b"[" * 200_000, 400), (b"", 400)):
        found = server.raw(body, {"Content-Type": "application/json"}, "/v1/transcripts/render")
        assert found.status_code == status


def test_aliases_stand_for_models(server: Served):
    ids = [model["id"] for model in server.get("/v1/models").json()["data"]]
    assert ids == ["counting", "org/other", "whisper-1", "mine"]
    assert server.get("/v1/models/org/other").json()["id"] == "org/other"
    for name, model in (("whisper-1", "counting"), ("mine", "org/other")):
        assert server.post(fields={"model": name}).status_code == 200
        assert server.models.used[-1] == model


def test_facts(server: Served):
    facts = server.get("/v1/server").json()
    assert facts["models"] == ["counting", "org/other"]
    assert facts["needs_key"] is False
    assert {"code": "de", "name": "german"} in facts["languages"]
    assert facts["max_upload_bytes"] == 1 << 30


def test_metrics_have_names_units_and_no_text(server: Served):
    server.post()
    text = server.get("/metrics").text
    for line in (
        'whisper_jax_audio_seconds_total{model="counting",task="transcribe"}',
        'whisper_jax_model_windows{model="counting"} 3.0',
        'whisper_jax_model_waiting_windows{model="org/other"} 2.0',
        'path="/v1/audio/transcriptions",status="200"',
        "whisper_jax_times_real_time_count",
        "whisper_jax_first_text_seconds_count",
        "whisper_jax_queue_seconds_count",
        "process_resident_memory_bytes",
    ):
        assert line in text


def test_unknown_paths_do_not_fill_the_metrics(server: Served):
    for number in range(5):
        assert server.get(f"/nothing/{number}").status_code == 404
    text = server.get("/metrics").text
    assert "/nothing" not in text
    assert 'method="GET",path="other",status="404"' in text


def test_paths_and_methods_that_are_not_there(server: Served):
    found = server.get("/v1/audio/transcriptions")
    assert (found.status_code, found.json()["error"]["code"]) == (405, "wrong_method")
    assert found.headers["Allow"] == "POST"
    assert server.get("/v1/nothing").json()["error"]["code"] == "not_found"


def test_the_page_is_served_with_strict_headers(server: Served):
    page = server.get("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    host = server.url.removeprefix("http://")
    policy = page.headers["Content-Security-Policy"]
    assert policy.endswith(f"connect-src 'self' ws://{host} wss://{host}")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-cache"
    again = server.get("/", headers={"If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "host", ["", "*", "evil.example; script-src *", "a b", "a:b", "http://a", "a,b", "a/b"]
)
def test_only_the_name_of_a_host_comes_into_the_policy(host: str):
    assert page_policy(host).endswith("connect-src 'self'")
    for good in ("whisper.example", "127.0.0.1:8000", "[::1]:8000"):
        assert page_policy(good).endswith(f"connect-src 'self' ws://{good} wss://{good}")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelBusyError("no memory"), 503, "model_unavailable"),
        (DownloadError("no network"), 503, "model_unavailable"),
        (EngineError("device failed"), 500, "internal_error"),
        (WhisperJaxError("?"), 500, "internal_error"),
        (KeyError("secret"), 500, "internal_error"),
    ],
)
def test_errors_of_ours_have_a_status(error, status, code):
    known = as_api_error(error)
    assert isinstance(known, ApiError)
    assert (known.status, known.code, known.kind) == (status, code, "server_error")
    assert "secret" not in known.message


def test_random_requests_get_what_the_schema_says(server: Served, tmp_path: Path):
    checks = "not_a_server_error,status_code_conformance,response_schema_conformance"
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run"),
            *(f"{server.url}/openapi.json", "--max-examples", "5", "--seed", "1"),
            *("--checks", checks, "--request-timeout", "10", "--phases", "coverage,fuzzing"),
            *("--no-color", "--generation-database", "none"),
        ],
        cwd=tmp_path,  # it keeps a folder of what it found
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-500:]
