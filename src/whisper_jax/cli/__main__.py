"""Where ``whisper-jax`` starts: which command is meant, and in whose spelling.

``whisper-jax talk.mp3`` means ``whisper-jax transcribe talk.mp3``, and ``transcribe`` also takes
openai-whisper's spellings: ``--output_format srt``, ``--condition_on_previous_text False``.
Only the module of the command that is asked for is imported.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from whisper_jax.errors import OptionError

_COMMANDS = {
    "transcribe": "transcribe:transcribe_command",
    "models": "models:app",
    "evaluate": "evaluate:evaluate_command",
    "bench": "bench:bench_command",
}
"""Where each command is: a function, or the app of a command with commands of its own."""

_PROGRAM_OPTIONS = ("--help", "-h", "--version", "--install-completion", "--show-completion")

_SWITCHES = ("--condition-on-previous-text", "--suppress-blank")
"""True unless said otherwise: ``--suppress-blank False``, or ``--no-suppress-blank``."""

_FLAGS = ("--without-timestamps", "--offline", "--verbose", "--quiet")
"""False unless they stand there: openai-whisper's ``--verbose False`` is saying nothing."""

_BOOLEANS = {
    "--fp16",
    *_FLAGS,
    *_SWITCHES,
    *(switch.replace("--", "--no-", 1) for switch in _SWITCHES),
}

_RENAMED = {"--output_format": "--format", "--output-format": "--format"}

_NOT_YET = [
    "--append-punctuations",
    "--best-of",
    "--carry-initial-prompt",
    "--compression-ratio-threshold",
    "--hallucination-silence-threshold",
    "--highlight-words",
    "--length-penalty",
    "--max-line-count",
    "--max-line-width",
    "--max-words-per-line",
    "--model-dir",
    "--patience",
    "--prepend-punctuations",
    "--temperature-increment-on-fallback",
    "--threads",
    "--word-timestamps",
]
"""Options of openai-whisper that are not supported: named in the message, not ignored."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: 0 all went well, 1 something failed, 2 it was not understood."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a language's letters is no reason to stop.
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] not in (*_COMMANDS, *_PROGRAM_OPTIONS):
        words.insert(0, "transcribe")
    if words and words[0] == "transcribe":
        try:
            words[1:] = translated(words[1:])
        except OptionError as error:
            typer.echo(f"whisper-jax transcribe: {error}", err=True)
            sys.exit(2)
    wanted = words[:1] if words and words[0] in _COMMANDS else list(_COMMANDS)
    _app(wanted)(words, prog_name="whisper-jax")


def translated(words: Sequence[str]) -> list[str]:
    """A command line for ``transcribe`` in our spelling.

    Raises:
        OptionError: It holds an option of openai-whisper that is not supported.
    """
    rest, done = list(words), []
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*done, word, *rest]
        if not word.startswith("--"):
            done.append(word)
            continue
        name, equals, value = word.partition("=")
        name = _RENAMED.get(name, name.replace("_", "-"))
        if name in _NOT_YET:
            raise OptionError(f"{name} is an option of openai-whisper that is not supported yet")
        if name == "--help":
            done.append(word)
        elif name in _BOOLEANS:
            if not equals and rest and rest[0] in ("True", "False"):
                value = rest.pop(0)
            done += _boolean(name, value or "True")
        elif equals:
            done.append(name + equals + value)
        else:
            # Whatever stands after an option with a value is that value, dashes or not.
            done += [name, *rest[:1]]
            del rest[:1]
    return done


def _boolean(name: str, value: str) -> list[str]:
    if value not in ("True", "False"):
        raise OptionError(f"{name} is {value!r}; give True or False, or nothing for True")
    if name == "--fp16":
        return _half_precision(value)
    if name in _FLAGS:
        return [name] if value == "True" else []
    if name.startswith("--no-"):
        return [name.replace("--no-", "--", 1), "False" if value == "True" else "True"]
    return [name, value]


def _half_precision(value: str) -> list[str]:
    if value == "True":
        raise OptionError("--fp16 True is not supported; half precision is --compute-type bfloat16")
    return ["--compute-type", "float32"]


def _app(commands: Sequence[str]) -> typer.Typer:
    app = typer.Typer(
        name="whisper-jax",
        help="Speech to text with Whisper. A bare `whisper-jax talk.mp3` means transcribe.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: rich's takes longer to import than all the rest
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_program)
    for name in commands:
        module, _, attribute = _COMMANDS[name].partition(":")
        command = getattr(import_module(f"whisper_jax.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


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
