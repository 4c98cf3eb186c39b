"""Golden transcripts and detected languages. See make_goldens.py."""

import whisper
from openai import (
    WindowRecorder,
    about,
    golden_arguments,
    load_model,
    read_audio,
    read_clips,
    significant,
    write_json,
)

BEAMS = {"beam_size": 5}
WORDS = {"word_timestamps": True}
CASES = {
    "jfk": {
        "given": {},
        "detected": {"language": None},
        "prompted": {"initial_prompt": "President Kennedy's inaugural address, 1961."},
        "untimed": {"without_timestamps": True},
        "beams": BEAMS,
        "words": WORDS,
    },
    "lj": {"given": {}, "words": WORDS},
    "de": {"given": {}, "translated": {"task": "translate"}, "beams": BEAMS, "words": WORDS},
    "zh": {"given": {}, "translated": {"task": "translate"}, "beams": BEAMS, "words": WORDS},
    "lj_long": {
        "given": {},
        "unconditioned": {"condition_on_previous_text": False},
        "prompted": {"initial_prompt": "William Morris on printing."},
        "clipped": {"clip_timestamps": [10.0, 25.0, 40.0]},
        "beams": BEAMS,
        "words": WORDS,
    },
}
"""What is asked of each clip, beyond the language it is in and temperature 0."""


def main() -> None:
    args = golden_arguments(__doc__.splitlines()[0])
    model = load_model(args.checkpoint, args.name, n_threads=1)
    clips = read_clips(args.data)
    if not model.is_multilingual:
        clips = [clip for clip in clips if clip["language"] == "en"]
    results = [result for clip in clips for result in transcripts(model, clip, args.data)]
    notes = about(args.command)
    write_json(args.data / f"{args.name}_transcripts.json", {**notes, "transcripts": results})
    if model.is_multilingual:
        languages = {clip["name"]: language_scores(model, clip, args.data) for clip in clips}
        write_json(args.data / f"{args.name}_languages.json", {**notes, "languages": languages})


def transcripts(model, clip, data) -> list[dict]:
    """openai-whisper's results for every case of a clip, with the windows it decoded."""
    samples = read_audio(data / clip["path"])
    recorder = WindowRecorder(model)
    results = []
    for case, options in CASES[clip["name"]].items():
        asked = {"language": clip["language"], **options}
        result = recorder.transcribe(samples, **asked)
        results.append(
            {
                "clip": clip["name"],
                "case": case,
                "options": asked,
                "peak": recorder.peak,
                "result": significant(result),
                "windows": recorder.windows,
            }
        )
    return results


def language_scores(model, clip, data) -> dict[str, float]:
    """The five most probable languages, of the first 30 s as ``transcribe`` looks at them.

    Unlike a window that is decoded, this one is padded with silence: the log-mel spectrogram of
    the recording and the zeros after it.
    """
    samples = read_audio(data / clip["path"])
    mel = whisper.log_mel_spectrogram(samples, model.dims.n_mels, padding=whisper.audio.N_SAMPLES)
    _, scores = model.detect_language(whisper.pad_or_trim(mel, whisper.audio.N_FRAMES))
    best = sorted(scores, key=scores.get, reverse=True)[:5]
    return {language: significant(scores[language]) for language in best}


if __name__ == "__main__":
    main()
