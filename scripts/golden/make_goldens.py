"""Make the golden files of tests/golden/data with openai-whisper, float32, temperature 0.

    python scripts/golden/make_goldens.py --base BASE --tiny-en TINY_EN

BASE and TINY_EN are CTranslate2 model folders (``whisper-jax models path base``). The clips must
be there (make_clips.py). openai-whisper is installed in an environment of its own the first time.
On one machine the files come out the same byte for byte; another processor may differ in the
last digits, far below the tests' tolerances.

==========================  ==================================================================
log_mel.npz                 for each clip: some frames with 80 and 128 bins, and the peak level
MODEL_tensors.npz           encoder output and teacher-forced logits on jfk
MODEL_transcripts.json      results with segments and windows, for several options
base_languages.json         the five most probable languages of each clip
tokens.json                 encoding, decoding and special ids
==========================  ==================================================================
"""

import argparse
import subprocess
from pathlib import Path

from whisper_jax.bench.peers.environment import peer_python
from whisper_jax.bench.peers.weights import openai_checkpoint

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "tests" / "golden" / "data"
COMMAND = "python scripts/golden/make_goldens.py --base BASE --tiny-en TINY_EN"


def run(script: str, name: str, checkpoint: Path, python: Path) -> None:
    """Run one script of the oracle folder for one model."""
    print(f"{script} {name}", flush=True)
    command = [str(python), str(HERE / "oracle" / script), "--data", str(DATA), "--name", name]
    subprocess.run([*command, "--checkpoint", str(checkpoint), "--command", COMMAND], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, required=True, help="CTranslate2 folder of base")
    parser.add_argument("--tiny-en", type=Path, required=True, help="the same of tiny.en")
    parser.add_argument("--interpreter", help="Python to make openai-whisper's environment with")
    args = parser.parse_args()
    python = peer_python("openai-whisper", interpreter=args.interpreter)
    for name, folder in (("base", args.base), ("tiny.en", args.tiny_en)):
        checkpoint = openai_checkpoint(folder, interpreter=args.interpreter)
        run("tensors.py", name, checkpoint, python)
        run("texts.py", name, checkpoint, python)
        if name == "base":
            run("tokens.py", name, checkpoint, python)


if __name__ == "__main__":
    main()
