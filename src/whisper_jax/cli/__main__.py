"""Where ``whisper-jax`` starts: which command is meant, and in whose spelling.

``whisper-jax talk.mp3`` means ``whisper-jax transcribe talk.mp3``, and ``transcribe`` also takes
openai-whisper's spellings: ``--output_format srt``, ``--condition_on_previous_text False``.
Only the module of the command that is asked for is imported.
"""

import gc
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from whisper_jax.cli.arenas import share_arenas
from whisper_jax.cli.collector import nothing_collected
from whisper_jax.cli.help import PLAIN, PanelCommand
from whisper_jax.errors import OptionError

_COMMANDS = {
    "transcribe": "transcribe:transcribe_command",
    "align": "align:align_command",
    "live": "live:live_command",
    "models": "models:app",
    "warmup": "warmup:warmup_command",
    "evaluate": "evaluate:evaluate_command",
    "serve": "serve:serve_command",
    "bench": "bench:bench_command",
    "bench serve": "bench_serve:bench_serve_command",
    "bench live": "bench_live:bench_live_command",
}
"""Where each command is: a function, or the app of a command with commands of its own."""

_PROGRAM_OPTIONS = ("--help", "-h", "--version", "--install-completion", "--show-completion")

_SWITCHES = (
    "--condition-on-previous-text",
    "--drop-known-hallucinations",
    "--suppress-blank",
    "--vad-filter",
)
"""Each takes True or False, means True alone, and has a ``--no-`` form that means False."""

_FLAGS = (
    "--without-timestamps",
    "--word-timestamps",
    "--carry-initial-prompt",
    "--highlight-words",
    "--karaoke",
    "--subtitle-translation",
    "--offline",
    "--verbose",
    "--quiet",
)
"""False unless they stand there: openai-whisper's ``--verbose False`` is saying nothing."""

_BOOLEANS = {
    "--fp16",
    *_FLAGS,
    *_SWITCHES,
    *(switch.replace("--", "--no-", 1) for switch in _SWITCHES),
}

_RENAMED = {"--output-format": "--format", "--log-prob-threshold": "--logprob-threshold"}

_TEMPERATURE, _INCREMENT = "--temperature", "--temperature-increment-on-fallback"

_INSTEAD = {
    "--batched": "--long-form parallel, which is the default",
    "--model-dir": "the variable WHISPER_JAX_CACHE, or HF_HUB_CACHE for the hub's files",
    "--multilingual": "--language auto",
    "--vad-max-speech-duration-s": "--chunk-length",
}
"""What openai-whisper's and faster-whisper's users say, and how it is said here."""

_NOT_YET = ["--threads"]
"""Options of openai-whisper that are not supported: named in the message, not ignored."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: 0 all went well, 1 something failed, 2 it was not understood."""
    share_arenas()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a language's letters is no reason to stop.
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if " ".join(words[:2]) in _COMMANDS:
        words[:2] = [" ".join(words[:2])]
    if words and words[0] not in (*_COMMANDS, *_PROGRAM_OPTIONS):
        words.insert(0, "transcribe")
    if words and words[0] == "transcribe":
        try:
            words[1:] = translated(words[1:])
        except OptionError as error:
            typer.echo(f"whisper-jax transcribe: {error}", err=True)
            sys.exit(2)
    try:
        if words and words[0] in _COMMANDS:
            # Alone, a command shows its help in half the time that it takes as one of several.
            with nothing_collected():
                command = _alone(words[0])
            command(words[1:], prog_name=f"whisper-jax {words[0]}")
        else:
            _app()(words, prog_name="whisper-jax")
    finally:
        # The interpreter looks through everything once more when it ends.
        gc.freeze()


def translated(words: Sequence[str]) -> list[str]:
    """A command line for ``transcribe`` in our spelling.

    Raises:
        OptionError: It holds an option of openai-whisper that is not supported.
    """
    rest, done = list(words), []
    ladder: dict[str, str] = {}
    while rest:
        word = rest.pop(0)
        if word == "--":
            done.append(word)
            break
        if not word.startswith("--"):
            done.append(word)
            continue
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        name = _RENAMED.get(name, name)
        _refuse(name)
        if name == "--help":
            done.append(word)
        elif name in _BOOLEANS:
            if not equals and rest and rest[0] in ("True", "False", "None"):
                value = rest.pop(0)
            done += _boolean(name, value or "True")
        elif name in (_TEMPERATURE, _INCREMENT) and (equals or rest):
            ladder[name] = value if equals else rest.pop(0)
        elif equals:
            done.append(name + equals + value)
        else:
            # Whatever stands after an option with a value is that value, dashes or not.
            done += [name, *rest[:1]]
            del rest[:1]
    return [*_temperatures(ladder), *done, *rest]


def _refuse(name: str) -> None:
    """Name what other programs have and this one has not, or has under another name."""
    if name in _NOT_YET:
        raise OptionError(f"{name} is an option of openai-whisper that is not supported yet")
    if name in _INSTEAD:
        raise OptionError(f"{name} is not an option here; use {_INSTEAD[name]}")


def _temperatures(ladder: Mapping[str, str]) -> list[str]:
    """``--temperature`` in our spelling: openai-whisper's increment is written out, up to 1."""
    first, increment = ladder.get(_TEMPERATURE), ladder.get(_INCREMENT)
    if increment is None or increment == "None":
        alone = first if increment is None else first or "0"
        return [] if alone is None else [_TEMPERATURE, alone]
    try:
        start, step = float(first or 0), float(increment)
    except ValueError:
        start, step = 0.0, 0.0
    if not step > 0:
        raise OptionError(
            f"{_INCREMENT} is {increment}; give a number above 0, or None, and one {_TEMPERATURE}"
        )
    n_steps = max(0, int((1 + 1e-6 - start) / step))
    return [_TEMPERATURE, ",".join(f"{start + i * step:g}" for i in range(n_steps + 1))]


def _boolean(name: str, value: str) -> list[str]:
    if value == "None" and name == "--vad-filter":
        return [name, value]
    if value not in ("True", "False"):
        raise OptionError(f"{name} is {value!r}; give True or False, or nothing for True")
    if name == "--fp16":
        return ["--compute-type", "float16" if value == "True" else "float32"]
    if name in _FLAGS:
        return [name] if value == "True" else []
    if name.startswith("--no-"):
        return [name.replace("--no-", "--", 1), "False" if value == "True" else "True"]
    return [name, value]


def _alone(name: str) -> typer.Typer:
    """A command as a program of its own."""
    command = _command(name)
    if isinstance(command, typer.Typer):
        return command
    app = typer.Typer(**PLAIN)
    app.command(name, cls=PanelCommand)(command)
    return app


def _app() -> typer.Typer:
    """The program with all its commands."""
    settings: dict[str, Any] = {**PLAIN, "add_completion": True}
    text = "Speech to text with Whisper. A bare `whisper-jax talk.mp3` means transcribe."
    app = typer.Typer(name="whisper-jax", help=text, **settings)
    app.callback()(_program)
    for name in _COMMANDS:
        command = _command(name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, cls=PanelCommand)(command)
    return app


def _command(name: str) -> Any:
    """A command's function, or the app of one that has commands of its own."""
    module, _, attribute = _COMMANDS[name].partition(":")
    return getattr(import_module(f"whisper_jax.cli.{module}"), attribute)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("whisper-jax"))
        raise typer.Exit


def _program(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


if __name__ == "__main__":
    main()
