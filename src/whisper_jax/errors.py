"""Every error this package raises on purpose.

The tree::

    WhisperJaxError
    ├── OptionError (also ValueError)    an option that cannot be honoured: the caller's mistake
    ├── AudioError                       a recording that cannot be found, opened or decoded
    │   └── AudioTooLongError            a recording that is longer than is allowed
    ├── ModelError                       a model that cannot be had
    │   ├── UnknownModelError            no such name, folder or file
    │   ├── CheckpointError              files that are there but are not a Whisper checkpoint
    │   ├── DownloadError                weights that could not be fetched, or have a wrong hash
    │   └── ModelBusyError               no memory for it while other models are being used
    ├── EngineError                      the device program failed
    │   └── EngineClosedError            work was asked of an engine that has been closed
    ├── AlignmentError                   a text that is not what a recording says
    └── CancelledError                   the caller stopped the work

Each message says what to do about it. The command line prints it as it is.
"""


class WhisperJaxError(Exception):
    """The root of the tree: catch this to catch everything raised on purpose."""


class OptionError(WhisperJaxError, ValueError):
    """An option, or a combination of options, that cannot be honoured."""


class AudioError(WhisperJaxError):
    """A recording that cannot be found, opened or decoded."""


class AudioTooLongError(AudioError):
    """A recording that is longer than is allowed where it was sent to."""


class ModelError(WhisperJaxError):
    """A model that cannot be had."""


class UnknownModelError(ModelError):
    """A model name that is neither known, nor a folder, nor a file."""


class CheckpointError(ModelError):
    """Files that are there but cannot be read as a Whisper checkpoint."""


class DownloadError(ModelError):
    """Weights that could not be fetched, or whose hash is not the pinned one."""


class ModelBusyError(ModelError):
    """A model for which there is no memory now, since others are being used; try again later."""


class EngineError(WhisperJaxError):
    """The device program failed; the message carries the cause."""


class EngineClosedError(EngineError):
    """Work was asked of an engine that has been closed."""


class AlignmentError(WhisperJaxError):
    """A text that cannot be aligned with a recording: it is not what is said in it."""


class CancelledError(WhisperJaxError):
    """The caller stopped the work before it was done."""
