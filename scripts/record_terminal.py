"""Run a command in a terminal of its own, and keep pictures of what it shows.

    python scripts/record_terminal.py --at 4,8 --out live -- whisper-jax live talk.mp3

writes ``live-4.svg`` and ``live-8.svg``, what stood there after 4 and 8 seconds, ``live-end.svg``,
and the same as PNG where Chromium is installed. The seconds begin with the first output. The
terminal is that of the tests.
"""

import argparse
import fcntl
import io
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "unit"))

from terminal_screen import Screen  # noqa: E402

STYLES = {"1": "bold", "2": "dim", "3": "italic", "31": "red", "32": "green", "33": "yellow"}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at", default="", help="seconds, with commas")
    parser.add_argument("--out", type=Path, required=True, help="how the pictures' names begin")
    parser.add_argument("--columns", type=int, default=72)
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    times_s = sorted(float(word) for word in given.at.split(",") if word)
    screen = Screen(given.columns, given.rows, wraps=True)
    title = " ".join(Path(word).name for word in given.command)
    # Drawn afterwards: while it is drawn the command would have less of the machine.
    seen = [(name, deepcopy(screen)) for name in run(given.command, screen, times_s)]
    for name, shown in seen:
        draw(shown, given.out.with_name(f"{given.out.name}-{name}.svg"), title)


def run(command: list[str], screen: Screen, times_s: list[float]) -> Iterator[str]:
    """Run it, and stop for each picture: its name."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvp(command[0], command)
    size = struct.pack("HHHH", screen.n_rows, screen.n_columns, 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
    decode = getincrementaldecoder("utf-8")().decode
    started_s = None
    waiting = list(times_s)
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.02)
        if ready:
            try:
                data = os.read(terminal, 1 << 16)
            except OSError:  # so a terminal ends
                break
            if not data:
                break
            started_s = time.monotonic() if started_s is None else started_s
            screen.write(decode(data))
        if started_s is not None and waiting and time.monotonic() - started_s >= waiting[0]:
            yield f"{waiting.pop(0):g}"
    os.waitpid(process, 0)
    yield "end"


def draw(screen: Screen, path: Path, title: str) -> None:
    console = Console(record=True, width=screen.n_columns, file=io.StringIO())
    for row in [*screen.history, *screen.rows][-screen.n_rows :]:
        line = Text()
        for cell in row:
            line.append(cell.text, style=" ".join(STYLES.get(s, "") for s in sorted(cell.styles)))
        console.print(line, no_wrap=True, crop=True)
    # Rich states the lengths of texts in characters: full-width ones would be squeezed.
    path.write_text(re.sub(r' textLength="[^"]*"', "", console.export_svg(title=title)))
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser is not None:
        picture = path.with_suffix(".png")
        size = f"--window-size={13 * screen.n_columns + 30},{25 * screen.n_rows + 80}"
        words = [browser, "--headless", "--no-sandbox", f"--screenshot={picture}", size]
        subprocess.run([*words, path.resolve().as_uri()], check=True, capture_output=True)
    print(path)


if __name__ == "__main__":
    main()
