"""Two texts of the same speech beside each other."""

import json
import time
from collections.abc import Iterator

import pytest
from served import CountingModels, Served, serving

from whisper_jax.server.comparing import MOST_CHARACTERS, MOST_WORDS
from whisper_jax.server.keys import ApiKeys

PATH = "/v1/transcripts/compare"
KEY = "a-key-that-nobody-guesses"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving(CountingModels()) as served:
        yield served


def test_words_that_were_replaced_added_and_left_out(server: Served):
    body = {
        "before": " And so my fellow Americas ask not",
        "after": " And so, my fellow Americans, please ask",
        "language": "en",
    }
    assert server.post_json(PATH, body).json() == {
        "parts": [
            {"before": " And so my fellow", "after": " And so, my fellow", "is_same": True},
            {"before": " Americas", "after": " Americans, please", "is_same": False},
            {"before": " ask", "after": " ask", "is_same": True},
            {"before": " not", "after": "", "is_same": False},
        ],
        "n_changed": 3,
        "n_words": 7,
    }


def test_languages_without_spaces_are_compared_by_character(server: Served):
    body = {"before": "今天天汽很好。", "after": "今天天气很好。", "language": "Chinese"}
    answer = server.post_json(PATH, body).json()
    assert (answer["n_changed"], answer["n_words"]) == (1, 6)
    assert [part for part in answer["parts"] if not part["is_same"]] == [
        {"before": "汽", "after": "气", "is_same": False}
    ]


def test_one_text_may_be_empty(server: Served):
    body = {"before": "", "after": " Hello there", "language": "en"}
    answer = server.post_json(PATH, body).json()
    assert answer["parts"] == [{"before": "", "after": " Hello there", "is_same": False}]
    assert (answer["n_changed"], answer["n_words"]) == (2, 2)


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"language": "klingon"}, 400, "invalid_value", "language"),
        ({"before": 3}, 400, "invalid_value", "before"),
        ({"wat": 1}, 400, "invalid_value", "wat"),
        ({"after": "a " * (MOST_WORDS + 1)}, 413, "text_too_long", "after"),
        ({"before": "我" * (MOST_WORDS + 1), "language": "zh"}, 413, "text_too_long", "before"),
        ({"before": "a" * (MOST_CHARACTERS + 1)}, 413, "text_too_long", "before"),
    ],
)
def test_what_cannot_be_compared_is_refused(server: Served, changes, status, code, param):
    body = {"before": "a", "after": "b", "language": "en"} | changes
    answer = server.post_json(PATH, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)


def test_the_longest_texts_take_seconds_and_not_minutes(server: Served):
    before = " ".join(f"w{i * 7919 % 3001}" for i in range(MOST_WORDS))
    after = " ".join(f"w{i * 104729 % 3001}" for i in range(MOST_WORDS))
    begun_s = time.monotonic()
    answer = server.post_json(PATH, {"before": before, "after": after, "language": "en"})
    assert answer.status_code == 200
    assert time.monotonic() - begun_s < 15, "1 s on a machine that does nothing else"


def test_it_needs_a_key_where_there_are_keys():
    with serving(CountingModels(), keys=ApiKeys([KEY])) as server:
        body = json.dumps({"before": "a", "after": "a", "language": "en"}).encode()
        headers = {"Content-Type": "application/json"}
        assert server.raw(body, headers, PATH).status_code == 401
        headers["Authorization"] = f"Bearer {KEY}"
        assert server.raw(body, headers, PATH).json()["n_changed"] == 0
