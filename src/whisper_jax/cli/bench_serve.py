"""``whisper-jax bench serve``: a server under load."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from whisper_jax.cli.bench_output import check_outputs, print_grids
from whisper_jax.errors import OptionError, WhisperJaxError

if TYPE_CHECKING:
    from whisper_jax.bench.serving.results import LoadReport, Scenario

_Files = Annotated[list[Path], typer.Argument(help="Recordings that uploads are cut from.")]
_ScenarioName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="burst: many uploads of 10 to 30 s at once; fairness: short ones, one after the"
        " other, during another client's long job; mixed: clients of all kinds, well behaved or"
        " not, with a stop and start in the middle.",
    ),
]
_Url = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A server that runs; one is started for the time if unset."),
]
_ApiKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        help="Of the server; give it again for more. The first is the long job's, the last that of"
        " the short uploads. Without keys clients of this machine differ by address.",
    ),
]
_ServerArguments = Annotated[
    str,
    typer.Option(metavar="TEXT", help="Options of serve for the server that is started."),
]
_Job = Annotated[Path | None, typer.Option(metavar="FILE", help="The long recording of fairness.")]
_Model = Annotated[str, typer.Option(help="What clients ask for.")]
_Language = Annotated[
    str | None, typer.Option(metavar="CODE", help="Of the recordings; detected by default.")
]
_Greedy = Annotated[bool, typer.Option("--greedy", help="One beam in place of five.")]
_Uploads = Annotated[
    int, typer.Option(min=1, metavar="N", help="Uploads of burst, tries of fairness.")
]
_Minutes = Annotated[float, typer.Option(min=0.1, metavar="M", help="How long mixed lasts.")]
_Clients = Annotated[int, typer.Option(min=1, metavar="N", help="Clients of mixed at once.")]
_WithBatch = Annotated[
    bool,
    typer.Option(
        "--with-batch", help="Of burst: measure transcribe_batch over the same files before."
    ),
]
_Seed = Annotated[
    int, typer.Option(metavar="N", help="Of the pieces' lengths and of what clients do.")
]
_Json = Annotated[
    Path | None, typer.Option("--json", help="Append all figures to this file, as a JSON line.")
]
_Plot = Annotated[
    Path | None,
    typer.Option(help="Draw the server's memory, files and slots over time into this PNG file."),
]
_Markdown = Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")]


def bench_serve_command(
    files: _Files,
    scenario: _ScenarioName = "burst",
    url: _Url = None,
    api_keys: _ApiKeys = None,
    server_arguments: _ServerArguments = "",
    job: _Job = None,
    model: _Model = "base",
    language: _Language = None,
    greedy: _Greedy = False,
    uploads: _Uploads = 64,
    minutes: _Minutes = 60.0,
    clients: _Clients = 8,
    with_batch: _WithBatch = False,
    seed: _Seed = 0,
    json_path: _Json = None,
    plot: _Plot = None,
    markdown: _Markdown = False,
) -> None:
    """Put a server under load over HTTP, as its clients do.

    Exit code 0 if all was answered as it should be and nothing is left behind, 1 if not, 2 for a
    mistake in the call.
    """
    from whisper_jax.bench.serving.run import LoadPlan, run_load

    try:
        plan = LoadPlan(
            scenario=cast("Scenario", scenario),
            recordings=files,
            job=job,
            url=url,
            keys=tuple(api_keys or ()),
            server_arguments=tuple(shlex.split(server_arguments)),
            model=model,
            language=language,
            is_greedy=greedy,
            n_uploads=uploads,
            minutes=minutes,
            n_clients=clients,
            with_batch=with_batch,
            seed=seed,
        )
        check_outputs(json_path, plot)
        report = run_load(plan, lambda text: typer.echo(text, err=True))
        _print(report, markdown=markdown)
        _write(report, json_path, plot)
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except (WhisperJaxError, OSError) as error:
        typer.echo(f"whisper-jax bench serve: {error}", err=True)
        raise typer.Exit(1) from error
    for problem in report.problems:
        typer.echo(f"failed: {problem}", err=True)
    if report.problems:
        raise typer.Exit(1)


def _print(report: "LoadReport", *, markdown: bool) -> None:
    from whisper_jax.bench.serving.report import load_grids

    print_grids(load_grids(report), markdown=markdown)


def _write(report: "LoadReport", json_path: Path | None, plot: Path | None) -> None:
    if json_path is not None:
        from whisper_jax.bench.serving.report import append_load

        append_load(json_path, report)
    if plot is not None:
        from whisper_jax.bench.serving.plot import plot_load

        plot_load(report, plot)
