"""Times as files write them."""


def clock(time_ms: int, *, hours: bool, marker: str) -> str:
    """``MM:SS.mmm``, with hours in front if asked for or not zero."""
    total_s, ms = divmod(time_ms, 1000)
    total_min, s = divmod(total_s, 60)
    h, m = divmod(total_min, 60)
    return (f"{h:02d}:" if hours or h > 0 else "") + f"{m:02d}:{s:02d}{marker}{ms:03d}"
