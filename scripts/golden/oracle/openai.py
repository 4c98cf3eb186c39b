"""What the scripts beside this one share: openai-whisper as an oracle.

They run in openai-whisper's own environment, so nothing of this project is imported here.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
import torch
import whisper

DISTRIBUTIONS = ("openai-whisper", "torch", "numpy", "tiktoken", "av")


def read_audio(path: Path) -> np.ndarray:
    """float32 [n_samples], mono, 16 kHz: decoded by PyAV exactly as the product does."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=whisper.audio.SAMPLE_RATE)
    with av.open(str(path)) as container:
        blocks = [
            out.to_ndarray()[0]
            for frame in (*container.decode(audio=0), None)
            for out in resampler.resample(frame)
        ]
    return np.concatenate(blocks)


def language_of(tag: str) -> str | None:
    """The language given to the system: the primary subtag, or None for a mixture (``en+zh``)."""
    return None if "+" in tag else tag.split("-")[0]


class WindowRecorder:
    """Notes what ``transcribe`` asks of a model for each window that it decodes.

    ``transcribe`` gives ``decode`` a window that has been cut and padded already. Where it was
    cut is seen one call earlier: what is given to ``pad_or_trim`` is a view into the log-mel
    spectrogram of the whole recording, whose offset is the window's first frame.

    Attributes:
        windows: One record for each window, in order.
        peak: Highest log10 level of the recording's mel spectrogram.
    """

    def __init__(self, model):
        self.model = model
        self.windows = []
        self.peak = None
        self._cut = None
        # The module: whisper's own attribute of that name is the function.
        self._module = sys.modules["whisper.transcribe"]

    def transcribe(self, audio: np.ndarray, **options) -> dict:
        """openai-whisper's result: float32, temperature 0 without fallback."""
        self.windows, self.peak = [], log_mel_peak(audio, self.model.dims.n_mels)
        pad_or_trim, decode = self._module.pad_or_trim, self.model.decode
        self._module.pad_or_trim = lambda mel, length: pad_or_trim(self._note(mel), length)
        self.model.decode = lambda mel, options: self._record(decode, mel, options)
        try:
            return whisper.transcribe(
                self.model, audio, temperature=0.0, fp16=False, verbose=None, **options
            )
        finally:
            self._module.pad_or_trim = pad_or_trim
            del self.model.decode

    def _note(self, mel: torch.Tensor) -> torch.Tensor:
        if mel.stride(1) != 1:
            raise SystemExit("the log-mel spectrogram is not laid out with frames last")
        self._cut = (mel.storage_offset(), mel.shape[1])
        return mel

    def _record(self, decode, mel: torch.Tensor, options) -> whisper.DecodingResult:
        result = decode(mel, options)
        seek, n_frames = self._cut
        self.windows.append(
            {
                "seek": seek,
                "segment_size": n_frames,
                "prompt": initial_tokens(self.model, options),
                "tokens": result.tokens,
                "avg_logprob": significant(result.avg_logprob),
                "no_speech_prob": significant(result.no_speech_prob),
            }
        )
        return result


def initial_tokens(model, options) -> list[int]:
    """All tokens before the first one that is decoded."""
    return list(whisper.decoding.DecodingTask(model, options).initial_tokens)


def log_mel_peak(audio: np.ndarray, n_mels: int) -> float:
    """``log_spec.max()`` of the whole recording, as ``log_mel_spectrogram`` takes it.

    Its result is ``(max(log_spec, peak - 8) + 4) / 4``, and the peak survives that.
    """
    mel = whisper.log_mel_spectrogram(audio, n_mels, padding=whisper.audio.N_SAMPLES)
    return significant(mel.max().item() * 4 - 4)


def significant(value):
    """Floats of a nested result to seven significant digits, about what float32 holds."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, dict):
        return {key: significant(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [significant(entry) for entry in value]
    return value


def load_model(checkpoint: Path, name: str, n_threads: int):
    """A model on the CPU in float32; one thread makes its sums the same in every run.

    A file says nothing of its alignment heads: they are those of the model called ``name``.
    """
    torch.set_num_threads(n_threads)
    model = whisper.load_model(str(checkpoint), device="cpu")
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS[name])
    return model


def about(command: str) -> dict:
    """What made a golden file: the command and the versions."""
    return {"command": command, "versions": {name: version(name) for name in DISTRIBUTIONS}}


def golden_arguments(description: str) -> argparse.Namespace:
    """The arguments that make_goldens.py gives to each script."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder of clips and goldens")
    parser.add_argument("--name", required=True, help="name of the model in the goldens")
    parser.add_argument("--checkpoint", type=Path, required=True, help="its .pt file")
    parser.add_argument("--command", required=True, help="recorded in the golden files")
    return parser.parse_args()


def read_clips(data: Path) -> list[dict]:
    """The entries of clips.json."""
    return json.loads((data / "clips.json").read_text(encoding="utf-8"))["clips"]


def write_json(path: Path, content: dict) -> None:
    """JSON with one key a line, so that two versions compare well, and lists of numbers in one."""
    text = json.dumps(content, ensure_ascii=False, indent=1)
    path.write_text(_join_numbers(text) + "\n", encoding="utf-8")


def _join_numbers(text: str) -> str:
    # json puts each number of a list on its own line, which makes thousands of them.
    lines: list[str] = []
    for line in text.splitlines():
        number = line.strip().rstrip(",").replace(".", "").replace("-", "").replace("e", "")
        if number.isdigit() and lines and lines[-1].rstrip()[-1:] in "[,":
            glue = "" if lines[-1].endswith("[") else " "
            lines[-1] += glue + line.strip()
        elif line.strip() in ("]", "],") and lines[-1].rstrip()[-1:].isdigit():
            lines[-1] += line.strip()
        else:
            lines.append(line)
    return "\n".join(lines)
