"""Fetching from a small server that speaks the hub's protocol."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from test_checkpoints_files import assert_same, write_ct2, write_hf, write_sharded

from whisper_jax.checkpoints import DownloadProgress, load_checkpoint, resolve_model
from whisper_jax.checkpoints.cache import cached_models, read_settings
from whisper_jax.errors import CancelledError, CheckpointError, DownloadError

COMMIT = "c0ffee" * 6 + "c0ff"
REPO = "made/whisper-up"


@dataclass
class Hub:
    """A stand-in of the hub: one repository, and what was asked of it.

    Attributes:
        files: What it serves.
        drops: Files whose first transfer breaks off in the middle.
        lies: Files whose content is served with one byte changed.
        token: The token it wants to see, or None.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    drops: set[str] = field(default_factory=set)
    lies: set[str] = field(default_factory=set)
    token: str | None = None
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""

    def serve_folder(self, folder: Path) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def fetched(self) -> list[str]:
        return [path.rpartition("/")[2] for verb, path, _ in self.requests if verb == "GET"]

    def hash(self, name: str) -> str:
        """Large files have their SHA-256, small ones git's blob id."""
        content = self.files[name]
        if self.is_large(name):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def is_large(self, name: str) -> bool:
        return name.endswith((".safetensors", ".bin"))

    def info(self) -> bytes:
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": "0" * 40 if self.is_large(name) else self.hash(name),
                **(
                    {"lfs": {"size": len(content), "sha256": self.hash(name), "pointerSize": 134}}
                    if self.is_large(name)
                    else {}
                ),
            }
            for name, content in self.files.items()
        ]
        about = {"_id": "1", "id": REPO, "modelId": REPO, "sha": COMMIT, "siblings": siblings}
        return json.dumps({**about, "private": False, "tags": [], "downloads": 0}).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers for the `Hub` that a subclass names."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self.reply(401, b"", {"X-Error-Message": "Invalid username or password."})
        elif path == f"/api/models/{REPO}":
            self.reply(200, self.hub.info(), {"Content-Type": "application/json"})
        elif path.startswith(f"/{REPO}/resolve/{COMMIT}/") and self.name(path) in self.hub.files:
            self.send_file(self.name(path), with_body=with_body)
        else:
            self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})

    def name(self, path: str) -> str:
        return path.rpartition("/")[2]

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, name: str, *, with_body: bool) -> None:
        content = self.hub.files[name]
        if name in self.hub.lies:
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = 0
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            self.send_response(206)
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", span)
        else:
            self.send_response(200)
        self.send_header("ETag", f'"{self.hub.hash(name)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not with_body:
            return
        if name in self.hub.drops:
            self.hub.drops.discard(name)
            self.wfile.write(content[start : len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("WHISPER_JAX_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "WHISPER_JAX_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_what_is_needed_is_fetched_and_only_once(hub: Hub, tmp_path: Path) -> None:
    source = write_hf(tmp_path / "made")
    for name in ("README.md", "pytorch_model.bin", "model.fp32-00001-of-00002.safetensors"):
        (source / name).write_text("not wanted", "utf-8")
    (source / "tokenizer.json").write_text("{}", "utf-8")
    hub.serve_folder(source)
    seen: list[DownloadProgress] = []
    folder = resolve_model(REPO, on_progress=seen.append)
    names = {"config.json", "tokenizer.json", "model.safetensors"}
    assert {path.name for path in folder.iterdir()} == names
    assert_same(load_checkpoint(source), load_checkpoint(folder))
    total = sum(len(hub.files[name]) for name in names)
    assert seen[-1] == DownloadProgress(what=REPO, done_bytes=total, total_bytes=total)
    assert [p.done_bytes for p in seen] == sorted(p.done_bytes for p in seen)
    asked = len(hub.requests)
    assert resolve_model(REPO) == folder
    assert len(hub.requests) == asked


def test_a_known_name_comes_from_its_repository(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whisper_jax.checkpoints import sources

    monkeypatch.setitem(sources.SOURCES, "tiny", (sources.HubSource(repo=REPO),))
    hub.serve_folder(write_hf(tmp_path / "made"))
    folder = resolve_model("tiny")
    assert cached_models(read_settings()) == {"tiny": folder}


def test_shards_are_found_through_the_index(hub: Hub, tmp_path: Path) -> None:
    source = write_sharded(tmp_path / "made")
    hub.serve_folder(source)
    assert_same(load_checkpoint(source), load_checkpoint(resolve_model(REPO)))


def test_a_ctranslate2_repository_works_too(hub: Hub, tmp_path: Path) -> None:
    source = write_ct2(tmp_path / "made")
    hub.serve_folder(source)
    assert_same(load_checkpoint(source), load_checkpoint(resolve_model(REPO)))


def test_a_dropped_connection_goes_on_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    """huggingface_hub writes pieces of 10 MB: the whole ones that came before are kept."""
    whole = bytes(24 << 20)
    hub.serve_folder(write_hf(tmp_path / "made"))
    hub.files["model.safetensors"] = whole
    hub.drops = {"model.safetensors"}
    folder = resolve_model(REPO)
    assert (folder / "model.safetensors").read_bytes() == whole
    ranges = [
        wanted
        for verb, path, wanted in hub.requests
        if verb == "GET" and path.endswith("model.safetensors")
    ]
    assert ranges == [None, f"bytes={10 << 20}-"]


def test_files_that_came_whole_are_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    def stop(progress: DownloadProgress) -> None:
        if progress.done_bytes > len(hub.files["config.json"]):
            raise CancelledError("stopped")

    hub.serve_folder(write_hf(tmp_path / "made"))
    with pytest.raises(CancelledError, match="stopped"):
        resolve_model(REPO, on_progress=stop)
    with pytest.raises(DownloadError, match="not in the cache"):
        resolve_model(REPO, offline=True)
    resolve_model(REPO)
    assert hub.fetched().count("config.json") == 1


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_wrong_hash_is_named_and_the_file_removed(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.serve_folder(write_hf(tmp_path / "made"))
    hub.lies = {name}
    with pytest.raises(DownloadError) as caught:
        resolve_model(REPO)
    assert f"{name} has the hash " in str(caught.value)
    assert f"should have {hub.hash(name)}" in str(caught.value)
    assert not list((tmp_path / "hub").rglob(name))
    assert not list((tmp_path / "hub").rglob(hub.hash(name)))
    hub.lies = set()
    assert load_checkpoint(resolve_model(REPO)).dims.n_vocab == 11


def test_what_others_left_in_the_hub_cache_is_checked_once(hub: Hub, tmp_path: Path) -> None:
    hub.serve_folder(write_hf(tmp_path / "made"))
    folder = resolve_model(REPO)
    (mark,) = (tmp_path / "cache" / "verified").rglob(COMMIT)
    mark.unlink()
    weights = (folder / "model.safetensors").resolve()
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(DownloadError, match=r"model.safetensors has the hash"):
        resolve_model(REPO, offline=True)
    resolve_model(REPO)
    assert mark.exists()
    assert (folder / "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_the_token_is_sent(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.serve_folder(write_hf(tmp_path / "made"))
    hub.token = "hf_secret"
    with pytest.raises(DownloadError) as caught:
        resolve_model(REPO)
    assert "hf_secret" not in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert resolve_model(REPO).is_dir()


def test_repositories_that_cannot_be_used(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"model nobody/nothing could not be fetched.*404"):
        resolve_model("nobody/nothing")
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        resolve_model(REPO)
    hub.files = {"config.json": b"{}", "flax_model.msgpack": b""}
    with pytest.raises(CheckpointError, match=r"has none of .* it has config.json, flax_model"):
        resolve_model(REPO)


def test_offline_asks_nobody(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.serve_folder(write_hf(tmp_path / "made"))
    for variable in ("WHISPER_JAX_OFFLINE", "HF_HUB_OFFLINE"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "1")
            with pytest.raises(DownloadError, match=f"'whisper-jax models get {REPO}'"):
                resolve_model(REPO)
    assert hub.requests == []
    folder = resolve_model(REPO)
    assert resolve_model(REPO, offline=True) == folder
