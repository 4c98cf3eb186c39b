"""Record what openai-whisper does with each window of a collection of recordings.

    python scripts/golden/record_windows.py MANIFEST --model FOLDER

For each recording of a ``manifest.jsonl`` one JSON line: its text, the peak of its log-mel, and
for each window decoded its first frame (``seek``), its frames of content (``segment_size``), all
tokens before the first one found (``prompt``), the tokens found, and their probabilities.
Temperature 0 without fallback, greedy or with ``--beam-size`` beams, float32, previous text as
prompt; the language is the
primary subtag of the manifest's, or detected if that is a mixture (``en+zh``). Audio is decoded
by PyAV as the product does it. Versions stand beside the output in ``.about.json``. A run that
is interrupted goes on where it stopped. With ``--words`` each segment has its words too
(``word_timestamps=True``): compare_words.py holds ours against them.
"""

import argparse
import os
import subprocess
from pathlib import Path

from whisper_jax.bench.peers.environment import peer_python
from whisper_jax.bench.peers.weights import openai_checkpoint
from whisper_jax.checkpoints.cache import read_settings

SCRIPT = Path(__file__).parent / "oracle" / "windows.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="manifest.jsonl; paths are relative to it")
    parser.add_argument("--model", type=Path, required=True, help="CTranslate2 model folder")
    parser.add_argument("--name", default="base", help="name of the model, for the output's name")
    parser.add_argument(
        "--output", type=Path, help="default: oracle/openai-NAME[-beamN]-{windows,words}.jsonl"
    )
    parser.add_argument("--beam-size", type=int, help="beams; greedy by default")
    parser.add_argument("--words", action="store_true", help="with the times of words")
    parser.add_argument("--sets", nargs="*", default=[], help="of the manifest; all by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--interpreter", help="Python to make openai-whisper's environment with")
    args = parser.parse_args()
    beams = f"-beam{args.beam_size}" if args.beam_size else ""
    name = f"openai-{args.name}{beams}-{'words' if args.words else 'windows'}.jsonl"
    output = args.output or read_settings().cache / "oracle" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = openai_checkpoint(args.model, interpreter=args.interpreter)
    command = [str(peer_python("openai-whisper")), str(SCRIPT)]
    command += ["--manifest", str(args.manifest), "--checkpoint", str(checkpoint)]
    command += ["--name", args.name, "--output", str(output), "--threads", str(args.threads)]
    if args.beam_size:
        command += ["--beam-size", str(args.beam_size)]
    command += ["--words"] if args.words else []
    command += ["--sets", *args.sets]
    command += ["--command", "python scripts/golden/record_windows.py MANIFEST --model FOLDER"]
    # Threads that wait actively would take the processor from whatever else is running.
    threads = {"OMP_NUM_THREADS": str(args.threads), "OMP_WAIT_POLICY": "passive"}
    environment = {**os.environ, **threads}
    subprocess.run(command, env=environment, check=True)
    print(output)


if __name__ == "__main__":
    main()
