"""Transcripts as files: text, subtitles, tables and JSON, as openai-whisper's command writes them.

``render`` gives the content, ``write_transcript`` puts it into a file, ``output_paths`` says what
the files of a run are called.
"""

from whisper_jax.formats.render import FORMATS, Format, render
from whisper_jax.formats.write import output_paths, write_transcript

__all__ = ["FORMATS", "Format", "output_paths", "render", "write_transcript"]
