"""A text that is known, aligned on published weights."""

import json
from pathlib import Path

import goldens
import pytest

import whisper_jax
from whisper_jax.cli.__main__ import main


@pytest.mark.weights
def test_a_given_text_has_the_times_of_the_recognised_one(
    base_model: whisper_jax.Whisper,
) -> None:
    clip = goldens.clip_path("jfk")
    heard = base_model.transcribe(clip, language="en", beam_size=1, word_timestamps=True)
    recognised = [word for segment in heard.segments for word in segment.words or ()]
    # A word is spelled in another way, and there are two lines.
    text = heard.text.strip().replace(" ask not", "\nask not", 1).replace("fellow", "felow")
    aligned = base_model.align(clip, text, language="en")
    assert len(aligned.segments) == 2
    given = [word for segment in aligned.segments for word in segment.words or ()]
    assert "".join(word.word for word in given).split() == text.split()
    first_of_lines = {segment.words[0] for segment in aligned.segments if segment.words}
    for ours, theirs in zip(given, recognised, strict=True):
        assert ours.end == pytest.approx(theirs.end, abs=0.2), ours.word
        # Between the lines is a pause of a second, most of which the recognised word holds.
        if ours not in first_of_lines:
            assert ours.start == pytest.approx(theirs.start, abs=0.2), ours.word
    assert 2.8 < aligned.segments[1].start < 3.4


@pytest.mark.weights
def test_a_text_file_is_aligned_on_the_command_line(base_folder: Path, tmp_path: Path) -> None:
    lines = ["And so, my fellow Americans:", "Ask not what your country can do for you!"]
    (tmp_path / "text.txt").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    with pytest.raises(SystemExit) as end:
        main(
            [
                *("align", str(goldens.clip_path("jfk")), str(tmp_path / "text.txt")),
                *("--model", str(base_folder), "-f", "json", "-o", str(tmp_path)),
            ]
        )
    assert end.value.code == 0
    segments = json.loads((tmp_path / "jfk.json").read_text())["segments"]
    assert [segment["text"].strip() for segment in segments] == lines
    times = [(segment["start"], segment["end"]) for segment in segments]
    assert times == [pytest.approx((0.0, 2.2), abs=0.4), pytest.approx((3.2, 7.4), abs=0.4)]
