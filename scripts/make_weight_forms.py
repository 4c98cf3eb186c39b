"""Write a model in every form that is read: OpenAI's ``.pt``, Hugging Face, ggml in several types.

    python scripts/make_weight_forms.py SRC OUT [--ggml f16,q8_0,q5_0,q5_1]

SRC is a CTranslate2 model folder (``whisper-jax models path base``). OUT gets ``openai.pt``, made
by torch in openai-whisper's environment (as ``whisper-jax bench`` makes it), ``hugging-face/`` and
``ggml-TYPE.bin``. Each is read again, and what is said of it is how far its weights are from
SRC's: nothing for all but the quantised types.
"""

import argparse
import shutil
from pathlib import Path

import jax
import numpy as np

from whisper_jax.bench.peers.ggml import write_ggml
from whisper_jax.bench.peers.weights import openai_checkpoint
from whisper_jax.checkpoints.convert import write_hugging_face
from whisper_jax.checkpoints.load import Checkpoint, load_checkpoint


def distance(ours: Checkpoint, theirs: Checkpoint) -> float:
    """The largest root mean square of a matrix's differences, over that of the matrix."""

    def of(a: np.ndarray, b: np.ndarray) -> float:
        a, b = a.astype(np.float32), b.astype(np.float32)
        return float(np.sqrt(np.square(a - b).mean() / np.square(a).mean())) if a.any() else 0.0

    return max(jax.tree.leaves(jax.tree.map(of, ours.params, theirs.params)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="SRC")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--ggml", default="f16,q8_0,q5_0,q5_1", help="types of ggml, with commas")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    source = load_checkpoint(args.source)
    forms = [args.out / "openai.pt", args.out / "hugging-face"]
    shutil.copyfile(openai_checkpoint(args.source), forms[0])
    write_hugging_face(source, forms[1])
    for kind in args.ggml.split(","):
        forms.append(args.out / f"ggml-{kind}.bin")
        write_ggml(args.source, forms[-1], kind)
    for form in forms:
        print(f"{form}\t{distance(source, load_checkpoint(form)):.2g}")


if __name__ == "__main__":
    main()
