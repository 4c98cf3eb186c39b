"""``whisper-jax serve``: what is refused before anything is loaded."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from whisper_jax.cli.__main__ import _alone
from whisper_jax.server import logs, run
from whisper_jax.server.settings import ServerSettings

KEY = "a-key-of-twenty-letters"


@pytest.fixture
def served(monkeypatch) -> list[ServerSettings]:
    """The settings that a server would have been started with."""
    found: list[ServerSettings] = []
    monkeypatch.delenv("WHISPER_JAX_API_KEYS", raising=False)
    monkeypatch.setattr(logs, "set_up_logs", lambda level: None)
    monkeypatch.setattr(run, "run_server", lambda models, settings: found.append(settings))
    return found


def call(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(_alone("serve"), list(words))
    return done.exit_code, done.output


def test_options_become_settings(served, tmp_path, monkeypatch):
    path = tmp_path / "keys"
    path.write_text(KEY)
    monkeypatch.setenv("WHISPER_JAX_API_KEYS", f"{KEY}-2, {KEY}-3")
    words = "--model base --model tiny.en --alias gpt-4o-transcribe=base --host 0.0.0.0 --port 0"
    limits = "--max-upload-mib 0.5 --max-duration 60 --requests-per-minute 7 --warmup"
    code, output = call(*words.split(), *limits.split(), "--api-keys-file", str(path))
    assert (code, output) == (0, "")
    (settings,) = served
    assert settings.models == ("base", "tiny.en")
    assert settings.model_of("gpt-4o-transcribe") == settings.model_of("whisper-1") == "base"
    assert len(settings.keys) == 3
    assert (settings.max_upload_bytes, settings.max_duration_s) == (1 << 19, 60.0)
    assert settings.requests_per_minute == 7
    assert settings.warms_up


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--host 0.0.0.0", "--api-keys-file"),
        ("--api-key short", "16 or more"),
        ("--api-keys-file /no/such/file", "cannot read the keys"),
        ("--alias nothing", "NAME=MODEL"),
        ("--alias a=large-v3", "not served"),
        ("--log-level loud", "there are: debug"),
        ("--max-running 0", "max_running"),
        ("--max-upload-mib nan", "--max-upload-mib"),
        ("--max-duration inf", "max_duration_s"),
        ("--cors-origin example.org", "origin"),
        ("--compute-type float7", "float7"),
        ("--device abacus", "abacus"),
    ],
)
def test_what_cannot_be_honoured_is_refused(served, words, said):
    code, output = call(*words.split())
    assert code == 2
    assert said in output.replace("\n", " ")
    assert not served


@pytest.mark.parametrize(
    "words", ["--host 127.0.0.1", "--host ::1", "--host 0.0.0.0 --allow-anyone"]
)
def test_keys_are_not_asked_for_where_they_need_not_be(served, words):
    assert call(*words.split())[0] == 0
    assert len(served) == 1


def test_the_help_loads_no_server():
    program = (
        "import sys; from whisper_jax.cli.__main__ import _alone; _alone('serve')\n"
        "sys.exit(any(name in sys.modules for name in ('fastapi', 'uvicorn', 'jax', 'pydantic')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
