"""The page on HTTP names every path, field, event and error of the server."""

import re

from pages import ROOT, section, table_rows
from test_docs_reference import quoted

from whisper_jax.server import fields
from whisper_jax.server.schema import form

PAGE = ROOT / "docs" / "reference" / "http.md"
SERVER = ROOT / "src" / "whisper_jax" / "server"
SOURCE = "".join(path.read_text() for path in SERVER.rglob("*.py"))


def words_of_rows(heading: str, cell: int = 0) -> set[str]:
    rows = table_rows(section(PAGE, heading))
    return {word for row in rows for word in quoted(row[cell])}


def test_every_path_is_in_the_table():
    documented = {word for row in table_rows(PAGE.read_text()) for word in quoted(row[0])}
    paths = re.findall(r'@app\.(get|post|websocket)\(\s*"([^"]+)"', SOURCE)
    used = {
        f"{method.replace('websocket', 'get').upper()} {path.replace(':path', '')}"
        for method, path in paths
    }
    assert used - {"GET /"} == {word for word in documented if re.match(r"(GET|POST) /", word)}


def test_every_field_is_in_the_table_or_an_option():
    ours = {*fields.OPTION_FIELDS, *fields.LAYOUT_FIELDS, "stream_detail"}
    given = set(
        form("transcribe")["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    )
    refused = {"include[]", "known_speaker_names[]", "known_speaker_references[]"}
    documented = words_of_rows("## Fields of OpenAI's")
    assert documented == (given - ours) | refused | {"language", "temperature"}
    assert "stream_detail" in words_of_rows("## Fields of ours")


def test_every_format_is_in_the_table():
    (row,) = (r for r in table_rows(PAGE.read_text()) if r[0] == "`response_format`")
    assert set(fields.RESPONSE_FORMATS) <= set(quoted(row[1]))


def test_every_event_is_in_the_table():
    used = set(re.findall(r'"type": "(transcript\.[a-z.]+|error)"', SOURCE))
    assert words_of_rows("## Events") - {"type"} == used


def test_every_code_is_in_the_table():
    used = set(re.findall(r'code="(\w+)"', SOURCE))
    used |= set(re.findall(r'"(\w+_(?:field|parameter|empty)|invalid_json)",?\s*\)', SOURCE))
    used |= {"invalid_value"}
    assert words_of_rows("## Errors", 1) - {"code"} == used
