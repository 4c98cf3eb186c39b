"""The same weights for every peer: openai-whisper's checkpoint from a CTranslate2 model folder.

faster-whisper reads such a folder as it is. openai-whisper needs its own file, which is written
once and kept in the cache under the hash of what it was made from.
"""

import hashlib
import subprocess
from pathlib import Path

from filelock import FileLock

from whisper_jax.bench.peers.environment import PeerError, peer_python, peers_folder
from whisper_jax.errors import CheckpointError

_SCRIPT = Path(__file__).with_name("convert_openai.py")


def openai_checkpoint(folder: Path, *, interpreter: str | None = None) -> Path:
    """The openai-whisper ``.pt`` file with the weights of a CTranslate2 model folder.

    Args:
        folder: Holds ``model.bin`` in float16 or float32.
        interpreter: See `peer_python`.

    Returns:
        Path of the file in the cache.

    Raises:
        CheckpointError: the folder holds no ``model.bin``.
        PeerError: the weights could not be converted.
    """
    # The converter is part of the key: a mended converter must not find its old file.
    key = hashlib.sha256(_SCRIPT.read_bytes() + bytes.fromhex(weights_hash(folder)))
    out = peers_folder() / "checkpoints" / f"{key.hexdigest()[:32]}.pt"
    out.parent.mkdir(parents=True, exist_ok=True)
    python = peer_python("openai-whisper", interpreter=interpreter)
    with FileLock(out.with_suffix(".lock")):
        if not out.is_file():
            command = [str(python), "-I", str(_SCRIPT), str(folder), str(out)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise PeerError(f"could not convert {folder}: {done.stderr.strip()[-2000:]}")
    return out


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
