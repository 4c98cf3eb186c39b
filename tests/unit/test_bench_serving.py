"""``whisper-jax bench serve`` against a server that is made up."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pretended_server import KEY, FakeServer, fake_server

from whisper_jax.audio.encode import encode_audio
from whisper_jax.bench.serving import scenarios
from whisper_jax.bench.serving.client import Caller, Client, Upload
from whisper_jax.bench.serving.clips import all_endings, cut_uploads, whole_upload
from whisper_jax.bench.serving.mixed import MixedPlan, mixed
from whisper_jax.bench.serving.process import OwnServer
from whisper_jax.bench.serving.report import append_load, load_grids
from whisper_jax.bench.serving.results import (
    BurstFigures,
    FairnessFigures,
    LoadReport,
    MixedFigures,
    Outcomes,
    latencies,
)
from whisper_jax.bench.serving.run import LoadPlan, run_load
from whisper_jax.bench.serving.watch import Sample, Watch, count_uploads, read_metrics
from whisper_jax.cli.__main__ import main
from whisper_jax.errors import OptionError, WhisperJaxError

ANYBODY = Caller()
UPLOAD = Upload(name="a.wav", content=b"RIFF" + bytes(300_000), duration_s=3.0)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as made:
        yield made


@pytest.fixture
def client(server: FakeServer) -> Client:
    return Client(server.url, timeout_s=10)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    path.write_bytes(encode_audio(np.zeros(45 * 16_000, np.float32), "wav"))
    return path


def test_an_upload_is_a_form_with_its_fields_from_its_callers_address(
    server: FakeServer, client: Client
) -> None:
    caller = Caller(key="k", address="127.0.0.9")
    answer = client.transcribe(UPLOAD, caller, {"model": "base", "language": "en"})
    assert (answer.status, json.loads(answer.text)) == (200, {"text": str(len(server.forms[0]))})
    assert answer.seconds > 0
    assert server.clients == [("127.0.0.9", "Bearer k")]
    (form,) = server.forms
    assert b'name="model"\r\n\r\nbase\r\n' in form
    assert b'filename="a.wav"' in form
    assert UPLOAD.content in form


def test_events_come_one_by_one_and_a_refusal_is_one(server: FakeServer, client: Client) -> None:
    events = list(client.events(UPLOAD, ANYBODY, {}))
    assert [event.get("position_s") for event in events] == [0, 10, 20, None]
    assert b'name="stream"\r\n\r\ntrue' in server.forms[0]
    server.status = 429
    (refusal,) = client.events(UPLOAD, ANYBODY, {})
    assert refusal["status"] == 429


def test_a_client_that_vanishes_leaves_half_an_upload(server: FakeServer, client: Client) -> None:
    for share in (0.0, 0.5, 0.99):
        client.vanish_in_upload(UPLOAD, ANYBODY, share)
    assert client.transcribe(UPLOAD, ANYBODY, {}).status == 200
    assert len(server.forms) == 1


def test_nobody_there_is_status_0() -> None:
    client = Client("http://127.0.0.1:9", timeout_s=1)
    assert client.transcribe(UPLOAD, ANYBODY, {}).status == 0
    assert client.get("/ready", ANYBODY)[0] == 0
    assert client.send_garbage(b"x", ANYBODY).status == 0
    client.vanish_in_upload(UPLOAD, ANYBODY, 0.5)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(OptionError, match="give http://HOST:PORT"):
        Client(url)


def test_pieces_are_cut_one_after_the_other_in_all_formats(recording: Path) -> None:
    uploads = cut_uploads([recording], 7, (5, 10), seed=1, endings=all_endings())
    assert [Path(upload.name).suffix[1:] for upload in uploads] == [*all_endings(), "wav"]
    assert all(5 <= upload.duration_s <= 10 for upload in uploads)
    again = cut_uploads([recording], 7, (5, 10), seed=1, endings=all_endings())
    assert [one.duration_s for one in again] == [one.duration_s for one in uploads]
    assert again[0] == uploads[0]
    (whole,) = cut_uploads([recording], 1, (40, 50))
    assert whole.duration_s == 45
    assert whole_upload(recording).content == recording.read_bytes()
    with pytest.raises(OptionError, match="none of the recordings has 60 s"):
        cut_uploads([recording], 1, (60, 90))


def test_metrics_are_summed_over_labels() -> None:
    text = '# TYPE a gauge\na{x="1",y="z"} 2\na{x="2"} 3.5\nb 1e+06\nc NaN\n'
    assert read_metrics(text) == {"a": 5.5, "b": 1e6}


def test_a_sample_has_what_the_metrics_tell(server: FakeServer, client: Client) -> None:
    server.n_windows = 4
    watch = Watch(client, ANYBODY, lambda: 3)
    sample = watch.take()
    assert sample is not None
    assert (sample.memory_bytes, sample.n_files) == (150_000_000, 11)
    assert (sample.n_windows, sample.n_requests, sample.n_uploads) == (5, 6, 3)
    assert Watch(Client("http://127.0.0.1:9"), ANYBODY).take() is None


def test_files_of_uploads_are_counted_with_and_without_a_name(tmp_path: Path) -> None:
    import os
    import tempfile

    assert count_uploads(tmp_path, None) is None
    assert count_uploads(tmp_path, os.getpid()) == 0
    (tmp_path / "named").write_bytes(b"x")
    with tempfile.TemporaryFile(dir=tmp_path):
        assert count_uploads(tmp_path, os.getpid()) == 2
    assert count_uploads(tmp_path, os.getpid()) == 1


def test_burst_sends_all_at_once_and_tells_how_many_failed(
    server: FakeServer, client: Client
) -> None:
    figures = scenarios.burst(client, [UPLOAD] * 6, ANYBODY, {}, batch_seconds=1.0)
    assert (figures.n_uploads, figures.n_failed, figures.audio_s) == (6, 0, 18)
    assert len(server.forms) == 12
    assert figures.share_of_batch == 1.0 / figures.seconds
    server.status = 503
    assert scenarios.burst(client, [UPLOAD] * 2, ANYBODY, {}).n_failed == 2


def test_fairness_measures_the_job_alone_and_with_the_uploads(
    server: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenarios, "_SETTLED_S", 20.0)
    monkeypatch.setattr(scenarios, "_ALONE_S", 0.3)
    job = Upload(name="job.wav", content=UPLOAD.content, duration_s=2000.0)
    callers = Caller(address="127.0.0.1"), Caller(address="127.0.0.2")
    figures = scenarios.fairness(client, job, [UPLOAD] * 5, callers, {"model": "base"})
    assert (figures.n_tries, figures.n_failed, figures.upload_s) == (5, 0, 3.0)
    # It is told of ten seconds a hundred times a second, or less if the machine is busy.
    assert 10 < figures.alone < 1500
    assert {address for address, _ in server.clients} == {"127.0.0.1", "127.0.0.2"}
    with pytest.raises(WhisperJaxError, match="has ended"):
        scenarios.fairness(client, UPLOAD, [UPLOAD], callers, {})
    server.status = 503
    with pytest.raises(WhisperJaxError, match="503"):
        scenarios.fairness(client, job, [UPLOAD], callers, {})


def mixed_plan(has_keys: bool) -> MixedPlan:
    return MixedPlan(
        seconds=2.0,
        n_clients=6,
        uploads=[UPLOAD],
        callers=[Caller(key=KEY)],
        fields={"model": "base"},
        has_keys=has_keys,
    )


@pytest.mark.parametrize("has_keys", [True, False])
def test_mixed_clients_get_what_they_should(
    server: FakeServer, client: Client, has_keys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whisper_jax.bench.serving.mixed._MOST_REST_S", 0.01)
    monkeypatch.setattr("whisper_jax.bench.serving.mixed._SETTLE_S", 0.1)
    server.has_keys = has_keys
    watch = Watch(client, ANYBODY)
    figures = mixed(mixed_plan(has_keys), client, watch, None)
    kinds = {one.kind: one for one in figures.outcomes}
    assert {"upload", "stream", "garbage", "vanish in the answer"} <= set(kinds)
    assert ("wrong key" in kinds) == has_keys
    assert figures.audio_s >= 3 * kinds["upload"].n
    wrong = {one.kind: one for one in figures.outcomes if one.n_wrong}
    # The made-up server does not look into files: what begins like a WAV it takes for one.
    assert set(wrong) <= {"garbage in a form"}, wrong
    server.status = 500
    figures = mixed(mixed_plan(has_keys), client, watch, None)
    kinds = {one.kind: one for one in figures.outcomes}
    assert kinds["upload"].n_wrong == kinds["upload"].n
    assert (500, kinds["upload"].n) in kinds["upload"].statuses


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_no_more_than_a_twentieth_is_above_the_p95(seconds: list[float]) -> None:
    found = latencies(seconds)
    assert sum(one > found.p95_s for one in seconds) <= len(seconds) / 20
    assert found.median_s <= found.p95_s <= found.max_s == max(seconds)


SAMPLE = Sample(at_s=1.0, memory_bytes=1 << 30, n_files=12, n_windows=0, n_requests=0, n_uploads=0)
LATENCIES = latencies([1.0, 2.0, 3.0])
FIGURES = {
    "burst": BurstFigures(
        n_uploads=64, n_failed=2, audio_s=600.0, seconds=10.0, latencies=LATENCIES, batch_seconds=8
    ),
    "fairness": FairnessFigures(
        n_tries=3, n_failed=0, upload_s=10.0, latencies=LATENCIES, alone=80.0, shared=60.0
    ),
    "mixed": MixedFigures(
        seconds=60.0,
        outcomes=(Outcomes(kind="upload", n=5, statuses=((200, 4), (500, 1)), n_wrong=1),),
        audio_s=100.0,
        n_restarts=1,
        exit_codes=(3,),
        before=SAMPLE,
        after=Sample(at_s=2, memory_bytes=0, n_files=1, n_windows=2, n_requests=0, n_uploads=4),
    ),
}


def report_of(scenario: str) -> LoadReport:
    return LoadReport(
        scenario=scenario,  # pyright: ignore[reportArgumentType]
        url="",
        model="base",
        decoding="greedy",
        figures=FIGURES[scenario],
        samples=(SAMPLE,),
    )


@pytest.mark.parametrize(
    ("scenario", "cells", "problems"),
    [
        ("burst", ["64", "60.0", "80 %"], ["2 uploads failed"]),
        ("fairness", ["2.00", "3.00", "75 %"], []),
        (
            "mixed",
            ["200: 4, 500: 1", "1024"],
            [
                "unexpected: 1 of upload",
                "unexpected: exit code 3",
                "2 windows in slots are left at the end",
                "4 files of uploads are left at the end",
            ],
        ),
    ],
)
def test_a_report_has_its_figures_and_names_what_must_not_be(
    scenario: str, cells: list[str], problems: list[str], tmp_path: Path
) -> None:
    report = report_of(scenario)
    shown = [cell for grid in load_grids(report) for row in grid.rows for cell in row]
    assert set(cells) <= set(shown)
    assert report.problems == problems
    for _ in range(2):
        append_load(tmp_path / "runs.jsonl", report)
    lines = (tmp_path / "runs.jsonl").read_text().splitlines()
    assert [json.loads(line)["scenario"] for line in lines] == [scenario] * 2


def test_a_plan_that_cannot_be_is_refused(recording: Path) -> None:
    for given_, message in (
        ({"scenario": "flood"}, "there are: burst, fairness, mixed"),
        ({"recordings": []}, "there are no recordings"),
        ({"scenario": "fairness"}, "give --job"),
        ({"url": "http://x", "server_arguments": ("--warmup",)}, "takes no arguments"),
    ):
        plan = {"scenario": "burst", "recordings": [recording], **given_}
        with pytest.raises(OptionError, match=message):
            LoadPlan(**plan)


def test_clients_of_a_server_without_keys_differ_by_address(recording: Path) -> None:
    local = LoadPlan(scenario="burst", recordings=[recording])
    assert [caller.address for caller in local.callers][:2] == ["127.0.0.1", "127.0.0.2"]
    far = LoadPlan(scenario="burst", recordings=[recording], url="https://example.org")
    assert far.callers == [Caller()]
    keyed = LoadPlan(scenario="burst", recordings=[recording], keys=("a", "b"))
    assert keyed.callers == [Caller(key="a"), Caller(key="b")]
    assert keyed.fields == {"model": "base"}


def test_a_burst_on_a_server_that_runs(server: FakeServer, recording: Path) -> None:
    plan = LoadPlan(
        scenario="burst", recordings=[recording], url=server.url, n_uploads=3, is_greedy=True
    )
    said: list[str] = []
    report = run_load(plan, said.append)
    assert said == ["burst"]
    assert report.problems == []
    assert b'name="beam_size"\r\n\r\n1\r\n' in server.forms[0]


def test_the_command_prints_tables_and_writes_its_files(
    server: FakeServer, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "serve", str(recording), "--url", server.url, "--uploads", "2"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--markdown", "--json", str(tmp_path / "runs.jsonl")])
    assert ended.value.code == 0
    assert "| uploads | failed |" in capsys.readouterr().out.replace("---", "").replace(": ", "")
    assert (tmp_path / "runs.jsonl").is_file()
    server.status = 503
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 1
    assert "failed: 2 uploads failed" in capsys.readouterr().err
    for wrong in (["--scenario", "flood"], ["--json", str(tmp_path / "no" / "runs")]):
        with pytest.raises(SystemExit) as ended:
            main([*command, *wrong])
        assert ended.value.code == 2


def test_a_picture_is_drawn_with_gaps(tmp_path: Path) -> None:
    from whisper_jax.bench.serving.plot import _stretches, plot_load

    samples = tuple(
        Sample(at_s=at, memory_bytes=1, n_files=1, n_windows=1, n_requests=1, n_uploads=None)
        for at in (1.0, 2.0, 3.0, 30.0, 31.0)
    )
    assert [len(stretch) for stretch in _stretches(samples)] == [3, 2]
    report = LoadReport(
        scenario="mixed",
        url="",
        model="base",
        decoding="greedy",
        figures=FIGURES["mixed"],
        samples=samples,
    )
    plot_load(report, tmp_path / "load.png")
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(WhisperJaxError, match="nothing was seen"):
        plot_load(replace(report_of("burst"), samples=()), tmp_path / "load.png")


def test_a_server_that_does_not_start_says_why() -> None:
    server = OwnServer("base", (), ["--no-such-option"])
    with pytest.raises(WhisperJaxError, match="no-such-option"), server:
        pass
    assert server.process_id is None
