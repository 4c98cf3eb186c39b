"""Decode every window that openai-whisper decoded, from its seek and prompt, and compare texts.

    python scripts/golden/compare_windows.py RECORDS SPEECH_FOLDER [--model base] [--beam-size 5]

RECORDS is what record_windows.py wrote. Each window is encoded from the same samples with the
same peak level and decoded with the same prompt. Where the tokens of greedy decoding differ, the
logits of both choices at the first difference are compared; where those of beams do, the mean log
probabilities of both texts, by which they are ranked: a tie (within 1e-3) or a defect.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.logmel import log_mel
from whisper_jax.audio.units import N_WINDOW_SAMPLES
from whisper_jax.checkpoints import load_checkpoint, resolve_model
from whisper_jax.decoding.rules import Rules, TokenIds, apply_rules
from whisper_jax.loading import load_model
from whisper_jax.model.decoder import teacher_forced_logits
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs.rules import decode_rules
from whisper_jax.programs.windows import window_read, window_samples
from whisper_jax.requests import (
    Decode,
    Decoded,
    Encode,
    EngineRequest,
    EngineResult,
    Origin,
    Release,
    Samples,
)
from whisper_jax.transcribe import Whisper

TIE = 1e-3


@dataclass
class Compared:
    """A window, what openai-whisper found in it, and what we did."""

    path: str
    window: dict[str, Any]
    ours: tuple[int, ...]
    avg_logprob: float
    encode: Encode
    decode: Decode


class Replay:
    """Asks a model's engine for the windows that were recorded, and for nothing else."""

    def __init__(self, model: Whisper, folder: Path, beam_size: int) -> None:
        self.model = model
        self.folder = folder
        self.beam_size = beam_size
        self.rules = decode_rules(model.tokenizer, TranscribeOptions())

    def recording(self, number: int, record: dict[str, Any]) -> list[Compared]:
        """The windows of one recording, one after the other."""
        with open_audio(self.folder / record["path"]) as stream:
            every = np.concatenate(list(stream.blocks()))
        found = [self.window(number, record, window, every) for window in record["windows"]]
        # Else the last window keeps its slot, and the seventeenth recording waits for one for ever.
        self.ask(number, Release())
        return found

    def window(
        self,
        number: int,
        record: dict[str, Any],
        window: dict[str, Any],
        every: NDArray[np.float32],
    ) -> Compared:
        """One window, cut as a program cuts it."""
        seek, n_frames = window["seek"], window["segment_size"]
        wanted = window_read(seek, n_frames)
        start = max(0, wanted.start)
        read = Samples(start=start, samples=every[start : wanted.stop], ended=False)
        samples, n_content = window_samples(read, seek, n_frames)
        if n_content != n_frames:
            raise ValueError(f"{record['path']}: {n_content} frames at {seek}, not {n_frames}")
        encode = Encode(samples=samples, n_frames=n_frames, peak=record["peak"])
        prompt = tuple(window["prompt"])
        decode = Decode(
            prompt=prompt,
            sot_index=prompt.index(self.model.tokenizer.special.sot),
            rules=self.rules,
            beam_size=self.beam_size,
        )
        self.ask(number, encode)
        found = self.ask(number, decode)
        if not isinstance(found, Decoded):
            raise TypeError(f"the engine answered {found}")
        return Compared(record["path"], window, found.tokens, found.avg_logprob, encode, decode)

    def ask(self, number: int, request: EngineRequest) -> EngineResult:
        """Wait for the engine's answer."""
        future: Future[EngineResult] = Future()

        def reply(answer: EngineResult | Exception) -> None:
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        origin = Origin(program=number, model=self.model.name)
        self.model._engine.submit(origin, request, reply)
        return future.result()


def compare(
    model: Whisper, records: list[dict[str, Any]], folder: Path, beam_size: int
) -> list[Compared]:
    """Run all recordings through the model's engine, as many at once as it has slots."""
    replay = Replay(model, folder, beam_size)
    with ThreadPoolExecutor(16) as threads:
        found = threads.map(replay.recording, range(len(records)), records)
        return [item for recording in found for item in recording]


