"""JAX's persistent compilation cache, switched on: a second run of a command compiles nothing."""

import os
from pathlib import Path

import jax


def enable_compilation_cache() -> None:
    """Keep compiled programs in ``$WHISPER_JAX_CACHE/xla``, unless the user set a cache in JAX.

    The folder is ``~/.cache/whisper-jax/xla`` by default. ``JAX_COMPILATION_CACHE_DIR`` and
    ``JAX_ENABLE_COMPILATION_CACHE`` work as everywhere in JAX.
    """
    if jax.config.jax_compilation_cache_dir is not None:
        return
    root = os.environ.get("WHISPER_JAX_CACHE")
    if root is None:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        root = Path(home) / "whisper-jax"
    jax.config.update("jax_compilation_cache_dir", str(Path(root) / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
