"""What ``whisper-jax bench`` is to transcribe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from whisper_jax.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is transcribed in a call.

    Attributes:
        recordings: The recordings; none if only limits are measured.
        about: What the JSON lines say of it.
        title: What is printed above its tables; may be empty.
    """

    recordings: tuple[Any, ...]
    about: dict[str, Any]
    title: str = ""

    @property
    def headline(self) -> str | None:
        """Which of the headline's workloads it is, if it is one."""
        return self.about.get("headline")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which recordings were given, and how.

    Attributes:
        files: Recordings without references.
        manifest: A manifest in place of them.
        sets: Sets of the manifest, with commas.
        workload: Which lengths of the manifest.
        language: Language of the files.
    """

    files: list[Path] | None
    manifest: Path | None
    sets: str | None
    workload: str
    language: str | None

    def __post_init__(self) -> None:
        if self.manifest is not None and self.language is not None:
            raise OptionError("the manifest tells the languages: --language is for files")

    @property
    def about(self) -> dict[str, Any]:
        """What the JSON lines say of it."""
        manifest = None if self.manifest is None else str(self.manifest)
        return {"manifest": manifest, "sets": self.sets}

    @property
    def wanted_sets(self) -> tuple[str, ...] | None:
        """The sets, each by itself."""
        return None if self.sets is None else names_in(self.sets)

    def workload_of(self, minutes: float | None, repeat: int) -> Workload:
        """All recordings in one call."""
        from whisper_jax.bench.workload import (
            WorkloadName,
            repeated,
            workload_from_files,
            workload_from_manifest,
        )

        if minutes is not None:
            raise OptionError("--minutes bounds the workloads of --headline")
        if bool(self.files) == (self.manifest is not None):
            raise OptionError("give recordings, or --manifest: one of the two")
        if self.manifest is not None:
            name = cast("WorkloadName", self.workload)
            recordings = workload_from_manifest(self.manifest, self.wanted_sets, name)
        elif self.sets is not None or self.workload != "all":
            raise OptionError("--sets and --workload choose from a manifest: give --manifest")
        else:
            recordings = workload_from_files(self.files or [], self.language)
        about = {**self.about, "workload": self.workload, "repeat": repeat}
        return Workload(recordings=repeated(recordings, repeat), about=about)

    def headline(self, minutes: float | None, repeat: int, folder: Path) -> tuple[Workload, ...]:
        """The three workloads of ``--headline``."""
        from whisper_jax.bench.headline import headlines

        if self.manifest is None or self.files:
            raise OptionError("--headline is made from a manifest: give --manifest and no files")
        if self.workload != "all" or repeat != 1:
            raise OptionError("--headline has workloads of its own: no --workload or --repeat")
        return tuple(
            Workload(
                recordings=one.recordings,
                about={**self.about, "headline": one.name, "minutes": minutes},
                title=one.title,
            )
            for one in headlines(self.manifest, self.wanted_sets, minutes, folder)
        )


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list with commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
