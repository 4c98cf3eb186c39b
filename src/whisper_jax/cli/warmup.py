"""``whisper-jax warmup``: fetch and compile beforehand what later runs need."""

from typing import Annotated, get_args

import typer

from whisper_jax.cli.collector import nothing_collected
from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.options import ComputeType

_Model = Annotated[str, typer.Option(metavar="NAME", help="Size name, hub id, folder or file.")]
_Device = Annotated[
    str | None, typer.Option(metavar="NAME", help="cpu, cuda, rocm or tpu; as for transcribe.")
]
_ComputeType = Annotated[
    str,
    typer.Option(metavar="TYPE", help=f"{', '.join(get_args(ComputeType.__value__))}."),
]
_BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Most windows at once; as for transcribe.")
]


def warmup_command(
    model: _Model = "base",
    device: _Device = None,
    compute_type: _ComputeType = "auto",
    batch_size: _BatchSize = None,
) -> None:
    """Fetch a model, convert its weights and compile its programs: then runs start quickly.

    For the settings given, which are those of transcribe. What is there already stays as it is.
    Exit code 0: done. 1: the model cannot be had. 2: usage.
    """
    from whisper_jax.cli.progress import Display

    try:
        with Display(0) as display:
            display.stage(f"Loading {model}")
            with nothing_collected():
                from whisper_jax.loading import load_model

                loaded = load_model(
                    model,
                    device=device,
                    compute_type=compute_type,  # pyright: ignore[reportArgumentType]
                    batch_size=batch_size,
                    on_download=display.downloaded,
                )
            with loaded:
                display.stage("Compiling")
                done = loaded.warmup()
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except WhisperJaxError as error:
        typer.echo(f"whisper-jax: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(
        f"{model}: {done.n_programs} programs are ready, {done.n_compiled} of them compiled now; "
        f"{done.seconds:.1f} s"
    )
