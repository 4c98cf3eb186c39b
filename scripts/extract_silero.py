# /// script
# requires-python = ">=3.12"
# dependencies = ["numpy>=2", "onnx>=1.17", "safetensors>=0.5"]
# ///
"""Take the weights of Silero VAD out of its published network, for whisper_jax.speech.vad.

    pip download --no-deps silero-vad==6.2.3
    uv run scripts/extract_silero.py silero_vad-6.2.3-py3-none-any.whl

The wheel is opened as data. It holds the same network in several files (``silero_vad.onnx``,
``silero_vad_16k_op15.onnx``, ...) and also ``silero_vad_16k.safetensors``, an example for another
framework: those are the weights of another training run, with probabilities that differ by up to
0.5 from what Silero VAD answers. So the numbers are taken from the network, unchanged, under the
names that the example has for them.
"""

import argparse
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save

NETWORK = "silero_vad/data/silero_vad_16k_op15.onnx"
OUTPUT = Path(__file__).parents[1] / "src/whisper_jax/speech/data/silero_vad_6.2_16k.safetensors"
NAMES = {
    "model.stft.forward_basis_buffer": "stft_conv.weight",
    **{
        f"model.encoder.{i}.reparam_conv.{kind}": f"conv{i + 1}.{kind}"
        for i in range(4)
        for kind in ("weight", "bias")
    },
    **{
        f"model.decoder.rnn.{kind}": f"lstm_cell.{kind}"
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    },
    "model.decoder.decoder.2.weight": "final_conv.weight",
    "model.decoder.decoder.2.bias": "final_conv.bias",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="silero_vad-6.2.3-py3-none-any.whl")
    with zipfile.ZipFile(parser.parse_args().wheel) as wheel:
        content = wheel.read(NETWORK)
    graph = onnx.load_from_string(content).graph
    stored = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    if stored.keys() != NAMES.keys():
        raise SystemExit(f"{NETWORK} holds other weights: {sorted(stored.keys() ^ NAMES.keys())}")
    arrays = {ours: np.ascontiguousarray(stored[theirs]) for theirs, ours in NAMES.items()}
    sha256 = hashlib.sha256(content).hexdigest()
    source = f"silero-vad 6.2.3 (MIT licence), {NETWORK}, SHA-256 {sha256}"
    OUTPUT.write_bytes(save(arrays, metadata={"source": source}))
    print(OUTPUT, hashlib.sha256(OUTPUT.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
