"""Compiled programs on disk, under a key that is known before a program is traced.

JAX's own cache spares the compiler, but JAX has to trace and lower a program to know its key: for
Whisper that takes several times as long as to read what was compiled. Here the key is everything
that a program depends on (`ProgramStore`). Where JAX's cache has been switched on, by
``JAX_COMPILATION_CACHE_DIR`` or in the program, it is used instead: what comes out of that cache
cannot be written again.

An executable is machine code, and its file is unpickled: whoever can write into the folder can have
code run here, as with JAX's cache. The folder is the user's own.
"""

import hashlib
import logging
import os
import pickle
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jax
from jaxlib.version import __version__ as jaxlib_version

from whisper_jax.stored.files import cache_folder, limit_bytes, mark_used, trim, write_whole

_log = logging.getLogger(__name__)

LIMIT_VARIABLE, LIMIT_GB = "WHISPER_JAX_PROGRAMS_GB", 2.0
"""The most that compiled programs take on disk."""

_FORMAT = b"whisper-jax program 1\n"
_DIGEST_BYTES = 32
_SOURCES = ("audio", "decoding", "engine", "model", "speech", "stored")
"""Packages whose code decides what is computed."""
_IRRELEVANT = ("_cache_dir", "_cache_max_size", "_persistent_cache_", "_log_", "_logging_")
"""Parts of the names of JAX's settings that do not change what a program is."""


def programs_folder() -> Path:
    """Where compiled programs are kept."""
    return cache_folder() / "programs"


def program_store(devices: Sequence[Any]) -> "ProgramStore | None":
    """The compiled programs for some devices; None where they are not kept here."""
    is_on = jax.config.jax_enable_compilation_cache and not jax.config.jax_compilation_cache_dir
    most_bytes = limit_bytes(LIMIT_VARIABLE, LIMIT_GB)
    if not is_on or most_bytes == 0 or jax.process_count() > 1:
        return None
    return ProgramStore(programs_folder(), devices, most_bytes)


class ProgramStore:
    """Executables for some devices, in files of one folder.

    A key covers all that a program depends on: the source of this package, the versions of JAX
    and its compiler, JAX's settings and ``XLA_FLAGS``, the devices, on a CPU its instruction sets
    and the number of its cores, and what the caller says it depends on besides.

    Several processes may share the folder: a file is there whole or not at all. A damaged one is
    passed over, and written anew.
    """

    def __init__(self, folder: Path, devices: Sequence[Any], most_bytes: int) -> None:
        self._folder = folder
        self._devices = list(devices)
        self._most_bytes = most_bytes
        self.n_written = 0
        self._surroundings = _surroundings(devices)

    def path(self, name: str, about: object) -> Path:
        """Where a program is kept.

        Args:
            name: What it is called.
            about: What else it depends on; its ``repr`` has to say all of it.
        """
        key = hashlib.sha256(repr((self._surroundings, name, about)).encode()).hexdigest()
        return self._folder / f"{name}-{key}"

    def read(self, name: str, about: object) -> Any | None:
        """A program that is ready to be called, if it is kept."""
        path = self.path(name, about)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        start = len(_FORMAT) + _DIGEST_BYTES
        body = memoryview(content)[start:]
        if content[:start] != _FORMAT + hashlib.sha256(body).digest():
            _log.warning("%s is damaged; the program is compiled anew", path)
            return None
        from jax.experimental.serialize_executable import deserialize_and_load

        try:
            client = self._devices[0].client
            executable, in_tree, out_tree = pickle.loads(body)
            program = deserialize_and_load(executable, in_tree, out_tree, client, self._devices)
        except Exception as error:  # whatever it is, the program can be compiled
            _log.warning("%s cannot be loaded: %s; the program is compiled anew", path, error)
            return None
        mark_used(path)
        return program

    def write(self, name: str, about: object, program: Any) -> None:
        """Keep a compiled program, if that can be done."""
        from jax.experimental.serialize_executable import serialize

        path = self.path(name, about)
        try:
            body = pickle.dumps(serialize(program))
            write_whole(path, [_FORMAT, hashlib.sha256(body).digest(), body])
        except Exception as error:  # not every device can; a full disk is no reason to stop
            _log.info("program %s is not kept: %s", name, error)
            return
        self.n_written += 1
        trim(self._folder, self._most_bytes)

    def read_or_compile(self, name: str, about: object, make: Callable[[], Any]) -> Any:
        """A program from the folder, or compiled and then kept."""
        found = self.read(name, about)
        if found is None:
            found = make()
            self.write(name, about, found)
        return found


def processor_flags() -> frozenset[str]:
    """Instruction sets of the processor, where the system tells (Linux); else nothing."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


@cache
def source_digest(packages: tuple[str, ...]) -> str:
    """A hash of the Python files of some of this package's packages."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root)} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def _surroundings(devices: Sequence[Any]) -> str:
    """Everything besides a program and its arguments that decides what is compiled."""
    client = devices[0].client
    settings = {
        name: value
        for name, value in sorted(jax.config.values.items())
        if not any(word in name for word in _IRRELEVANT)
    }
    variables = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "PJRT_NPROC")
    parts = (
        source_digest(_SOURCES),
        (jax.__version__, jaxlib_version, client.platform, client.platform_version),
        [(device.id, device.device_kind) for device in devices],
        sorted(processor_flags()) if client.platform == "cpu" else None,
        os.cpu_count(),
        settings,
        {name: os.environ.get(name) for name in variables},
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()
