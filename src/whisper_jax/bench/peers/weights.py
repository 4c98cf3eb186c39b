"""The same weights for every peer, from a CTranslate2 model folder.

faster-whisper reads such a folder as it is. The others need files of their own, which are written
once and kept in the cache under the hash of what they were made from.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from whisper_jax.bench.peers import ggml
from whisper_jax.bench.peers.environment import (
    PeerError,
    find_peer,
    peer_python,
    peers_folder,
    remove_peer,
)
from whisper_jax.checkpoints import convert, names, openai_names, safetensors_hf
from whisper_jax.checkpoints import ggml as ggml_format
from whisper_jax.checkpoints.load import load_checkpoint
from whisper_jax.errors import CheckpointError

_OPENAI_SCRIPT = Path(__file__).with_name("convert_openai.py")
_EXPORTER = "optimum-intel"
_EXPORT = (
    *("optimum.commands.optimum_cli", "export", "openvino"),
    *("--task", "automatic-speech-recognition-with-past", "--weight-format", "fp16"),
)


def peer_model(peer: str, folder: Path, *, interpreter: str | None = None) -> Path:
    """The file or folder that a peer reads, with the weights of a CTranslate2 model folder.

    Args:
        peer: One of `PEERS`.
        folder: Holds ``model.bin`` in float16 or float32.
        interpreter: See `peer_python`.

    Returns:
        Its path: in the cache, or ``folder`` itself for faster-whisper.

    Raises:
        CheckpointError: the folder holds no ``model.bin``, or no Whisper model.
        PeerError: the weights could not be converted.
    """
    match peer:
        case "openai-whisper":
            return openai_checkpoint(folder, interpreter=interpreter)
        case "transformers":
            return hugging_face_folder(folder)
        case "openvino-genai":
            return openvino_folder(folder, interpreter=interpreter)
        case "whisper.cpp":
            return ggml_file(folder)
        case _:
            return folder


def openai_checkpoint(folder: Path, *, interpreter: str | None = None) -> Path:
    """The openai-whisper ``.pt`` file; arguments and errors are those of `peer_model`."""

    def write(part: Path) -> None:
        python = peer_python("openai-whisper", interpreter=interpreter)
        _convert([str(python), "-I", str(_OPENAI_SCRIPT), str(folder), str(part)], folder)

    return _kept(folder, ".pt", _OPENAI_SCRIPT.read_bytes(), write)


def hugging_face_folder(folder: Path) -> Path:
    """The folder that transformers reads; arguments and errors are those of `peer_model`."""

    def write(part: Path) -> None:
        convert.write_hugging_face(load_checkpoint(folder), part)

    return _kept(folder, "-hugging-face", _sources(convert, safetensors_hf, names), write)


def openvino_folder(folder: Path, *, interpreter: str | None = None) -> Path:
    """The folder that OpenVINO GenAI reads; arguments and errors are those of `peer_model`.

    Exported by optimum-intel, whose environment is made for it and removed when it is done: it is
    larger than everything else together.
    """

    def write(part: Path) -> None:
        python = peer_python(_EXPORTER, interpreter=interpreter)
        source = str(hugging_face_folder(folder))
        _convert([str(python), "-I", "-m", *_EXPORT, "--model", source, str(part)], folder)
        remove_peer(_EXPORTER)

    how = repr((_EXPORT, find_peer(_EXPORTER).packages)).encode()
    how += _sources(convert, safetensors_hf, names)
    return _kept(folder, "-openvino", how, write)


def ggml_file(folder: Path) -> Path:
    """The file that whisper.cpp reads; arguments and errors are those of `peer_model`."""

    def write(part: Path) -> None:
        ggml.write_ggml(folder, part)

    how = _sources(ggml, ggml_format, openai_names, safetensors_hf, names)
    return _kept(folder, ".ggml", how, write)


def weights_hash(folder: Path) -> str:
    """The SHA-256 of the weights of a CTranslate2 model folder, in hexadecimal.

    Raises:
        CheckpointError: the folder holds no ``model.bin``.
    """
    source = folder / "model.bin"
    if not source.is_file():
        raise CheckpointError(f"{folder} has no model.bin; peers need a CTranslate2 model folder")
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kept(folder: Path, suffix: str, how: bytes, write: Callable[[Path], None]) -> Path:
    """What ``write`` makes of a model, from the cache if it is there; it appears whole or not."""
    # The converter is part of the key: a mended converter must not find its old file.
    key = hashlib.sha256(how + bytes.fromhex(weights_hash(folder)))
    out = peers_folder() / "checkpoints" / f"{key.hexdigest()[:32]}{suffix}"
    out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out.with_name(f"{out.name}.lock")):
        if not out.exists():
            part = out.with_name(f"{out.name}.part")
            _delete(part)
            try:
                write(part)
                part.replace(out)
            finally:
                _delete(part)
    return out


def _sources(*modules: object) -> bytes:
    return b"".join(Path(str(vars(module)["__file__"])).read_bytes() for module in modules)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _convert(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise PeerError(f"could not convert {folder}: {done.stderr.strip()[-2000:]}")
