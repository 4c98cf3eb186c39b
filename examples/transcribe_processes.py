"""Transcribe with several processes, on one machine or on many: each takes its share of the files.

Start it once for each process, with the same address, number and files, and its own index:

    python transcribe_processes.py localhost:1234 2 0 texts.jsonl talk.mp3 interview.wav &
    python transcribe_processes.py localhost:1234 2 1 texts.jsonl talk.mp3 interview.wav

Process 0 waits for the others and writes all texts, in the order of the files. Each process works
on its own devices alone, so nothing but texts goes from one to the other; if one of them fails,
the others end too.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather

import whisper_jax


def main(coordinator: str, n_processes: int, process: int, output: Path, files: list[str]) -> None:
    """Transcribe this process's share; process 0 writes what all have found."""
    # Before anything else is asked of JAX.
    jax.distributed.initialize(coordinator, n_processes, process)
    mine = files[process::n_processes]
    with whisper_jax.load_model("base") as model:
        transcripts = model.transcribe_batch(mine)
    texts = {
        path: str(one.error) if one.error else one.text
        for path, one in zip(mine, transcripts, strict=True)
    }
    of_all: dict[str, str] = {}
    for share in gather(json.dumps(texts)):
        of_all |= json.loads(share)
    if process == 0:
        lines = [json.dumps({"file": path, "text": of_all[path]}) for path in files]
        output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def gather(text: str) -> list[str]:
    """The texts of all processes, in their order; every process has to call it."""
    mine = np.frombuffer(text.encode(), np.uint8)
    sizes = process_allgather(np.array(mine.size))
    shares = process_allgather(np.pad(mine, (0, int(sizes.max()) - mine.size)))
    return [share[:size].tobytes().decode() for share, size in zip(shares, sizes, strict=True)]


if __name__ == "__main__":
    address, number, index, texts_file, *recordings = sys.argv[1:]
    main(address, int(number), int(index), Path(texts_file), recordings)
