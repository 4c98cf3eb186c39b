"""Load a model: find its weights, put them on the devices and start an engine for them."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from whisper_jax.checkpoints import DownloadProgress, resolve_model
from whisper_jax.engine.compute import number_types
from whisper_jax.engine.policy import policy_for
from whisper_jax.engine.start import mesh_of, plan_model, start_engine
from whisper_jax.engine.weights import prepare_weights
from whisper_jax.errors import OptionError
from whisper_jax.options import ComputeType
from whisper_jax.text import load_tokenizer
from whisper_jax.transcribe import Whisper


def load_model(
    name: str | Path = "base",
    *,
    device: str | None = None,
    compute_type: ComputeType = "auto",
    batch_size: int | None = None,
    n_devices: int | None = None,
    model_parallel: int = 1,
    offline: bool | None = None,
    on_download: Callable[[DownloadProgress], None] | None = None,
) -> Whisper:
    """Load a model and make it ready to transcribe.

    Args:
        name: A size (``base``, ``large-v3``, ``turbo``, …), a hub id, a folder or a file.
        device: A JAX platform (``cpu``, ``cuda``, ``rocm``, ``tpu``); None takes JAX's default.
        compute_type: Type of the numbers computed with. ``auto`` takes the fastest that makes no
            more errors on this hardware: bfloat16, on a CPU with the decoder's weights, and its
            keys and values of the audio, in int8; ``int8_float32`` where bfloat16 is slow. The
            others are ``float32``, the reference's; ``bfloat16``; ``float16``; ``int8_float32``
            and so on, with linear layers, and on a CPU the audio's keys and values, in int8; and
            ``int8``, whose other numbers are chosen by the hardware.
        batch_size: Most windows that are decoded at once, 1 or more; None takes as many as there
            is memory for, up to 32 for each copy of the model on a CPU and 64 elsewhere.
        n_devices: Devices to share the windows out over; None takes as many as one copy of the
            model needs. A CPU is as many devices as asked for, if JAX has not started yet.
        model_parallel: Devices that share one copy of the model, for models that are too large
            for one; ``n_devices`` is a multiple of it.
        offline: Fetch nothing; None asks ``$WHISPER_JAX_OFFLINE`` and ``$HF_HUB_OFFLINE``.
        on_download: Told how far a download is.

    Returns:
        The model; close it, or use it as a context manager, to give its memory back.

    Raises:
        OptionError: There is no such device or compute type, or not so many devices.
        ModelError: The weights cannot be had or read.
    """
    check_loading(compute_type, batch_size)
    mesh = mesh_of(device, model_parallel if n_devices is None else n_devices, model_parallel)
    platform = mesh.devices.flat[0].platform
    policy = policy_for(platform)
    types = number_types(compute_type, policy, platform)
    path = resolve_model(name, offline=offline, on_progress=on_download)
    weights = prepare_weights(path, types)
    planned = plan_model(str(name), weights, types, policy, mesh)
    engine, counts, n_windows, ahead = start_engine(planned, policy, mesh, batch_size)
    tokenizer = load_tokenizer(weights.folder, weights.dims.n_vocab)
    return Whisper(str(name), weights.dims, tokenizer, engine, counts, n_windows, ahead=ahead)


def check_loading(compute_type: str, batch_size: int | None) -> None:
    """Whether a model can be loaded so.

    Raises:
        OptionError: There is no such compute type, or no such batch size.
    """
    types = get_args(ComputeType.__value__)
    if compute_type not in types:
        raise OptionError(f"compute_type is {compute_type!r}; there are: {', '.join(types)}")
    if batch_size is not None and batch_size < 1:
        raise OptionError(f"batch_size is {batch_size}; give 1 or more")
