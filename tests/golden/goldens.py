"""The golden files beside this one, made by scripts/golden/make_goldens.py with openai-whisper."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.decode import open_audio

DATA = Path(__file__).parent / "data"


@cache
def clips() -> dict[str, dict[str, Any]]:
    return {clip["name"]: clip for clip in json.loads((DATA / "clips.json").read_text())["clips"]}


@cache
def samples(name: str) -> NDArray[np.float32]:
    with open_audio(DATA / clips()[name]["path"]) as stream:
        return np.concatenate(list(stream.blocks()))


def clip_path(name: str) -> Path:
    return DATA / clips()[name]["path"]


def transcripts(model: str) -> list[dict[str, Any]]:
    return json.loads((DATA / f"{model}_transcripts.json").read_text())["transcripts"]


def case(model: str, clip: str, name: str) -> dict[str, Any]:
    (found,) = [t for t in transcripts(model) if (t["clip"], t["case"]) == (clip, name)]
    return found


@cache
def arrays(name: str) -> dict[str, NDArray[Any]]:
    with np.load(DATA / f"{name}.npz") as file:
        return {key: file[key] for key in file}


def tokens() -> dict[str, Any]:
    return json.loads((DATA / "tokens.json").read_text())
