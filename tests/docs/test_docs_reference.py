"""The reference pages name everything there is, and nothing else."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from pages import ROOT, section, table_rows, without_blocks

import whisper_jax
from whisper_jax import errors, formats, requests
from whisper_jax.checkpoints import known_models
from whisper_jax.cli.__main__ import _app
from whisper_jax.formats import FORMATS, SubtitleOptions
from whisper_jax.options import TranscribeOptions
from whisper_jax.stream.settings import LiveOptions
from whisper_jax.types import Retry

REFERENCE = ROOT / "docs" / "reference"
COMMAND_LINE = REFERENCE / "command-line.md"
SOURCES = sorted((ROOT / "src" / "whisper_jax").rglob("*.py"))


def quoted(text: str) -> list[str]:
    """The words in backticks."""
    return re.findall(r"`([^`]+)`", text)


def words_of(page: Path) -> set[str]:
    """The words that stand in backticks anywhere on a page."""
    return set(re.findall(r"\w+", " ".join(quoted(without_blocks(page)))))


def leaf_commands(command: Any, path: str = "whisper-jax") -> dict[str, Any]:
    """Each command that does something, under its whole name."""
    children = getattr(command, "commands", None)
    if children is None:
        return {path: command}
    found: dict[str, Any] = {}
    for name, child in children.items():
        found |= leaf_commands(child, f"{path} {name}")
    return found


PROGRAM = typer.main.get_command(_app())
LEAVES = leaf_commands(PROGRAM)


def options_of(command: Any) -> dict[str, Any]:
    """The options of a command by their spellings; --help is everywhere."""
    spelled = {
        name: option
        for option in command.params
        if option.param_type_name == "option"
        for name in (*option.opts, *option.secondary_opts)
    }
    return {name: option for name, option in spelled.items() if name not in ("--help", "-h")}


def heading_of(name: str) -> str:
    headings = re.findall(r"^## `(.+)`$", COMMAND_LINE.read_text(), re.M)
    found = [heading for heading in headings if re.fullmatch(rf"{name}( [A-Z…]+)*", heading)]
    assert len(found) == 1, f"{name} stands in {len(found)} headings of {COMMAND_LINE.name}"
    return f"## `{found[0]}`"


def test_every_section_is_a_command():
    headings = re.findall(
        r"^## `(whisper-jax [a-z ]+?)(?: [A-Z…]+)*`$", COMMAND_LINE.read_text(), re.M
    )
    assert sorted(headings) == sorted(LEAVES)


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_of_a_command_is_in_its_table_with_its_default(name: str):
    text = section(COMMAND_LINE, heading_of(name))
    rows = [row for row in table_rows(text) if row[0].startswith("`-")]
    documented = {word: row for row in rows for word in quoted(row[0])}
    options = options_of(LEAVES[name])
    assert sorted(documented) == sorted(options)
    for spelling, option in options.items():
        has_value = not option.is_flag and option.default not in (None, "", ())
        if has_value:
            assert documented[spelling][1] == f"`{option.default}`", f"{name} {spelling}"


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_and_option_has_help(name: str):
    assert LEAVES[name].help
    for spelling, option in options_of(LEAVES[name]).items():
        assert option.help, spelling


def test_options_of_the_program_are_named():
    text = COMMAND_LINE.read_text().partition("\n## ")[0]
    rows = [word for row in table_rows(text) for word in quoted(row[0])]
    assert sorted(rows) == sorted(options_of(PROGRAM))


def test_every_option_of_a_transcription_is_in_the_table_with_its_default():
    text = (REFERENCE / "options.md").read_text().partition("\n## Options of `load_model`")[0]
    rows = {quoted(row[0])[0]: row for row in table_rows(text) if quoted(row[0])}
    assert {name: row[1] for name, row in rows.items()} == {
        field.name: f"`{field.default!r}`" for field in fields(TranscribeOptions)
    }
    assert all(len(row) == 7 and all(row) for row in rows.values())


def test_every_option_of_load_model_is_in_the_table_with_its_default():
    text = section(REFERENCE / "options.md", "## Options of `load_model`")
    rows = {quoted(row[0])[0]: row[1] for row in table_rows(text) if quoted(row[0])}
    parameters = inspect.signature(whisper_jax.load_model).parameters.values()
    assert rows == {parameter.name: f"`{parameter.default!r}`" for parameter in parameters}


def test_every_option_of_live_streams_is_in_the_table_with_its_default():
    text = section(REFERENCE / "options.md", "## Options of `LiveOptions`")
    rows = {quoted(row[0])[0]: row[1] for row in table_rows(text) if quoted(row[0])}
    assert rows == {field.name: f"`{field.default!r}`" for field in fields(LiveOptions)}


def test_every_option_of_subtitles_is_in_the_table_with_its_default():
    text = section(REFERENCE / "options.md", "## Options of `SubtitleOptions`")
    rows = {quoted(row[0])[0]: row[1] for row in table_rows(text) if quoted(row[0])}
    assert rows == {field.name: f"`{field.default!r}`" for field in fields(SubtitleOptions)}


def test_every_name_of_the_formats_is_in_the_python_page():
    assert set(formats.__all__) - {"Format"} <= words_of(REFERENCE / "python.md")


def test_every_public_name_is_in_the_python_page():
    assert set(whisper_jax.__all__) <= words_of(REFERENCE / "python.md")


@pytest.mark.parametrize(
    "record",
    [
        whisper_jax.Transcript,
        whisper_jax.Segment,
        Retry,
        whisper_jax.Word,
        whisper_jax.FileProgress,
    ],
)
def test_every_field_of_a_record_is_in_its_table(record: Any):
    text = section(REFERENCE / "python.md", f"## `{record.__name__}`")
    rows = [word for row in table_rows(text) for word in quoted(row[0])]
    assert rows == [field.name for field in fields(record)]


def test_every_public_method_is_in_the_table():
    text = section(REFERENCE / "python.md", "## `Whisper`").partition("| keyword")[0]
    rows = {word.partition("(")[0] for row in table_rows(text) for word in quoted(row[0])}
    assert rows == {
        name
        for name, value in vars(whisper_jax.Whisper).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


def test_every_error_is_in_the_table_with_its_parents():
    rows = {
        quoted(row[0])[0]: row
        for row in table_rows((REFERENCE / "errors.md").read_text())
        if quoted(row[0])
    }
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert {name: quoted(row[1]) for name, row in rows.items()} == {
        error.__name__: [base.__name__ for base in error.__bases__ if base is not Exception]
        for error in classes
    }


def test_every_request_and_answer_is_in_the_programs_page():
    page = REFERENCE / "programs.md"
    classes = [
        name
        for name, value in vars(requests).items()
        if isinstance(value, type) and value.__module__ == requests.__name__
    ]
    assert set(classes) <= words_of(page)
    for name, field_names in re.findall(r"^\| `(\w+)\(([^)]*)\)`", page.read_text(), re.M):
        names = [field.name for field in fields(getattr(requests, name))]
        assert field_names.split(", ") == names if names else not field_names, name


def test_every_environment_variable_is_in_the_table():
    used = {
        name
        for path in SOURCES
        if "bench" not in path.parts
        for name in re.findall(r'"((?:WHISPER_JAX|HF|XDG|JAX)_[A-Z_]+)"', path.read_text())
    }
    rows = table_rows((REFERENCE / "environment.md").read_text())
    assert used <= {word for row in rows for word in quoted(row[0])}


def test_every_model_is_in_the_models_page():
    rows = table_rows(section(ROOT / "docs" / "howto" / "models.md", "## Names"))
    assert {word for row in rows for word in quoted(row[0])} == set(known_models())


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "howto" / "formats.md"])
def test_every_format_is_in_the_tables(page: Path):
    words = {word for row in table_rows(page.read_text()) for word in quoted(row[0])}
    assert set(FORMATS) <= words


def test_every_dependency_has_its_reason():
    project = (ROOT / "pyproject.toml").read_text()
    listed = project.partition("dependencies = [")[2].partition("]")[0]
    names = re.findall(r'"([\w-]+)', listed)
    rows = table_rows(section(ROOT / "README.md", "## What it stands on"))
    documented = {match[1]: row[1] for row in rows if (match := re.match(r"\[([\w-]+)\]", row[0]))}
    assert sorted(documented) == sorted(names)
    assert all(documented.values())


def test_every_axis_is_in_the_names_page():
    used = {
        axis.lstrip("*")
        for path in SOURCES
        for shape in re.findall(r'\[Array, "([^"]*)"', path.read_text())
        for axis in shape.split()
        if not axis.isdigit() and axis != "..."
    }
    rows = table_rows(section(ROOT / "docs" / "names.md", "## Axes"))
    assert {word for row in rows for word in quoted(row[0])} == used
