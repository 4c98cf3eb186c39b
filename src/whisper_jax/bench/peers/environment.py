"""One virtual environment for each peer, made once under the cache folder.

An environment is made with ``python -m venv`` and filled by its own pip, so the index, the
wheels and the proxy that the user has set up for pip are used. Versions are pinned: figures and
golden files taken on two machines must come from the same programs. Python's ``-I`` keeps
PYTHONPATH and the user's own packages out.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from whisper_jax.checkpoints.cache import read_settings
from whisper_jax.errors import OptionError, WhisperJaxError

_READY = "ready.json"


class PeerError(WhisperJaxError):
    """A peer that could not be installed or run; the message carries what it said."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A speech recogniser that is run beside this one.

    Attributes:
        name: Its name on the command line, and of its folder in the cache.
        packages: What its pip is asked to install.
        distributions: The packages whose versions belong beside its results.
    """

    name: str
    packages: tuple[str, ...]
    distributions: tuple[str, ...]


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            name="openai-whisper",
            # PyAV because openai-whisper decodes audio with an ffmpeg program, which is often
            # missing. setuptools builds its source release, which has no wheel.
            packages=("openai-whisper==20250625", "torch==2.13.0", "numpy<3", "av==18.1.0"),
            distributions=("openai-whisper", "torch", "numpy", "tiktoken", "av"),
        ),
        Peer(
            name="faster-whisper",
            # av 19 took away what faster-whisper 1.2.1 decodes with.
            packages=("faster-whisper==1.2.1", "numpy<3", "av<19"),
            distributions=("faster-whisper", "ctranslate2", "numpy", "onnxruntime", "av"),
        ),
        Peer(
            name="openvino-genai",
            packages=("openvino-genai==2026.4.1.0", "numpy<3", "av==18.1.0"),
            distributions=("openvino-genai", "openvino", "openvino-tokenizers", "numpy", "av"),
        ),
        Peer(
            name="whisper.cpp",
            packages=("pywhispercpp==1.5.1", "numpy<3", "av==18.1.0"),
            distributions=("pywhispercpp", "numpy", "av"),
        ),
        Peer(
            name="transformers",
            packages=("transformers==5.23.0", "torch==2.13.0", "numpy<3", "av==18.1.0"),
            distributions=("transformers", "torch", "tokenizers", "numpy", "av"),
        ),
        Peer(
            # Recognises nothing: it writes the files that openvino-genai reads. Later versions
            # need a torchvision that fits torch, which not every index has.
            name="optimum-intel",
            packages=(
                "optimum-intel==2.1.0",
                "openvino==2026.4.1",
                "torch==2.13.0",
                "numpy<3",
            ),
            distributions=("optimum-intel", "transformers", "openvino", "torch"),
        ),
    )
}
"""The peers there are, by name, and what prepares the files of one."""


def peers_folder() -> Path:
    """The folder of everything about peers: ``peers`` in the cache (see `read_settings`)."""
    return read_settings().cache / "peers"


def find_peer(name: str) -> Peer:
    """The peer called ``name``; OptionError names those there are."""
    if name not in PEERS:
        raise OptionError(f"no peer {name!r}; there are: {', '.join(PEERS)}")
    return PEERS[name]


def peer_python(name: str, *, interpreter: str | None = None) -> Path:
    """The Python of a peer's environment, which is made if it is not there yet.

    Two processes that ask at once do not fight: the second waits for the first. An environment
    that was left half made, or made for other packages, is made anew.

    Args:
        name: One of `PEERS`.
        interpreter: The Python to make the environment with: a command or a path. By default
            the first of ``python3.11``, ``python3`` and the running one that works and can make
            environments (3.11 first because the most peers have wheels for it).

    Returns:
        Path of the environment's interpreter.

    Raises:
        OptionError: there is no such peer.
        PeerError: no interpreter works, or pip could not install the packages.
    """
    peer = find_peer(name)
    folder = peers_folder() / peer.name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not _is_ready(folder, peer):
            _make(folder, python, peer, interpreter)
    return python


def remove_peer(name: str) -> None:
    """Delete a peer's environment, which may take gigabytes."""
    folder = peers_folder() / find_peer(name).name
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        (folder / _READY).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _is_ready(folder: Path, peer: Peer) -> bool:
    try:
        made_for = json.loads((folder / _READY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return made_for == _wanted(peer)


def _wanted(peer: Peer) -> dict[str, object]:
    # Through JSON, so that it compares equal to what is read back.
    return json.loads(json.dumps(asdict(peer)))


def _make(folder: Path, python: Path, peer: Peer, interpreter: str | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    source = working_interpreter(interpreter)
    _run([source, "-I", "-m", "venv", str(folder)], f"make an environment for {peer.name}")
    pip = [str(python), "-I", "-m", "pip", "install", "--no-input"]
    _run([*pip, *peer.packages], f"install {peer.name}")
    # Written last: without it the environment counts as half made.
    (folder / _READY).write_text(json.dumps(_wanted(peer)), encoding="utf-8")


def working_interpreter(given: str | None = None) -> str:
    """The first Python that runs and can make environments: ``given`` alone, or the usual ones."""
    candidates = (given,) if given else ("python3.11", "python3", sys.executable)
    for candidate in candidates:
        command = shutil.which(candidate)
        if command and _can_make_environments(command):
            return command
    raise PeerError(
        f"none of {', '.join(candidates)} is a Python 3.10 or newer that can make environments;"
        " install one with its venv module, or name one"
    )


def _can_make_environments(command: str) -> bool:
    # A version manager may put names on PATH that fail when run: only trying tells.
    check = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))"
    try:
        return subprocess.run([command, "-I", "-c", check], capture_output=True).returncode == 0
    except OSError:
        return False


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise PeerError(f"could not {what}; {' '.join(command)} said:\n{said}")
