"""Golden numbers: log-mel, encoder output and teacher-forced logits. See make_goldens.py.

Subsets are stored, in float32, to keep the files small. The window is the one that ``transcribe``
decodes first: the log-mel spectrogram of the recording and 30 s of silence after it, cut to the
recording's own frames and padded with zeros (in normalised units) to 3000 frames.
"""

import json

import numpy as np
import torch
import whisper
from openai import about, golden_arguments, load_model, log_mel_peak, read_audio, read_clips

FRAME_STEP = 25
POSITION_STEP = 50
N_VOCABULARY_IDS = 300
CLIP_OF_MODEL_TENSORS = "jfk"


def main() -> None:
    args = golden_arguments(__doc__.splitlines()[0])
    model = load_model(args.checkpoint, args.name, n_threads=1)
    audio = {clip["name"]: read_audio(args.data / clip["path"]) for clip in read_clips(args.data)}
    notes = np.array(json.dumps(about(args.command)))
    if args.name == "base":  # The log-mel is the same for every checkpoint.
        np.savez_compressed(args.data / "log_mel.npz", about=notes, **log_mel_goldens(audio))
    tensors = model_goldens(model, audio[CLIP_OF_MODEL_TENSORS])
    np.savez_compressed(args.data / f"{args.name}_tensors.npz", about=notes, **tensors)


def log_mel_goldens(audio: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """For each clip ``<clip>/frames`` and, for 80 and 128 bins, ``<clip>/mel_<bins>`` (float32
    [frames, bins]) and ``<clip>/peak_<bins>``.
    """
    goldens: dict[str, np.ndarray] = {}
    for name, samples in audio.items():
        n_frames = len(samples) // whisper.audio.HOP_LENGTH
        # The last frames see the silence that follows; the first see the reflected start.
        frames = np.unique([*range(0, n_frames, FRAME_STEP), *range(n_frames - 3, n_frames)])
        if n_frames > whisper.audio.N_FRAMES:
            frames = frames[:: FRAME_STEP // 5]
        goldens[f"{name}/frames"] = frames.astype(np.int32)
        for n_mels in (80, 128):
            mel = whisper.log_mel_spectrogram(samples, n_mels, padding=whisper.audio.N_SAMPLES)
            goldens[f"{name}/mel_{n_mels}"] = mel.numpy().T[frames]
            goldens[f"{name}/peak_{n_mels}"] = np.float32(log_mel_peak(samples, n_mels))
    return goldens


@torch.no_grad()
def model_goldens(model: whisper.Whisper, samples: np.ndarray) -> dict[str, np.ndarray]:
    """Encoder output at some positions, and logits over the tokens that the model itself wrote."""
    padded = whisper.log_mel_spectrogram(
        samples, model.dims.n_mels, padding=whisper.audio.N_SAMPLES
    )
    n_frames = padded.shape[1] - whisper.audio.N_FRAMES
    window = whisper.pad_or_trim(padded[:, :n_frames], whisper.audio.N_FRAMES)
    encoded = model.encoder(window[None])
    options = whisper.DecodingOptions(language="en", temperature=0.0, fp16=False)
    task = whisper.decoding.DecodingTask(model, options)
    tokens = [*task.initial_tokens, *model.decode(window, options).tokens]
    logits = model.decoder(torch.tensor([tokens]), encoded)[0]
    positions = np.arange(0, encoded.shape[1], POSITION_STEP)
    ids = _vocabulary_subset(model, tokens)
    return {
        "encoder_positions": positions.astype(np.int32),
        "encoder_output": encoded[0].numpy()[positions],
        "tokens": np.array(tokens, np.int32),
        "vocabulary_ids": ids,
        "logits": logits.numpy()[:, ids],
        "argmax": logits.argmax(-1).numpy().astype(np.int32),
        "logsumexp": logits.logsumexp(-1).numpy(),
    }


def _vocabulary_subset(model: whisper.Whisper, tokens: list[int]) -> np.ndarray:
    """Ids spread over the vocabulary, and the tokens themselves."""
    spread = np.linspace(0, model.dims.n_vocab - 1, N_VOCABULARY_IDS - len(set(tokens)))
    return np.union1d(spread.round().astype(np.int32), np.array(tokens, np.int32))


if __name__ == "__main__":
    main()
