"""What all tests share: array shapes checked at run time, and the published weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jaxtyping import install_import_hook

from call_checks import check_call

# Before anything imports them.
install_import_hook(
    [
        "whisper_jax.model",
        "whisper_jax.decoding",
        "whisper_jax.audio.logmel",
        "whisper_jax.speech.vad",
    ],
    f"{check_call.__module__}.{check_call.__name__}",
)

if TYPE_CHECKING:
    import whisper_jax

_NEED_WEIGHTS = {"base_folder", "tiny_en_folder", "base_model"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and _NEED_WEIGHTS & set(item.fixturenames):
            item.add_marker(pytest.mark.weights)


@pytest.fixture(autouse=True)
def compile_in_unit_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no programs of other runs: a test may patch what they are made of."""
    if "unit" in request.path.parts:
        monkeypatch.setenv("WHISPER_JAX_PROGRAMS_GB", "0")


@pytest.fixture(scope="session")
def base_folder() -> Path:
    """The folder of the published weights of ``base``."""
    from whisper_jax.checkpoints import resolve_model

    return resolve_model("base")


@pytest.fixture(scope="session")
def tiny_en_folder() -> Path:
    """The folder of the published weights of ``tiny.en``."""
    from whisper_jax.checkpoints import resolve_model

    return resolve_model("tiny.en")


@pytest.fixture(scope="session")
def base_model() -> Iterator["whisper_jax.Whisper"]:
    """``base`` in float32, loaded once for all tests: do not close it."""
    import whisper_jax

    with whisper_jax.load_model("base", compute_type="float32") as model:
        yield model
