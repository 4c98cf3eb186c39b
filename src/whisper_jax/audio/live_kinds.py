"""What live sources may be, as names: known without loading what reads them."""

from typing import Final

PCM_ENCODINGS: Final = (
    "s16le",
    "s16be",
    "s24le",
    "s32le",
    "f32le",
    "f64le",
    "u8",
    "mulaw",
    "alaw",
)
"""How samples without a container are written, in FFmpeg's names."""

LIVE_SCHEMES: Final = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps")
"""What the URL of a stream may begin with."""

RECONNECTIONS: Final = 5
"""How often in a row a connection is tried again."""
