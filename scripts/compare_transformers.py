"""Whether transformers reads what ``whisper-jax models convert`` writes, and says the same.

    whisper-jax models convert base OUT
    python scripts/compare_transformers.py OUT

transformers runs in the environment that ``whisper-jax bench`` makes for it. Both transcribe the
short clips of tests/golden/data greedily in float32, with timestamps, and the tokens are compared;
so are the names of what each reads, and the log-mel spectrograms. What follows a clip up to 30 s is
ours: levels of zero, as in openai-whisper, where transformers has the levels of silence. The exit
code is 1 if anything differs.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import whisper_jax
from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.logmel import log_mel
from whisper_jax.audio.units import N_FRAMES, N_WINDOW_SAMPLES
from whisper_jax.bench.peers.environment import peer_python
from whisper_jax.programs.windows import window_samples
from whisper_jax.requests import Samples

MEL_TOLERANCE = 1e-3
"""Both compute it in float32, by other algorithms for the Fourier transform."""
DATA = Path(__file__).parents[1] / "tests" / "golden" / "data"
IN_TRANSFORMERS = """
import json, sys
import numpy, torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor
folder, clips = sys.argv[1], json.loads(sys.argv[2])
model, about = WhisperForConditionalGeneration.from_pretrained(
    folder, dtype=torch.float32, output_loading_info=True)
processor = WhisperProcessor.from_pretrained(folder)
lost = {key: sorted(about[key]) for key in about if about[key]}
is_multilingual = model.generation_config.is_multilingual
print(json.dumps({"loading": lost}))
for clip in clips:
    heard = numpy.load(clip["heard"])
    features = torch.from_numpy(heard["mel"])
    theirs = processor(heard["samples"], sampling_rate=16000, return_tensors="pt").input_features
    n_frames = len(heard["samples"]) // 160
    off = float((features - theirs)[:, :, :n_frames].abs().max())
    told = {"language": clip["language"], "task": "transcribe"} if is_multilingual else {}
    with torch.no_grad():
        found = model.generate(features, return_timestamps=True, num_beams=1, **told)
    tokens = found[0].tolist()
    text = processor.decode(tokens, skip_special_tokens=True)
    print(json.dumps({"name": clip["name"], "tokens": tokens, "text": text, "off": off}))
"""


def write_heard(out: Path, path: Path, n_mels: int) -> None:
    """The samples of a recording, and its log-mel spectrogram as the model hears it."""
    with open_audio(path) as stream:
        samples = np.concatenate(list(stream.blocks()))
    padded = np.zeros((1, N_WINDOW_SAMPLES), np.float32)
    read = Samples(start=0, samples=samples, ended=True)
    cut, n_frames = window_samples(read, 0, N_FRAMES)
    padded[0, : len(cut)] = cut
    mel, _ = log_mel(padded, jnp.array([n_frames]), jnp.array([-jnp.inf]), n_mels)
    np.savez(out, samples=samples, mel=np.asarray(mel).transpose(0, 2, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="OUT")
    parser.add_argument("--work", type=Path, default=Path("/tmp"), help="for samples")
    args = parser.parse_args()
    with whisper_jax.load_model(args.folder, compute_type="float32") as model:
        every = json.loads((DATA / "clips.json").read_text())["clips"]
        known = [
            c for c in every if c["duration_s"] < 30 and c["language"] in model.tokenizer.languages
        ]
        ours: dict[str, tuple[int, ...]] = {}
        clips: list[dict[str, str]] = []
        for clip in known:
            path = DATA / clip["path"]
            result = model.transcribe(
                path, language=clip["language"], long_form="sequential", beam_size=1, temperature=0
            )
            ours[clip["name"]] = tuple(token for s in result.segments for token in s.tokens)
            heard = args.work / f"{clip['name']}.npz"
            write_heard(heard, path, model.dims.n_mels)
            clips.append({**clip, "heard": str(heard)})
        eot = model.tokenizer.special.eot
        begin = model.tokenizer.special.timestamp_begin
    command = [str(peer_python("transformers")), "-I", "-c", IN_TRANSFORMERS, str(args.folder)]
    # With several threads it waits without end for cores that are busy.
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command.append(json.dumps(clips))
    done = subprocess.run(command, env=alone, stdout=subprocess.PIPE, check=True)
    loading, *answers = (json.loads(line) for line in done.stdout.decode().splitlines())
    print(f"missing, unexpected or mismatched arrays: {loading['loading'] or 'none'}")
    differing = bool(loading["loading"])
    for answer in answers:
        # Its tokens may begin with the prompt and end with the end of text.
        theirs = tuple(t for t in answer["tokens"] if not eot <= t < begin)
        same = theirs == ours[answer["name"]] and answer["off"] < MEL_TOLERANCE
        differing |= not same
        verdict = "same tokens" if same else "DIFFERS"
        print(f"{answer['name']}\t{verdict}\tlog-mel off by {answer['off']:.1g}\t{answer['text']}")
        if not same:
            print(f"  ours   {ours[answer['name']]}\n  theirs {theirs}")
    sys.exit(differing)


if __name__ == "__main__":
    main()
