"""How a live stream is transcribed: frozen, keyword-only, checked when it is made."""

import math
from dataclasses import dataclass
from typing import Literal

from whisper_jax.errors import OptionError
from whisper_jax.options import MAX_HYPOTHESES, Task

type Policy = Literal["alignment", "agreement"]

MAX_INTERVAL_S = 10.0
MAX_SILENCE_S = 10.0
MAX_PADDING_S = 2.0


@dataclass(frozen=True, kw_only=True)
class LiveOptions:
    """How speech becomes text while it is being spoken.

    Attributes:
        language: Code or name of the language spoken; None detects it in the first speech, and
            ``auto`` in each segment.
        task: ``transcribe`` or ``translate``, as for recordings.
        policy: When words are committed. ``alignment``: once so much has been heard after them
            (``hold_back_s``), as AlignAtt does (Papi et al. 2023, arXiv 2305.11408).
            ``agreement``: once two updates agree on them, as LocalAgreement-2 does (Liu et al.
            2020; Machacek et al. 2023, arXiv 2307.14743).
        interval_s: New speech, in seconds, after which text is updated. While many streams are
            under way updates are as far apart as the device allows, for all of them alike.
        hold_back_s: With ``alignment``, seconds before the end of what was heard whose words are
            tentative.
        beam_size: Hypotheses kept; 1 is greedy decoding.
        initial_prompt: What could have been said before: names, spelling, style.
        hotwords: Words that are likely; told at every update.
        detects_pauses: Whether segments end where somebody pauses; if not, only where `commit`
            says so, or when one is too long.
        vad_threshold: Probability of speech above which somebody speaks.
        silence_s: A pause so long ends a segment. 0.5, as OpenAI's ``server_vad``.
        prefix_padding_s: What is heard before somebody is noticed to speak. 0.3, as there.
        longest_s: Speech without a pause is cut into segments no longer than this.
        adapts: Leave an update as much time again as the last took: while the device is busy,
            each stream asks for less.
    """

    language: str | None = None
    task: Task = "transcribe"
    policy: Policy = "alignment"
    interval_s: float = 0.5
    hold_back_s: float = 0.5
    beam_size: int = 1
    initial_prompt: str | None = None
    hotwords: str | None = None
    detects_pauses: bool = True
    vad_threshold: float = 0.5
    silence_s: float = 0.5
    prefix_padding_s: float = 0.3
    longest_s: float = 120.0
    adapts: bool = True

    def __post_init__(self) -> None:
        _require(self.task in ("transcribe", "translate"), "task", "'transcribe' or 'translate'")
        _require(self.policy in ("alignment", "agreement"), "policy", "'alignment' or 'agreement'")
        _within("interval_s", self.interval_s, 0.1, MAX_INTERVAL_S)
        _within("hold_back_s", self.hold_back_s, 0.0, MAX_INTERVAL_S)
        _within("vad_threshold", self.vad_threshold, 0.01, 0.99)
        _within("silence_s", self.silence_s, 0.1, MAX_SILENCE_S)
        _within("prefix_padding_s", self.prefix_padding_s, 0.0, MAX_PADDING_S)
        _within("longest_s", self.longest_s, 5.0, math.inf)
        is_beam = isinstance(self.beam_size, int) and 1 <= self.beam_size <= MAX_HYPOTHESES
        _require(is_beam, "beam_size", f"1 to {MAX_HYPOTHESES}")


def _within(name: str, value: float, low: float, high: float) -> None:
    _require(isinstance(value, int | float) and low <= value <= high, name, f"{low:g} to {high:g}")


def _require(holds: bool, name: str, allowed: str) -> None:
    if not holds:
        raise OptionError(f"{name} must be {allowed}")
