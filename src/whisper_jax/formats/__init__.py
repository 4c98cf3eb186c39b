"""Transcripts as files: text, subtitles, tables and JSON.

``render`` gives the content, ``write_transcript`` puts it into a file, ``output_paths`` says what
the files of a run are called. `SubtitleOptions` says how subtitles are laid out; ``make_cues`` and
``make_bilingual_cues`` give the cues themselves.
"""

from whisper_jax.formats.bilingual import make_bilingual_cues
from whisper_jax.formats.cues import Cue, make_cues
from whisper_jax.formats.options import SubtitleOptions
from whisper_jax.formats.render import FORMATS, SUBTITLE_FORMATS, Format, render
from whisper_jax.formats.words import CueWord
from whisper_jax.formats.write import output_paths, write_transcript

__all__ = [
    "FORMATS",
    "SUBTITLE_FORMATS",
    "Cue",
    "CueWord",
    "Format",
    "SubtitleOptions",
    "make_bilingual_cues",
    "make_cues",
    "output_paths",
    "render",
    "write_transcript",
]
