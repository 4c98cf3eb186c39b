"""The public package: a sorted list of names, each there, and none loaded before it is used."""

import subprocess
import sys

import pytest

import whisper_jax


def test_names_are_sorted():
    assert whisper_jax.__all__ == sorted(whisper_jax.__all__)


@pytest.mark.parametrize("name", whisper_jax.__all__)
def test_every_name_is_there(name: str):
    assert getattr(whisper_jax, name) is not None
    assert name in dir(whisper_jax)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'load_modle'"):
        _ = whisper_jax.load_modle


def test_every_error_is_public():
    from whisper_jax import errors

    names = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert names <= set(whisper_jax.__all__)


def test_importing_the_package_loads_nothing_else():
    code = "import sys, whisper_jax; print([name for name in sys.modules if 'jax' in name])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "['whisper_jax']\n"
