"""The engine without a model: retries, languages and prefixes as a script wants them."""

from typing import Any

import numpy as np
import pytest
from letters import at, said, words

from whisper_jax.engine.fake import FakeEngine
from whisper_jax.errors import EngineError
from whisper_jax.requests import (
    Decode,
    Decoded,
    DecodeRules,
    DetectLanguage,
    Encode,
    EngineRequest,
    LanguageScores,
    Origin,
    Release,
)

ORIGIN = Origin(program=1, model="none")
LANGUAGES = DetectLanguage(language_tokens=(5, 6, 7))


def window(n_frames: int) -> Encode:
    return Encode(samples=np.zeros(n_frames * 160, np.float32), n_frames=n_frames, peak=0.0)


def decode(**how: Any) -> Decode:
    return Decode(prompt=(1,), sot_index=0, rules=DecodeRules(), **how)


def ask(engine: FakeEngine, request: EngineRequest) -> Any:
    answers: list[Any] = []
    engine.submit(ORIGIN, request, answers.append)
    (answer,) = answers
    if isinstance(answer, Exception):
        raise answer
    return answer


def test_texts_by_temperature_and_window() -> None:
    def hear(heard: Encode, request: Decode) -> Decoded:
        return said(words(f"{heard.n_frames}:{request.temperature}"))

    engine = FakeEngine(hear)
    ask(engine, window(9))
    assert ask(engine, decode()).tokens == tuple(words("9:0.0"))
    ask(engine, window(8))
    assert ask(engine, decode(temperature=0.2)).tokens == tuple(words("8:0.2"))
    assert [type(request).__name__ for _, request in engine.log] == ["Encode", "Decode"] * 2
    ask(engine, Release())
    with pytest.raises(EngineError, match="encode it again"):
        ask(engine, decode())


def test_a_prefix_comes_before_what_is_heard() -> None:
    engine = FakeEngine(lambda *_: said([*words("b"), at(1)], -0.5))
    ask(engine, window(9))
    answer = ask(engine, decode(prefix=(at(0), *words("a"))))
    assert answer.tokens == (at(0), *words("ab"), at(1))
    assert (answer.n_prefix, answer.token_logprobs) == (2, (0.0, 0.0, -0.5, -0.5))
    assert answer.avg_logprob == pytest.approx(-0.5)


def test_languages_of_all_windows_or_of_each() -> None:
    engine = FakeEngine(lambda *_: said([]), 2)
    ask(engine, window(9))
    assert ask(engine, LANGUAGES) == LanguageScores(probabilities=(0.0, 0.0, 1.0))
    by_length = FakeEngine(lambda *_: said([]), lambda heard: {heard.n_frames: 0.5})
    for place, expected in [(0, (0.5, 0.25, 0.25)), (1, (0.25, 0.5, 0.25))]:
        ask(by_length, Encode(samples=np.zeros(1, np.float32), n_frames=place, peak=0.0))
        assert ask(by_length, LANGUAGES).probabilities == expected
