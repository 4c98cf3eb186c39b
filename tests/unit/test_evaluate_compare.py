from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whisper_jax.errors import OptionError
from whisper_jax.evaluate import (
    Clip,
    Comparison,
    EvaluationReport,
    Pool,
    Run,
    paired_bootstrap,
    parse_pool,
    parse_run,
    score_clip,
)
from whisper_jax.scoring import ErrorRate


def clip(
    name: str, set_name: str, language: str = "en", text: str = "red green blue white"
) -> Clip:
    return Clip(
        path=Path(name),
        name=name,
        set_name=set_name,
        language=language,
        text=text,
        duration_s=None,
    )


def system(name: str, clips: list[Clip], texts: list[str], *, is_peer: bool = False):
    results = [
        score_clip(clip, text, audio_s=10, seconds=2)
        for clip, text in zip(clips, texts, strict=True)
    ]
    return EvaluationReport(name=name, clips=tuple(results), is_peer=is_peer)


CLIPS = [
    clip("a", "cv_en"),
    clip("b", "udhr"),
    clip("c", "udhr", "fr"),
    clip("d", "cv_zh-CN", "zh-CN", "一二三四"),
]
RIGHT = [*["red green blue white"] * 3, "一二三四"]
OURS = system("ours", CLIPS, [*RIGHT[:3], "一"])
PEER = system("peer", CLIPS, ["red", *RIGHT[1:]], is_peer=True)
OTHER = system("other", CLIPS, ["red green", "red", "red", ""], is_peer=True)


def rates(rows) -> list[tuple]:
    return [(row[0].name, row[0].score.unit, *(one.score.rate for one in row)) for row in rows]


def test_rows_have_a_result_of_each_system():
    comparison = Comparison(systems=(OURS, PEER))
    assert rates(comparison.set_rows) == [
        ("cv_en", "WER", 0, 0.75),
        ("udhr", "WER", 0, 0),
        ("cv_zh-CN", "CER", 0.75, 0),
    ]
    assert rates(comparison.total_rows) == [("total", "WER", 0, 3 / 12), ("total", "CER", 0.75, 0)]
    assert comparison.pool_rows == ()


def test_a_pool_is_named_by_sets_patterns_and_languages():
    pools = (
        Pool(name="read", patterns=("cv_*",)),
        Pool(name="French", patterns=("udhr:fr", "gone")),
        Pool(name="Chinese", patterns=("*:zh",)),
    )
    comparison = Comparison(systems=(OURS, PEER), pools=pools)
    assert rates(comparison.pool_rows) == [
        ("read", "WER", 0, 0.75),
        ("read", "CER", 0.75, 0),
        ("French", "WER", 0, 0),
        ("Chinese", "CER", 0.75, 0),
    ]


def test_ours_is_compared_with_the_best_peer_of_each_pool():
    pools = (Pool(name="p", patterns=("cv_en",)),)
    differences = Comparison(systems=(OTHER, OURS, PEER), pools=pools).differences
    found = [(one.pool, one.unit, one.ours, one.peer, one.difference) for one in differences]
    assert found == [
        ("p", "WER", "ours", "other", -0.5),
        ("total", "WER", "ours", "peer", -0.25),
        ("total", "CER", "ours", "peer", 0.75),
    ]
    assert {one.standard_error for one in differences} == {None}, "too few clips"
    assert Comparison(systems=(OURS,)).differences == ()


def test_with_enough_clips_the_difference_has_a_standard_error():
    clips = [clip(str(i), "s") for i in range(10)]
    ours = system("ours", clips, ["red green blue white"] * 10)
    peer = system("peer", clips, ["red green blue", "red green blue white"] * 5, is_peer=True)
    (difference,) = Comparison(systems=(ours, peer)).differences
    assert difference.difference == -0.125
    # Errors per clip 0 or 1 of 4, as many of each: sqrt(1/4 / 10) / 4.
    assert difference.standard_error == pytest.approx(0.5 / 10**0.5 / 4, rel=0.1)


def errors(n_errors: int, n_reference: int) -> ErrorRate:
    return ErrorRate(
        unit="WER", substitutions=n_errors, deletions=0, insertions=0, n_reference=n_reference
    )


def test_the_bootstrap_is_paired_and_seeded():
    rng = np.random.default_rng(1)
    hard = rng.integers(0, 50, 200)
    theirs = [errors(int(n), 100) for n in hard]
    ours = [errors(int(n) + 1, 100) for n in hard]
    assert paired_bootstrap(ours, theirs) == pytest.approx(0, abs=1e-12), "always one error more"
    other = [errors(int(n), 100) for n in rng.permutation(hard)]
    error = paired_bootstrap(other, theirs)
    assert error == paired_bootstrap(other, theirs)
    expected = np.std([a.errors - b.errors for a, b in zip(other, theirs, strict=True)]) / 100
    assert error == pytest.approx(expected / 200**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("systems", "pools", "message"),
    [
        ((), (), "no system"),
        ((OURS, replace(PEER, name="ours")), (), "two systems are called 'ours'"),
        ((OURS, replace(PEER, clips=PEER.clips[:2])), (), "peer has other clips than ours"),
        ((OURS,), (Pool(name="p", patterns=("cv",)),), "the pool 'p' holds no clip"),
    ],
)
def test_what_cannot_be_compared_is_refused(systems, pools, message):
    with pytest.raises(OptionError, match=message):
        Comparison(systems=systems, pools=pools)


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("plain", "plain", {}),
        ("plain: ", "plain", {}),
        ("greedy: beam_size=1, temperature=0", "greedy", {"beam_size": 1, "temperature": 0}),
        (
            "a b :temperature=[0, 0.5],vad_filter=false , patience = 1.5",
            "a b",
            {"temperature": [0, 0.5], "vad_filter": False, "patience": 1.5},
        ),
        (
            "s: temperature=0,0.5, long_form=sequential",
            "s",
            {"temperature": "0,0.5", "long_form": "sequential"},
        ),
        (
            "p: initial_prompt=Hello, there: x, logprob_threshold=null",
            "p",
            {"initial_prompt": "Hello, there: x", "logprob_threshold": None},
        ),
    ],
)
def test_a_run_is_written_as_a_name_and_options(text, name, options):
    assert parse_run(text) == Run(name=name, options=options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (": beam_size=1", "needs a name"),
        ("a: beam_size", "'beam_size' in the run"),
        ("a: beam_size=1, beam_size=2", "each option once"),
        ("a: beam_size=0", "beam_size is 0"),
        ("a: beams=5", "no option beams"),
        ("a: language=en", "comes from the manifest"),
    ],
)
def test_a_run_that_cannot_be_honoured_is_refused(text, message):
    with pytest.raises(OptionError, match=message):
        parse_run(text)


def test_a_pool_is_written_as_a_name_and_sets():
    assert parse_pool("zh and ja = cv_zh*, cv_ja,") == Pool(
        name="zh and ja", patterns=("cv_zh*", "cv_ja")
    )
    for wrong in ("cv_en", "=cv_en", "x=", "x= ,"):
        with pytest.raises(OptionError, match="is no pool"):
            parse_pool(wrong)
