"""A second run of the same command compiles nothing: what the first compiled is on disk."""

import os
import subprocess
import sys
from pathlib import Path

import goldens

SCRIPT = """
import sys
from collections import Counter
from jax import monitoring

seen = Counter()
monitoring.register_event_duration_secs_listener(lambda name, _, **__: seen.update([name]))
import whisper_jax

with whisper_jax.load_model(sys.argv[1]) as model:
    print(model.transcribe(sys.argv[2], beam_size=1, temperature=0).text)
print(seen["/jax/core/compile/backend_compile_duration"])
"""


def test_a_second_run_compiles_nothing(base_folder: Path, tmp_path: Path) -> None:
    def run() -> tuple[str, int]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(base_folder), str(goldens.clip_path("jfk"))],
            env=os.environ | {"WHISPER_JAX_CACHE": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        text, n_compiled = done.stdout.strip().splitlines()
        return text, int(n_compiled)

    first, second = run(), run()
    assert first[1] > 0
    assert second == (first[0], 0)
