"""Drive a program by hand, with an engine that has no model.

    python examples/fake_engine.py

A program does no I/O: it yields requests and is sent their answers. Here the recording is one clip
of 70 seconds of silence. The engine answers each window with a sentence and two timestamps, which
at temperature 0 are so unlikely that it is asked again. Only the tokenizer of ``base`` is needed.
"""

import numpy as np

from whisper_jax import requests
from whisper_jax.checkpoints import resolve_model
from whisper_jax.engine.fake import FakeEngine
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs import transcribe_clips
from whisper_jax.text import load_tokenizer
from whisper_jax.types import Transcript

RECORDING = np.zeros(70 * 16_000, np.float32)
TOKENIZER = load_tokenizer(resolve_model("base"), n_vocab=51_865)


def hear(window: requests.Encode, asked: requests.Decode) -> requests.Decoded:
    """The engine's answer: the window's length, said from its first to its last moment."""
    text = TOKENIZER.encode(f" A window of {window.n_frames / 100:g} seconds.")
    start, end = TOKENIZER.timestamp_token(0), TOKENIZER.timestamp_token(window.n_frames // 2)
    tokens = (start, *text, end)
    each = (-2.0 if asked.temperature == 0 else -0.1,) * len(tokens)
    return requests.Decoded(
        tokens=tokens, token_logprobs=each, sum_logprob=sum(each), no_speech_prob=0.0
    )


def run() -> Transcript:
    """Answer what the program asks until it returns."""
    engine, answers, clips = FakeEngine(hear), [], [requests.Clip(start=0, stop=None)]
    program = transcribe_clips(TOKENIZER, TranscribeOptions(language="en"))
    request = next(program)
    while True:
        print(f"-> {type(request).__name__}")
        match request:
            case requests.NextClip():
                answers.append(clips.pop() if clips else None)
            case requests.Read(start=start, stop=stop):
                samples = RECORDING[max(0, start) : stop]
                ended = stop >= len(RECORDING)
                answers.append(requests.Samples(start=max(0, start), samples=samples, ended=ended))
            case requests.Progress():
                answers.append(None)
            case _:
                engine.submit(requests.Origin(program=0, model="none"), request, answers.append)
        try:
            request = program.send(answers.pop())
        except StopIteration as end:
            return end.value


for segment in run().segments:
    print(f"{segment.start:5.1f} to {segment.end:5.1f} s: {segment.text.strip()}")
