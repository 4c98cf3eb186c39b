"""``whisper-jax evaluate MANIFEST``: error rates over recordings with references, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whisper_jax.cli.bench_output import check_outputs, print_tables
from whisper_jax.errors import OptionError, WhisperJaxError

if TYPE_CHECKING:
    from whisper_jax.bench.peers.settings import PeerSettings
    from whisper_jax.evaluate import Clip, Comparison, EvaluationReport, Pool, Run

_Manifest = Annotated[
    Path,
    typer.Argument(help="JSON lines with path, set, language and text of each recording."),
]
_Model = Annotated[str, typer.Option(help="Size name, hub id, folder or file.")]
_ComputeType = Annotated[
    str, typer.Option(metavar="TYPE", help="Type of the numbers computed with.")
]
_Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="cpu, cuda, rocm or tpu; JAX's choice by default."),
]
_BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Most windows decoded at once.")
]
_Sets = Annotated[
    str | None,
    typer.Option(
        metavar="A,B:LANGUAGE", help="Only these sets of the manifest, or one language of a set."
    ),
]
_Limit = Annotated[
    int | None, typer.Option(min=1, help="Only the first so many clips of each set.")
]
_Runs = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        metavar="NAME:OPTION=VALUE,…",
        help="A way of ours, with options of a transcription; may be repeated.",
    ),
]
_Against = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Peers: faster-whisper, faster-whisper-batched, openai-whisper, openvino-genai,"
        " transformers, whisper.cpp.",
    ),
]
_AgainstComputeType = Annotated[
    str | None,
    typer.Option(
        metavar="TYPE",
        help="What the peers compute in: float32, int8, bfloat16, default, f32 (OpenVINO); each's"
        " first if unset.",
    ),
]
_AgainstGreedy = Annotated[
    bool,
    typer.Option(
        "--against-greedy", help="The peers decode greedily at temperature 0, not as usual."
    ),
]
_Threads = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Threads of the peers; all by default.")
]
_PeersOnly = Annotated[bool, typer.Option("--peers-only", help="Run nothing of ours.")]
_With = Annotated[
    list[Path] | None,
    typer.Option(
        "--with", metavar="FILE", help="Add the systems of an earlier --json; may be repeated."
    ),
]
_Pools = Annotated[
    list[str] | None,
    typer.Option(
        "--pool",
        metavar="NAME=SET,SET:LANGUAGE,…",
        help="Also report these sets together (* for anything); may be repeated.",
    ),
]
_Json = Annotated[
    Path | None,
    typer.Option("--json", help="Also write figures and all texts to this file, as JSON."),
]
_Markdown = Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")]


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """What is to be compared; all of it is checked before anything is loaded.

    Attributes:
        clips: The clips.
        runs: Ours.
        peers: The peers.
        earlier: Systems of earlier reports.
        pools: Sets that are reported together.
    """

    clips: "list[Clip]"
    runs: "tuple[Run, ...]"
    peers: "tuple[PeerSettings, ...]"
    earlier: "tuple[EvaluationReport, ...]"
    pools: "tuple[Pool, ...]"

    def __post_init__(self) -> None:
        from whisper_jax.evaluate import Comparison, EvaluationReport, score_clip

        # A comparison of systems that wrote nothing finds what would be wrong in the end.
        names = [*(run.name for run in self.runs), *(peer.label for peer in self.peers)]
        nothing = tuple(score_clip(clip, "", audio_s=0, seconds=0) for clip in self.clips)
        empty = (EvaluationReport(name=name, clips=nothing) for name in names)
        Comparison(systems=(*empty, *self.earlier), pools=self.pools)


def evaluate_command(
    manifest: _Manifest,
    model: _Model = "base",
    compute_type: _ComputeType = "auto",
    device: _Device = None,
    batch_size: _BatchSize = None,
    sets: _Sets = None,
    limit: _Limit = None,
    runs: _Runs = None,
    against: _Against = None,
    against_compute_type: _AgainstComputeType = None,
    against_greedy: _AgainstGreedy = False,
    threads: _Threads = None,
    peers_only: _PeersOnly = False,
    earlier: _With = None,
    pools: _Pools = None,
    json_path: _Json = None,
    markdown: _Markdown = False,
) -> None:
    """Transcribe the recordings of a manifest and report error rates, beside other systems.

    Words are counted (WER), characters (CER) in languages written without spaces, both (MER) in
    code-switched speech. What peers write is kept, and recorded only once. Exit code 0 if all
    clips were transcribed, 1 if some failed, 2 for a mistake in the call.
    """
    settings = {"compute_type": compute_type, "device": device, "batch_size": batch_size}
    about = {"manifest": str(manifest), "model": model, **settings}
    try:
        check_outputs(json_path)
        clips = _clips(manifest, sets, limit)
        choice = _Choice(
            clips=clips,
            runs=_runs(runs, peers_only=peers_only),
            peers=_peers(against, against_compute_type, is_greedy=against_greedy),
            earlier=_earlier(earlier, clips),
            pools=_pools(pools),
        )
        comparison = _compare(choice, model, settings, threads)
        _print_tables(comparison, markdown=markdown)
        if json_path is not None:
            _write(json_path, comparison, about)
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except WhisperJaxError as error:
        _log(f"whisper-jax evaluate: {error}")
        raise typer.Exit(1) from error
    if _report_failures(comparison):
        raise typer.Exit(1)


def _clips(manifest: Path, sets: str | None, limit: int | None) -> "list[Clip]":
    from whisper_jax.evaluate import read_manifest, select_clips

    wanted = None if sets is None else _names(sets)
    return select_clips(read_manifest(manifest), sets=wanted, limit=limit)


def _runs(texts: Sequence[str] | None, *, peers_only: bool) -> "tuple[Run, ...]":
    from whisper_jax.evaluate import Run, parse_run

    if peers_only:
        if texts:
            raise OptionError("--run is a way of ours, which --peers-only leaves out")
        return ()
    return tuple(map(parse_run, texts)) if texts else (Run(),)


def _peers(
    against: str | None, compute_type: str | None, *, is_greedy: bool
) -> "tuple[PeerSettings, ...]":
    from whisper_jax.bench.peers.settings import PeerSettings

    greedy: dict[str, Any] = {"beam_size": 1, "temperature": 0.0} if is_greedy else {}
    return tuple(
        PeerSettings(system=name, compute_type=compute_type, **greedy)
        for name in _names(against or "")
    )


def _earlier(paths: Sequence[Path] | None, clips: "list[Clip]") -> "tuple[EvaluationReport, ...]":
    from whisper_jax.evaluate import read_systems

    return tuple(system for path in paths or () for system in read_systems(path, clips))


def _pools(texts: Sequence[str] | None) -> "tuple[Pool, ...]":
    from whisper_jax.evaluate import parse_pool

    return tuple(map(parse_pool, texts or ()))


def _compare(
    choice: _Choice, model: str, settings: dict[str, Any], threads: int | None
) -> "Comparison":
    from whisper_jax.evaluate import Comparison

    # The peers first: if one of them fails, what the others wrote is kept, and ours is not lost.
    peers = _evaluate_peers(choice, model, threads) if choice.peers else ()
    ours = _evaluate_ours(choice, model, settings) if choice.runs else ()
    return Comparison(systems=(*ours, *peers, *choice.earlier), pools=choice.pools)


def _evaluate_peers(
    choice: _Choice, model: str, threads: int | None
) -> "tuple[EvaluationReport, ...]":
    from whisper_jax.bench.machine import usable_cores
    from whisper_jax.bench.peers.texts import PeerTexts
    from whisper_jax.checkpoints import resolve_model
    from whisper_jax.cli.progress import Display

    with Display(0) as display:
        display.stage(f"Finding {model}")
        folder = resolve_model(model, on_progress=display.downloaded)

    def evaluate_peer(peer: "PeerSettings") -> "EvaluationReport":
        def progress(n_done: int, n_clips: int) -> None:
            # Each tenth, and the last.
            if n_clips == n_done or n_done % max(n_clips // 10, 1) == 0:
                _log(f"{peer.label}: {n_done} of {n_clips} clips")

        texts = PeerTexts(peer, folder)
        _log(f"{peer.label}: looking into {texts.path}")
        return texts.evaluate(choice.clips, threads=threads or usable_cores(), progress=progress)

    return tuple(map(evaluate_peer, choice.peers))


def _evaluate_ours(
    choice: _Choice, model: str, settings: dict[str, Any]
) -> "tuple[EvaluationReport, ...]":
    from whisper_jax.cli.progress import Display
    from whisper_jax.evaluate import evaluate
    from whisper_jax.loading import load_model

    with Display(len(choice.clips)) as display:
        display.stage(f"Loading {model}")
        loaded = load_model(model, **settings, on_download=display.downloaded)
    found: list[EvaluationReport] = []
    with loaded:
        for run in choice.runs:
            if len(choice.runs) > 1:
                _log(run.name)
            about = {"model": model, **settings}
            found.append(
                evaluate(
                    loaded,
                    choice.clips,
                    name=run.name,
                    options=run.options,
                    about=about,
                    progress=_log,
                )
            )
    return tuple(found)


def _print_tables(comparison: "Comparison", *, markdown: bool) -> None:
    from whisper_jax.evaluate import markdown_tables, plain_tables, rich_tables

    print_tables(comparison, markdown_tables, rich_tables, plain_tables, markdown=markdown)


def _report_failures(comparison: "Comparison") -> bool:
    """Name the clips that failed; whether any did."""
    several = len(comparison.systems) > 1
    for system in comparison.systems:
        for result in system.failed:
            name = f"{system.name}: {result.clip.name}" if several else result.clip.name
            _log(f"failed: {name}: {result.error}")
    return any(system.failed for system in comparison.systems)


def _write(path: Path, comparison: "Comparison", about: dict[str, Any]) -> None:
    """Replace the file as a whole: a run that is stopped leaves the old one."""
    from whisper_jax.evaluate import report_json
    from whisper_jax.stored.files import write_whole

    try:
        write_whole(path, [report_json(comparison, about).encode()])
    except OSError as error:
        raise WhisperJaxError(f"cannot write {path}: {error.strerror or error}") from error


def _names(text: str) -> tuple[str, ...]:
    """The names in a list with commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _log(message: str) -> None:
    typer.echo(message, err=True)
