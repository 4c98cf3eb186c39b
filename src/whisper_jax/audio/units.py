"""The units of time inside: samples at 16 kHz and log-mel frames of 10 ms. No imports."""

SAMPLE_RATE = 16_000
"""Samples a second: what Whisper was trained on."""
N_FFT = 400
"""Samples that one log-mel frame sees."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""
N_FRAMES = 3000
"""Frames of a 30 s window."""
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
MARGIN_BEFORE = N_FFT // 2
"""Samples before a window that its first frame sees."""
MARGIN_AFTER = N_FFT - HOP - MARGIN_BEFORE
"""Samples after a window that its last frame sees."""
N_WINDOW_SAMPLES = MARGIN_BEFORE + N_FRAMES * HOP + MARGIN_AFTER
"""Samples that all frames of a window see."""
FRAMES_PER_TIMESTAMP = 2
"""Frames in one step of the timestamp tokens, 20 ms."""
