"""Names, paths, wheels, locks and the command line, without any network."""

import hashlib
import json
import shutil
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_checkpoints_files import write_ct2
from typer.testing import CliRunner

from whisper_jax.checkpoints import (
    DownloadProgress,
    cached_models,
    known_models,
    load_checkpoint,
    resolve_model,
    wheels,
)
from whisper_jax.checkpoints.download import OnProgress
from whisper_jax.checkpoints.sources import ALIASES, SOURCES, HubSource, WheelSource
from whisper_jax.cli.models import app
from whisper_jax.errors import CancelledError, DownloadError, UnknownModelError
from whisper_jax.model.dims import PUBLISHED

RUNNER = CliRunner()


def write_wheel(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """A wheel that pip accepts."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
        metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n"
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
        archive.writestr(f"{info}/config.json", "not this one")
    return path


def source_of(folder: Path, prefix: str = "made_model") -> WheelSource:
    """Two wheels in ``folder`` with the halves of a small model, and their source."""
    model = write_ct2(folder / "model")
    whole = (model / "model.bin").read_bytes()
    config = (model / "config.json").read_bytes()
    first = {f"{prefix}_1/data/model.bin.part1": whole[:900], f"{prefix}_1/__init__.py": b"1/0"}
    second = {f"{prefix}_2/data/model.bin.part2": whole[900:], f"{prefix}_2/config.json": config}
    write_wheel(folder / "index", f"{prefix}_1", first)
    write_wheel(folder / "index", f"{prefix}_2", second)
    name = prefix.replace("_", "-")
    return WheelSource(
        requirements=(f"{name}-1==1.0", f"{name}-2==1.0"),
        parts=("model.bin.part1", "model.bin.part2"),
        sha256=hashlib.sha256(whole).hexdigest(),
        others={"config.json": hashlib.sha256(config).hexdigest()},
    )


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches and indexes of this test's own; a hub that nobody answers for."""
    monkeypatch.setenv("WHISPER_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    for name in ("HF_HUB_OFFLINE", "WHISPER_JAX_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WheelSource:
    """``tiny`` comes from two wheels that were made here."""
    source = source_of(tmp_path)
    monkeypatch.setitem(SOURCES, "tiny", (source,))
    return source


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What pip was asked for, with a copy of the file in pip's place, which takes a second."""
    asked: list[str] = []

    def copy(requirement: str, destination: Path, on_progress: OnProgress) -> None:
        asked.append(requirement)
        on_progress(DownloadProgress(what=requirement, done_bytes=0, total_bytes=None))
        name = f"{requirement.replace('-', '_').replace('==', '-')}-py3-none-any.whl"
        if not (tmp_path / "index" / name).exists():
            raise DownloadError(f"pip could not fetch {requirement}")
        shutil.copy(tmp_path / "index" / name, destination)

    monkeypatch.setattr(wheels, "_run_pip", copy)
    return asked


def test_every_published_model_has_a_source_and_every_alias_a_model() -> None:
    assert set(SOURCES) == set(PUBLISHED)
    assert {ALIASES["large"], ALIASES["turbo"]} == {"large-v3", "large-v3-turbo"}
    assert set(known_models()) == set(SOURCES) | set(ALIASES)
    assert all(isinstance(sources[0], HubSource) for sources in SOURCES.values())


def test_unknown_names_are_answered_with_near_ones() -> None:
    with pytest.raises(UnknownModelError, match=r"did you mean large-v3 or .*; a hub id"):
        resolve_model("large-v33")
    with pytest.raises(UnknownModelError, match=r"the models are: tiny, tiny\.en"):
        resolve_model("./none/such/folder")
    with pytest.raises(UnknownModelError):
        resolve_model(Path("made/folder"))


def test_paths_win_over_hub_ids_and_names_over_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("openai/mine", "base"):
        Path(name).mkdir(parents=True)
    assert resolve_model("openai/mine") == Path("openai/mine")
    assert resolve_model(Path("base")) == Path("base")
    with pytest.raises(DownloadError):
        resolve_model("base", offline=True)


def test_wheels_become_a_folder(made: WheelSource, tmp_path: Path) -> None:
    seen: list[DownloadProgress] = []
    folder = resolve_model("tiny", on_progress=seen.append)
    assert folder == tmp_path / "cache" / "models" / "tiny"
    assert {path.name for path in folder.iterdir()} == {"model.bin", "config.json"}
    assert load_checkpoint(folder).alignment_heads == ((0, 0), (0, 1))
    assert seen[0].what == "made-model-1==1.0"
    assert not list((tmp_path / "cache" / "partial").iterdir())
    assert cached_models() == {"tiny": folder}
    assert resolve_model("tiny", offline=True) == folder


def test_a_wheel_that_came_whole_is_not_fetched_again(
    made: WheelSource, runs: list[str], tmp_path: Path
) -> None:
    second = tmp_path / "index" / "made_model_2-1.0-py3-none-any.whl"
    hidden = second.rename(tmp_path / "hidden.whl")
    with pytest.raises(DownloadError, match=r"pip could not fetch made-model-2==1\.0"):
        resolve_model("tiny")
    hidden.rename(second)
    assert load_checkpoint(resolve_model("tiny")).dims.n_vocab == 11
    first, second_ = made.requirements
    assert runs == [first, second_, second_]


def test_a_wrong_hash_is_named_and_nothing_is_kept(
    made: WheelSource, runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (
        WheelSource(requirements=made.requirements, parts=made.parts, sha256="0" * 64),
        WheelSource(
            requirements=made.requirements,
            parts=made.parts,
            sha256=made.sha256,
            others={"config.json": "1" * 64},
        ),
    ):
        monkeypatch.setitem(SOURCES, "tiny", (wrong,))
        with pytest.raises(DownloadError, match=r"has the hash \w{64} but should have [01]{64}"):
            resolve_model("tiny")
        assert not list((tmp_path / "cache").rglob("*.bin"))
        assert not list((tmp_path / "cache").rglob("*.whl"))


def test_the_next_source_is_tried(
    made: WheelSource, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = WheelSource(requirements=made.requirements, parts=made.parts, sha256="0" * 64)
    monkeypatch.setitem(SOURCES, "tiny", (HubSource(repo="made/nowhere"), broken, made))
    assert load_checkpoint(resolve_model("tiny")).dims.n_vocab == 11
    assert runs == [*made.requirements, *made.requirements]


def test_all_reasons_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = WheelSource(requirements=("absent-wheel==2.0",), parts=("model.bin",), sha256="")
    monkeypatch.setitem(SOURCES, "base", (HubSource(repo="made/nowhere"), absent))
    with pytest.raises(DownloadError) as caught:
        resolve_model("base")
    reasons = str(caught.value)
    assert "(1) hub made/nowhere: " in reasons
    pip = "pip could not fetch absent-wheel==2.0: Could not find a version"
    assert f"(2) wheels absent-wheel==2.0: {pip}" in reasons
    assert "\n" not in reasons


def test_only_wanted_names_leave_a_wheel_and_never_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "bad.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../model.bin", b"weights")
        archive.writestr("/etc/config.json", b"{}")
        archive.writestr("../evil.py", b"")
    target = tmp_path / "a" / "b" / "c"
    target.mkdir(parents=True)
    wheels._unzip(path, target, {"model.bin", "config.json"})
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {"bad.whl", "a/b/c/model.bin", "a/b/c/config.json"}
    with pytest.raises(DownloadError, match=r"two of the wheels' files are called model\.bin"):
        wheels._unzip(path, target, {"model.bin"})


def test_a_wheel_that_swells_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.bin", bytes(3 << 20))
    monkeypatch.setattr(wheels, "_MOST_UNZIPPED_BYTES", 2 << 20)
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(DownloadError, match="unzips to more than"):
        wheels._unzip(path, target, {"model.bin"})
    assert (target / "model.bin").stat().st_size <= 2 << 20


def test_what_is_no_wheel_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "no.whl"
    path.write_bytes(b"<html>")
    with pytest.raises(DownloadError, match=r"no\.whl is not a readable wheel"):
        wheels._unzip(path, tmp_path, set())


def test_two_at_once_fetch_once(made: WheelSource, runs: list[str]) -> None:
    waiting = threading.Event()

    def hold(progress: DownloadProgress) -> None:
        if progress.what == made.requirements[0]:
            waiting.wait(30)

    def note(progress: DownloadProgress) -> None:
        if progress.what == "waiting for another process that fetches tiny":
            waiting.set()

    folders: list[Path] = []
    first = threading.Thread(target=lambda: folders.append(resolve_model("tiny", on_progress=hold)))
    first.start()
    while not runs:
        first.join(0.01)
    folders.append(resolve_model("tiny", on_progress=note))
    first.join()
    assert waiting.is_set()
    assert folders[0] == folders[1]
    assert runs == list(made.requirements)


def test_a_caller_can_stop_and_go_on(made: WheelSource, runs: list[str]) -> None:
    def stop(progress: DownloadProgress) -> None:
        if progress.what == made.requirements[1]:
            raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        resolve_model("tiny", on_progress=stop)
    assert runs == list(made.requirements)
    assert load_checkpoint(resolve_model("tiny")).dims.n_vocab == 11


def test_pip_reports_bytes_and_resumes(
    made: WheelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index over HTTP that breaks off the first transfer in the middle."""
    wheel = write_wheel(
        tmp_path / "simple" / "big-wheel", "big_wheel", {"x/model.bin": bytes(3 << 20)}
    )
    content = wheel.read_bytes()
    ranges: list[str | None] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.endswith(".whl"):
                self.send_text(f'<a href="{wheel.name}">{wheel.name}</a>'.encode())
                return
            wanted = self.headers.get("Range")
            ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", '"1"')
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(content) - start))
            if wanted:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", span)
            self.end_headers()
            self.wfile.write(content[start:] if wanted else content[: 2 << 20])

        def send_text(self, text: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    seen: list[DownloadProgress] = []
    (tmp_path / "got").mkdir()
    try:
        found = wheels._wheel("big-wheel==1.0", tmp_path / "got", seen.append)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert found.read_bytes() == content
    assert ranges == [None, f"bytes={2 << 20}-"]
    assert seen[-1].done_bytes == seen[-1].total_bytes == len(content)


def test_list_get_and_path_on_the_command_line(
    made: WheelSource, runs: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "cache" / "models" / "tiny"
    before = RUNNER.invoke(app, ["path", "tiny", "--offline"])
    assert (before.exit_code, before.stdout) == (1, "")
    assert before.stderr.startswith("whisper-jax: model tiny is not in the cache")
    assert before.stderr.count("\n") == 1
    got = RUNNER.invoke(app, ["get", "tiny", "tinny"])
    assert (got.exit_code, got.stdout) == (1, f"{folder}\n")
    assert "did you mean tiny" in got.stderr
    assert RUNNER.invoke(app, ["path", "tiny", "--offline"]).stdout == f"{folder}\n"
    lines = RUNNER.invoke(app, ["list"]).stdout.splitlines()
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in lines}
    assert list(rows) == list(known_models())
    assert rows["tiny"] == ["0", str(folder)]
    assert rows["base"][0] == "-"
    assert rows["base"][1].startswith("hub openai/whisper-base or wheels ")
    assert rows["turbo"] == ["", "is large-v3-turbo"]


@pytest.mark.parametrize("arguments", [["get"], ["path"], ["path", "a", "b"], ["--wrong"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert RUNNER.invoke(app, arguments).exit_code == 2


@pytest.mark.weights
def test_the_published_weights_of_base_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the wheels, if the hub cannot be reached; kept in the user's cache."""
    for name in ("WHISPER_JAX_CACHE", "HF_HUB_CACHE", "HF_ENDPOINT"):
        monkeypatch.delenv(name)
    for name in ("PIP_CONFIG_FILE", "PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    checkpoint = load_checkpoint(resolve_model("base"))
    assert checkpoint.dims == PUBLISHED["base"]
    assert json.dumps(checkpoint.alignment_heads).startswith("[[3, 1], [4, 2], [4, 3], [4, 7]")
    assert (checkpoint.folder / "tokenizer.json").is_file()
