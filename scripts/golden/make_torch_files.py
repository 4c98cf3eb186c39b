"""Make the small files that torch wrote, tests/golden/data/torch_*.pt.

    python scripts/golden/make_torch_files.py

The numbers are those of the unit tests' small model (`random_hf`). torch is that of
openai-whisper's environment, which is made the first time.

=================  ==============================================================
torch_zip.pt       float32, the form that openai-whisper's published files have
torch_old.pt       float32, the form before PyTorch 1.6
torch_bfloat16.pt  bfloat16
=================  ==============================================================
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from whisper_jax.bench.peers.environment import peer_python
from whisper_jax.checkpoints.openai_names import openai_name

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "golden" / "data"
IN_TORCH = """
import json, sys
from collections import OrderedDict
import numpy, torch
arrays, dims, out = numpy.load(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
for name in ("zip", "old", "bfloat16"):
    state = OrderedDict((key, torch.from_numpy(arrays[key])) for key in arrays)
    if name == "bfloat16":
        state = OrderedDict((key, value.bfloat16()) for key, value in state.items())
    content = {"dims": dims, "model_state_dict": state}
    torch.save(content, f"{out}/torch_{name}.pt", _use_new_zipfile_serialization=name != "old")
"""


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests" / "unit"))
    from test_checkpoints_files import DIMS, random_hf

    python = peer_python("openai-whisper")
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        np.savez(arrays, **{openai_name(name): array for name, array in random_hf().items()})
        command = [str(python), "-I", "-c", IN_TORCH, str(arrays), json.dumps(asdict(DIMS))]
        subprocess.run([*command, str(DATA)], check=True)


if __name__ == "__main__":
    main()
