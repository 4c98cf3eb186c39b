"""Silero VAD by its own network, run by onnxruntime. See make_vad_goldens.py.

    python vad.py NETWORK.onnx SAMPLES.npz PROBABILITIES.npz

Silero's own Python needs torch for no more than this loop: 512 samples at a time with the 64
before them, and the state that the last step gave.
"""

import json
import sys

import numpy as np
import onnxruntime

STEP_SAMPLES = 512
CONTEXT_SAMPLES = 64


def probabilities(session: onnxruntime.InferenceSession, samples: np.ndarray) -> np.ndarray:
    """float32 [steps]; the last step is filled up with zeros."""
    samples = np.pad(samples, (CONTEXT_SAMPLES, -len(samples) % STEP_SAMPLES))
    state = np.zeros((2, 1, 128), np.float32)
    rate = np.array(16_000, np.int64)
    found = []
    for start in range(0, len(samples) - CONTEXT_SAMPLES, STEP_SAMPLES):
        heard = samples[None, start : start + CONTEXT_SAMPLES + STEP_SAMPLES]
        probability, state = session.run(None, {"input": heard, "state": state, "sr": rate})
        found.append(probability[0, 0])
    return np.array(found, np.float32)


def main() -> None:
    network, inputs, output = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    versions = {"onnxruntime": onnxruntime.__version__, "numpy": np.__version__}
    with np.load(inputs) as samples:
        found = {name: probabilities(session, samples[name]) for name in samples.files}
    about = np.array(json.dumps({"network": "silero-vad 6.2.3", "versions": versions}))
    np.savez_compressed(output, about=about, **found)


if __name__ == "__main__":
    main()
