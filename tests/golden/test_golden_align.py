"""A text that is known, aligned on published weights."""

import goldens
import pytest

import whisper_jax


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
