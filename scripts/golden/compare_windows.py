"""Decode every window that openai-whisper decoded, from its seek and prompt, and compare texts.

    python scripts/golden/compare_windows.py RECORDS SPEECH_FOLDER [--model base]

RECORDS is what record_windows.py wrote. Each window is encoded from the same samples with the
same peak level and decoded with the same prompt. Where the tokens differ, the logits of both
choices at the first difference are compared: a tie (within 1e-3) or a defect.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from whisper_jax.audio.logmel import log_mel
from whisper_jax.audio.units import N_WINDOW_SAMPLES
from whisper_jax.checkpoints import load_checkpoint, resolve_model
from whisper_jax.decoding.rules import Rules, TokenIds, apply_rules
from whisper_jax.driver import Run
from whisper_jax.model.decoder import teacher_forced_logits
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs import Program
from whisper_jax.programs.sequential import decode_rules
from whisper_jax.programs.windows import window_read, window_samples
from whisper_jax.requests import Decode, DecodeRules, Encode, Origin
from whisper_jax.transcribe import Whisper, load_model
from whisper_jax.types import Transcript

TIE = 1e-3


@dataclass
class Compared:
    """A window, what openai-whisper found in it, and what we did."""

    path: str
    window: dict[str, Any]
    ours: tuple[int, ...]
    encode: Encode
    decode: Decode


def replay(record: dict[str, Any], rules: DecodeRules, sot: int, found: list[Compared]) -> Program:
    """A program that decodes the recorded windows and nothing else."""
    for window in record["windows"]:
        seek, n_frames = window["seek"], window["segment_size"]
        read = yield window_read(seek, n_frames)
        samples, n_content = window_samples(read, seek, n_frames)
        if n_content != n_frames:
            raise ValueError(f"{record['path']}: {n_content} frames at {seek}, not {n_frames}")
        encode = Encode(samples=samples, n_frames=n_frames, peak=record["peak"])
        yield encode
        prompt = tuple(window["prompt"])
        decode = Decode(prompt=prompt, sot_index=prompt.index(sot), rules=rules)
        decoded = yield decode
        found.append(Compared(record["path"], window, decoded.tokens, encode, decode))
    return Transcript(text="", segments=(), language="", language_probability=None, duration=0.0)


def compare(model: Whisper, records: list[dict[str, Any]], folder: Path) -> list[Compared]:
    """Run all recordings through the model's engine."""
    found: list[Compared] = []
    rules = decode_rules(model.tokenizer, TranscribeOptions())
    waiting = iter(records)
    run = Run(
        model._engine,
        Origin(program=-1, model=model.name),
        [folder / record["path"] for record in records],
        lambda _: replay(next(waiting), rules, model.tokenizer.special.sot, found),
        channel=None,
        n_mels=model.dims.n_mels,
        n_windows=16,
        cancel=None,
    )
    for event in run:
        if isinstance(event, tuple) and event[1].error is not None:
            raise event[1].error
    return found


class Judge:
    """Logits of both choices where two texts part."""

    def __init__(self, name: str) -> None:
        checkpoint = load_checkpoint(resolve_model(name))
        self.dims = checkpoint.dims
        self.params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), checkpoint.params)
        self.forward = jax.jit(teacher_forced_logits, static_argnums=1)

    def gap(self, item: Compared, ids: TokenIds) -> float:
        """How much likelier our choice is than theirs, in logits, at the first difference."""
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
            suppress=jnp.zeros(row.shape, bool).at[..., jnp.array(rules.suppress)].set(True),
            timestamps=jnp.ones((1, 1), bool),
            max_initial_timestamp=jnp.full((1, 1), 1500 if latest is None else latest),
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
    args = parser.parse_args()
    records = [json.loads(line) for line in args.records.read_text().splitlines()]
    with load_model(args.model) as model:
        found = compare(model, records, args.speech)
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


if __name__ == "__main__":
    main()
