"""Threads of JAX's CPU client: one more than cores, so that small work is not left waiting.

The client has as many threads as there are cores, and a running program keeps one of them to
itself. Where two programs run (see `whisper_jax.engine.lanes`), whatever else is asked of the CPU,
such as where there is speech, waits until one of them ends: a tenth of a second for what takes a
thousandth. With one thread more the operating system shares the cores out.
"""

import logging
import os
from functools import cache

import jax

_log = logging.getLogger(__name__)

_N_THREADS = "PJRT_NPROC"
"""The variable that XLA reads the number of threads from when its CPU client starts."""

_DEVICES_FLAG = "xla_force_host_platform_device_count"
"""XLA's own option for the number of CPU devices."""


@cache
def has_spare_thread() -> bool:
    """Whether the CPU client has more threads than cores; sees to it, if it has not started.

    Starts JAX's devices. A number of threads that the user has set is left alone.
    """
    n_cores = usable_cores()
    given = os.environ.get(_N_THREADS)
    if given is not None:
        return given.isdecimal() and int(given) > n_cores
    if _is_started():
        _log.info(
            "JAX was in use before a model was loaded, so the CPU works on one batch at a time; "
            "load the model first to have it work on two"
        )
        return False
    os.environ[_N_THREADS] = str(n_cores + 1)
    try:
        jax.devices()
    finally:
        del os.environ[_N_THREADS]
    return True


def offer_cpu_devices(n_devices: int) -> None:
    """See to it that JAX has so many CPU devices, if it has not started and was told no number."""
    is_told = jax.config.jax_num_cpu_devices >= 0 or _DEVICES_FLAG in os.environ.get(
        "XLA_FLAGS", ""
    )
    if n_devices > 1 and not is_told and not _is_started():
        jax.config.update("jax_num_cpu_devices", n_devices)


def usable_cores() -> int:
    """Processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _is_started() -> bool:
    """Whether JAX's devices are in use: then this setting, and no other, can no more be changed."""
    was = jax.config.jax_num_cpu_devices
    try:
        jax.config.update("jax_num_cpu_devices", 1 if was != 1 else 2)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", was)
    return False
