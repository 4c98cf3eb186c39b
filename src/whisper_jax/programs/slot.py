"""The slot of a program: windows of the recording are read and encoded into it."""

from whisper_jax.audio.units import HOP, N_FRAMES
from whisper_jax.programs.steps import Steps
from whisper_jax.programs.windows import window_read, window_samples
from whisper_jax.requests import Encode, Encoded, Samples

_STEP_FRAMES = 500
_LEAST_FRAMES = 1000
"""What is heard of a recording's windows is of whole steps and no shorter than this, whatever
lengths the device has programs for: error rates are known for these."""


class WindowSlot:
    """Puts windows into the slot, one at a time; one that is there already is not encoded again.

    Args:
        peak: The highest log-mel level (log10) of the recording, as far as it is known.
        n_padding: Frames that are heard after a window, at least.
        silence_after: Whether they are silence; openai-whisper's are not (`Encode`).

    Attributes:
        n_samples: How far the recording has been read.
    """

    def __init__(self, peak: float, n_padding: int, *, silence_after: bool) -> None:
        self.n_samples = 0
        self._peak = peak
        self._n_padding = n_padding
        self._silence_after = silence_after
        self._held: tuple[int, int] | None = None
        self._n_frames = 0
        self._held_peak = peak

    def hear(self, start: int, n_frames: int, *, peek: bool = False) -> Steps[int]:
        """Have a window in the slot.

        Args:
            start: Its first 10 ms frame.
            n_frames: Most frames.
            peek: What stands before it will be heard later. Its level is then not carried on: a
                window's text does not depend on where the language was looked for.

        Returns:
            Frames of content; 0 if the recording has none there, and nothing was encoded.
        """
        if self._held != (start, n_frames):
            answer = yield window_read(start, n_frames, peek=peek)
            assert isinstance(answer, Samples)
            samples, found = window_samples(answer, start, n_frames)
            # What was read beyond the window, as its margin, counts only if it ends the recording.
            n_read = answer.start + len(answer.samples)
            n_heard = n_read if answer.ended else min(n_read, (start + n_frames) * HOP)
            if len(answer.samples) > 0:
                self.n_samples = max(self.n_samples, n_heard)
            if found == 0:
                return 0
            encoded = yield Encode(
                samples=samples,
                n_frames=found,
                peak=self._peak,
                n_heard=_heard_frames(found + self._n_padding),
                silence_after=self._silence_after,
            )
            assert isinstance(encoded, Encoded)
            self._held, self._n_frames = (start, n_frames), found
            self._held_peak = encoded.peak
        if not peek:
            self._peak = self._held_peak
        return self._n_frames


def _heard_frames(n_needed: int) -> int:
    """Frames to hear if so many are needed at least, up to 30 s."""
    in_steps = -(-n_needed // _STEP_FRAMES) * _STEP_FRAMES
    return min(max(in_steps, _LEAST_FRAMES), N_FRAMES)
