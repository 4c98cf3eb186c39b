"""Drive the sequential program by hand, with an engine that has no model.

    python examples/fake_engine.py

A program does no I/O: it yields requests and is sent their answers. Here the recording is 70
seconds of silence, and the engine answers each window with a sentence and two timestamps. Only the
tokenizer of ``base`` is needed.
"""

import numpy as np

from whisper_jax.checkpoints import resolve_model
from whisper_jax.engine.fake import FakeEngine
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs import transcribe_sequentially
from whisper_jax.requests import Decode, Decoded, Encode, Origin, Progress, Read, Samples
from whisper_jax.text import load_tokenizer
from whisper_jax.types import Transcript

RECORDING = np.zeros(70 * 16_000, np.float32)
TOKENIZER = load_tokenizer(resolve_model("base"), n_vocab=51_865)


def hear(window: Encode, _: Decode) -> Decoded:
    """The engine's answer: the window's length, said from its first to its last moment."""
    text = TOKENIZER.encode(f" A window of {window.n_frames / 100:g} seconds.")
    start, end = TOKENIZER.timestamp_token(0), TOKENIZER.timestamp_token(window.n_frames // 2)
    tokens = (start, *text, end)
    return Decoded(
        tokens=tokens, token_logprobs=(-0.1,) * len(tokens), sum_logprob=-1.0, no_speech_prob=0.0
    )


def run() -> Transcript:
    """Answer what the program asks until it returns."""
    engine, answers = FakeEngine(hear), []
    program = transcribe_sequentially(TOKENIZER, TranscribeOptions(language="en"))
    request = next(program)
    while True:
        print(f"-> {type(request).__name__}")
        match request:
            case Read():
                start, ended = max(0, request.start), request.stop >= len(RECORDING)
                samples = RECORDING[start : request.stop]
                answers.append(Samples(start=start, samples=samples, ended=ended))
            case Progress():
                answers.append(None)
            case _:
                engine.submit(Origin(program=0, model="none"), request, answers.append)
        try:
            request = program.send(answers.pop())
        except StopIteration as end:
            return end.value


for segment in run().segments:
    print(f"{segment.start:5.1f} to {segment.end:5.1f} s: {segment.text.strip()}")