class Judge:
    """How much worse our choice is than theirs where two texts part."""

    def __init__(self, name: str) -> None:
        checkpoint = load_checkpoint(resolve_model(name))
        self.dims = checkpoint.dims
        self.params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), checkpoint.params)
        self.forward = jax.jit(teacher_forced_logits, static_argnums=1)

    def gap(self, item: Compared, ids: TokenIds) -> float:
        """The distance in logits of our choice from theirs, at the first difference.

        Of beams, how much lower our text ranks than theirs.
        """
        if item.decode.beam_size > 1:
            return item.window["avg_logprob"] - item.avg_logprob
        theirs = [*item.window["tokens"], ids.eot]
        ours = [*item.ours, ids.eot]
        at = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
        prompt = item.decode.prompt
        tokens = np.zeros((1, self.dims.n_text_ctx), np.int32)
        tokens[0, : len(prompt) + at] = [*prompt, *ours[:at]]
        samples = np.zeros((1, N_WINDOW_SAMPLES), np.float32)
        samples[0, : len(item.encode.samples)] = item.encode.samples
        mel, _ = log_mel(
            jnp.asarray(samples),
            jnp.array([item.encode.n_frames]),
            jnp.array([item.encode.peak]),
            self.dims.n_mels,
        )
        logits = self.forward(self.params, self.dims, mel, jnp.asarray(tokens))
        row = logits[:, None, len(prompt) + at - 1]
        rules = item.decode.rules
        if at == 0:
            row = row.at[..., jnp.array(rules.suppress_first)].set(-jnp.inf)
        latest = rules.max_initial_timestamp_index
        device_rules = Rules(
            suppress=jnp.zeros(row.shape[1:], bool).at[:, jnp.array(rules.suppress)].set(True),
            timestamps=jnp.ones(1, bool),
            max_initial_timestamp=jnp.full(1, 1500 if latest is None else latest),
            repetition_penalty=jnp.ones(1),
            no_repeat_ngram_size=jnp.zeros(1, jnp.int32),
        )
        found = np.zeros((1, 1, 224), np.int32)
        found[0, 0, :at] = ours[:at]
        ruled = apply_rules(row, device_rules, jnp.asarray(found), jnp.array([[at]]), ids)
        if np.isfinite(float(ruled[0, 0, theirs[at]])):
            return float(ruled[0, 0, ours[at]] - ruled[0, 0, theirs[at]])
        # One of the two was ruled out: the timestamps' sum was just above or below the text.
        times = jax.nn.logsumexp(row[0, 0, ids.timestamp_begin :])
        texts = jnp.where(device_rules.suppress, -jnp.inf, row)[0, 0, : ids.timestamp_begin].max()
        return abs(float(times - texts))


def differing(found: list[Compared]) -> Iterator[Compared]:
    """Windows whose tokens are not the recorded ones."""
    return (item for item in found if list(item.ours) != item.window["tokens"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("records", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--beam-size", type=int, default=1, help="as RECORDS was made; 1: greedy")
    args = parser.parse_args()
    records = [json.loads(line) for line in args.records.read_text().splitlines()]
    with load_model(args.model, compute_type="float32") as model:
        found = compare(model, records, args.speech, args.beam_size)
        decode, special = model.tokenizer.decode, model.tokenizer.special
        ids = TokenIds(
            eot=special.eot,
            no_speech=special.no_speech,
            no_timestamps=special.no_timestamps,
            timestamp_begin=special.timestamp_begin,
        )
    judge = Judge(args.model)
    same_text, ties, defects = len(found), 0, 0
    for item in differing(found):
        gap = judge.gap(item, ids)
        is_tie = gap <= TIE
        ties, defects = ties + is_tie, defects + (not is_tie)
        texts = decode(item.ours), decode(item.window["tokens"])
        same_text -= texts[0] != texts[1]
        print(f"{'tie' if is_tie else 'DEFECT'} {gap:.5f} {item.path} at {item.window['seek']}")
        print(f"   ours:   {texts[0]}\n   theirs: {texts[1]}")
    share = 100 * same_text / len(found)
    print(f"{len(found)} windows; {same_text} with the same text ({share:.2f} %)")
    print(f"{ties + defects} with other tokens: {ties} ties, {defects} defects")
    same = [item for item in found if list(item.ours) == item.window["tokens"]]
    furthest = max((abs(i.avg_logprob - i.window["avg_logprob"]) for i in same), default=0.0)
    print(f"mean log probabilities of the others differ by {furthest:.1e} at most")


if __name__ == "__main__":
    main()
