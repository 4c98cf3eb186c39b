"""Fetching a model from the Hugging Face Hub, with huggingface_hub.

That library brings its cache, resumption of dropped connections, tokens and proxies; it checks
the size of a file but not its hash, so the hash the hub states for each file of the commit
(SHA-256 for large files, git's blob id for small ones) is checked here.
"""

import re
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils.tqdm import tqdm

from whisper_jax.checkpoints.cache import (
    CTRANSLATE2,
    SAFETENSORS,
    SAFETENSORS_INDEX,
    Settings,
    index_shards,
)
from whisper_jax.checkpoints.download import DownloadProgress, OnProgress, verify
from whisper_jax.errors import CheckpointError, DownloadError, WhisperJaxError

_FIRST_ANSWER_TIMEOUT_S = 10.0
"""Seconds until a hub that does not answer counts as unreachable, and the next source is tried."""

_SMALL_FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "vocabulary.json",
    "vocabulary.txt",
)
_LONGEST_REASON = 300
"""Characters of another library's error that are passed on."""

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def fetch(repo: str, settings: Settings, on_progress: OnProgress) -> Path:
    """Fetch the files of a repository that are needed, and no others.

    Args:
        repo: ``owner/name``; its main revision is taken.
        settings: Where to keep it and whom to ask.
        on_progress: Told after every block.

    Returns:
        The snapshot's folder in the hub's cache.

    Raises:
        DownloadError: The hub cannot be reached, refuses, or gives files of another hash.
        CheckpointError: The repository holds no weights in a format that is read.
    """
    try:
        return _fetch(repo, settings, on_progress)
    except WhisperJaxError:
        raise
    except Exception as error:
        # The boundary to another library and its HTTP client, whose errors share no root:
        # whatever it is, this source has failed and the next one is to be tried.
        raise DownloadError(_one_line(error)) from error


def verify_snapshot(folder: Path, settings: Settings) -> None:
    """Check a snapshot in the hub's cache against the hashes that its blobs are named by.

    Done once for a snapshot: a mark in our own cache says that it was. It covers files that other
    programs fetched, and a process that was ended between a download and its check. Where the
    file system has no links, files are not named by their hashes and only `fetch` checks them.

    Raises:
        DownloadError: A file has another hash; it was removed.
    """
    if _mark(folder, settings).exists():
        return
    for path in sorted(folder.rglob("*")):
        blob = path.resolve().name
        if path.is_symlink() and _HASH.fullmatch(blob):
            verify(path, blob)
    _set_mark(folder, settings)


def _mark(folder: Path, settings: Settings) -> Path:
    return settings.cache / "verified" / folder.parents[1].name / folder.name


def _set_mark(folder: Path, settings: Settings) -> None:
    mark = _mark(folder, settings)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _fetch(repo: str, settings: Settings, on_progress: OnProgress) -> Path:
    api = HfApi(endpoint=settings.hub_endpoint)
    info = api.model_info(repo, files_metadata=True, timeout=_FIRST_ANSWER_TIMEOUT_S)
    files = {file.rfilename: file for file in info.siblings or []}
    commit = info.sha
    if commit is None or "config.json" not in files:
        raise CheckpointError(f"{repo} has no config.json, so it is no Whisper model")
    tally = _Tally(repo, on_progress)

    def get(name: str) -> Path:
        file = files.get(name)
        if file is None:
            raise CheckpointError(f"{repo} names {name} in its index but does not have it")
        path = Path(
            hf_hub_download(
                repo,
                name,
                revision=commit,
                cache_dir=settings.hub_cache,
                endpoint=settings.hub_endpoint,
                tqdm_class=_bar_class(tally),
            )
        )
        verify(path, _stated_hash(file, path))
        tally.file_done(path.stat().st_size)
        return path

    small = [name for name in _SMALL_FILES if name in files]
    weights = _weight_files(repo, files)
    tally.expect(_total(files, [*small, *weights]))
    paths = [get(name) for name in (*small, *weights)]
    if weights == [SAFETENSORS_INDEX]:
        shards = index_shards(paths[-1])
        if not shards:
            raise CheckpointError(f"the {SAFETENSORS_INDEX} of {repo} cannot be read")
        tally.expect(_total(files, [*small, *weights, *shards]))
        paths += [get(shard) for shard in shards]
    folder = paths[0].parent
    _point_main_at(folder)
    _set_mark(folder, settings)
    return folder


def _point_main_at(folder: Path) -> None:
    # Asked by commit, huggingface_hub does not note which one "main" is; asked by "main", its
    # files could come from two commits.
    ref = folder.parents[1] / "refs" / "main"
    ref.parent.mkdir(parents=True, exist_ok=True)
    new = ref.with_name("main.new")
    new.write_text(folder.name, "utf-8")
    new.replace(ref)


def _weight_files(repo: str, files: dict[str, RepoSibling]) -> list[str]:
    for name in (SAFETENSORS, SAFETENSORS_INDEX, CTRANSLATE2):
        if name in files:
            return [name]
    raise CheckpointError(
        f"{repo} has none of {SAFETENSORS}, {SAFETENSORS_INDEX} and {CTRANSLATE2}; "
        f"it has {', '.join(sorted(files)[:10])}"
    )


def _stated_hash(file: RepoSibling, path: Path) -> str:
    stated = file.lfs.sha256 if file.lfs is not None else file.blob_id
    if stated is None or not _HASH.fullmatch(stated):
        raise DownloadError(f"the hub states no hash for {path.name}, so it cannot be checked")
    return stated


def _total(files: dict[str, RepoSibling], names: list[str]) -> int | None:
    sizes = [files[name].size for name in names if name in files]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


class _Tally:
    """Bytes over all files of a repository, from the bars of single files."""

    def __init__(self, repo: str, on_progress: OnProgress) -> None:
        self._repo = repo
        self._on_progress = on_progress
        self._total: int | None = None
        self._files_done = 0

    def expect(self, total: int | None) -> None:
        self._total = total
        self._report(0)

    def in_file(self, done: int) -> None:
        self._report(done)

    def file_done(self, size: int) -> None:
        self._files_done += size
        self._report(0)

    def _report(self, in_file: int) -> None:
        self._on_progress(
            DownloadProgress(
                what=self._repo, done_bytes=self._files_done + in_file, total_bytes=self._total
            )
        )


def _bar_class(tally: _Tally) -> type[tqdm]:
    class Bar(tqdm):  # pyright: ignore[reportUntypedBaseClass]
        """Draws nothing and tells the tally. A file may have two bars: arrived and unpacked."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs["disable"] = True
            super().__init__(*args, **kwargs)
            self._done = kwargs.get("initial") or 0

        def update(self, n: float | None = 1) -> bool | None:
            self._done += int(n or 0)
            tally.in_file(self._done)
            return super().update(n)

    return Bar


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
