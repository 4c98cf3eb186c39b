"""How subtitles are laid out: lines, cues, times."""

from dataclasses import dataclass, fields
from typing import cast

from whisper_jax.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class SubtitleOptions:
    r"""The layout of subtitles. The first four are openai-whisper's, with its names and defaults.

    Without any of them a cue is a segment on one line, as openai-whisper writes it.

    Attributes:
        max_line_width: Most columns of a line: a full-width character (Chinese, Japanese, Korean)
            takes two, a combining mark none. A single word that is wider has a line to itself.
            42 is usual for Latin scripts, 32 for Chinese, 26 for Japanese.
        max_line_count: Most lines of a cue. With ``max_line_width``, cues no longer follow the
            segments: text runs on over them, except over pauses of more than 3 s, as in
            openai-whisper. 2 is usual.
        max_words_per_line: Most words of a line (characters, in scripts without spaces). Without
            ``max_line_width`` and ``max_line_count``, a cue has one line, as in openai-whisper.
        highlight_words: A cue for each word, in which that word is underlined: SubRip, WebVTT and
            ASS. False in openai-whisper.
        karaoke: One cue, in which each word has its time: in WebVTT as timestamps, in ASS as
            ``\k`` tags, in LRC as the enhanced format's word times. Not with
            ``highlight_words``.
        min_cue_duration: Least seconds that a cue is shown: into the pause that follows, and if
            there is none the next cue waits. 0 shows it while it is spoken; 5/6 s is usual.
        max_cue_duration: Most seconds that a cue is shown; longer speech is divided. None sets no
            limit; 7 s is usual.
        min_cue_gap: Least seconds between two cues, so that the eye sees the change; the earlier
            cue ends sooner. 0 sets none; two frames of the video, 0.08 s, are usual.
        max_reading_speed: Characters a second, spaces included, that a reader is asked for: a cue
            that is faster stays on, up to the next one or ``max_cue_duration``. Speech itself may
            be faster where no pause follows. None leaves times as they are; 17 to 20 are usual.
    """

    max_line_width: int | None = None
    max_line_count: int | None = None
    max_words_per_line: int | None = None
    highlight_words: bool = False
    karaoke: bool = False
    min_cue_duration: float = 0.0
    max_cue_duration: float | None = None
    min_cue_gap: float = 0.0
    max_reading_speed: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_line_width", "max_line_count", "max_words_per_line"):
            value = getattr(self, name)
            _require(
                value is None or (type(value) is int and value >= 1),
                f"{name} is {value!r}; give a whole number from 1, or None",
            )
        for name in ("highlight_words", "karaoke"):
            value = getattr(self, name)
            _require(isinstance(value, bool), f"{name} is {value!r}; give True or False")
        for name, (low, high) in _RANGES.items():
            value: float | None = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            _require(
                type(value) in (int, float) and low <= cast("float", value) <= high,
                f"{name} is {value!r}; give {low:g} to {high:g}"
                + (" or None" if name in _MAY_BE_NONE else ""),
            )
        _require(
            not (self.highlight_words and self.karaoke),
            "highlight_words makes a cue for each word and karaoke one for all; choose one",
        )
        longest = self.max_cue_duration
        _require(
            longest is None or self.min_cue_duration <= longest,
            f"min_cue_duration, {self.min_cue_duration}, is more than max_cue_duration, {longest}",
        )

    @property
    def max_lines(self) -> int | None:
        """Most lines of a cue, whether they were limited or follow from the words of a line."""
        is_by_words = self.max_words_per_line is not None and self.max_line_width is None
        return 1 if self.max_line_count is None and is_by_words else self.max_line_count

    @property
    def runs_on(self) -> bool:
        """Whether cues run on over the ends of segments."""
        return self.max_line_width is not None and self.max_line_count is not None

    @property
    def divides(self) -> bool:
        """Whether anything limits what one cue may hold."""
        has_lines = self.max_line_width is not None or self.max_words_per_line is not None
        return self.max_cue_duration is not None or (has_lines and self.max_lines is not None)

    @property
    def needs_words(self) -> tuple[str, ...]:
        """The options given that openai-whisper takes with word timestamps only."""
        return tuple(
            field.name
            for field in fields(self)
            if field.name in WORD_OPTIONS and getattr(self, field.name) != field.default
        )


WORD_OPTIONS = (
    "max_line_width",
    "max_line_count",
    "max_words_per_line",
    "highlight_words",
    "karaoke",
)
"""Options whose times would be guessed without word timestamps."""

_LONGEST_S = 3600.0
_RANGES: dict[str, tuple[float, float]] = {
    "min_cue_duration": (0, _LONGEST_S),
    "max_cue_duration": (0.1, _LONGEST_S),
    "min_cue_gap": (0, _LONGEST_S),
    "max_reading_speed": (1, 1000),
}
_MAY_BE_NONE = ("max_cue_duration", "max_reading_speed")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise OptionError(message)
