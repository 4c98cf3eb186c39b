"""The driver of programs: recordings in, events out, with an engine in between.

Import from the modules: `run` has the threads and `recording` the bookkeeping; `cutting` makes
`pieces` of a recording while it is being read; `channels` makes several recordings of one whose
channels are speakers.
"""

from whisper_jax.driver.channels import SplitChannels
from whisper_jax.driver.cutting import Cutter
from whisper_jax.driver.events import EngineLike, Event, FileProgress
from whisper_jax.driver.plan import Plan
from whisper_jax.driver.run import Run

__all__ = ["Cutter", "EngineLike", "Event", "FileProgress", "Plan", "Run", "SplitChannels"]
