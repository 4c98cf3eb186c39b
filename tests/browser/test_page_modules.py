"""The page's modules by themselves, and rules for its files."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

PAGE = Path(__file__).parents[2] / "src" / "whisper_jax" / "server" / "page"
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
SCRIPTS = sorted((PAGE / "js").rglob("*.js"))
HTML = (PAGE / "index.html").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_stay_short_and_name_no_other_host(path: Path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400, f"{path} is two ideas: split it"
    hosts = set(re.findall(r"https?://[^\s\"'<>)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not hosts


def test_every_module_is_fetched_at_once():
    named = set(re.findall(r'<link rel="modulepreload" href="static/js/(.+?)">', HTML))
    scripts = {str(path.relative_to(PAGE / "js")) for path in SCRIPTS}
    # The worklet is fetched by the audio thread, which takes no module that was fetched before.
    assert named == scripts - {"early.js", "main.js", "live/pcm-worklet.js"}


def test_both_languages_have_all_words_and_the_document_has_the_english_ones(page: Page):
    english, chinese = page.evaluate(
        """async () => {
          const { EN } = await import('./static/js/strings-en.js');
          const { ZH } = await import('./static/js/strings-zh.js');
          return [EN, ZH];
        }"""
    )
    # Chinese does not tell one from many.
    assert {key for key in english if not key.endswith(".one")} == chinese.keys()
    holes = re.compile(r"\{\w+\}")
    for key, words in chinese.items():
        assert sorted(holes.findall(words)) == sorted(holes.findall(english[key])), key
    for key, words in re.findall(r'data-i18n="(.+?)">(.*?)<', HTML):
        assert words == english[key], key
    for key in re.findall(r'data-i18n-\w+="(.+?)"', HTML):
        assert key in english


@pytest.mark.parametrize("n_letters", [1, 2, 3, 7, 1000])
def test_events_are_read_however_the_text_is_cut(page: Page, n_letters: int):
    stream = "\r\n".join(
        [": waiting", "", 'data: {"a":', "data: 1}", "", "event: x", "data:two", "", "", "data: 3"]
    )
    found = page.evaluate(
        """async ([text, n]) => {
          const { eventReader } = await import('./static/js/sse.js');
          const found = [];
          const read = eventReader(data => found.push(data));
          for (let i = 0; i < text.length; i += n) read(text.slice(i, i + n));
          return found;
        }""",
        [stream, n_letters],
    )
    assert found == ['{"a":\n1}', "two"], "an event without its empty line is not whole"


WORDS = [
    {"word": word, "start": i, "end": i + 1, "probability": 0.9}
    for i, word in enumerate([" And", " so,", " my", " fellow", " Americans."])
]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        (" And so, my fellow Americans.", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
        (" And so, my dear Americans.", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
        (" And Americans.", [(0, 1), (4, 5)]),
        (" And so, my good old fellow Americans.", None),
        (" Xyz", [(0, 5)]),
        ("", []),
    ],
)
def test_edited_words_keep_their_times(
    page: Page, text: str, times: list[tuple[float, float]] | None
):
    words = retimed(page, WORDS, text, "en")
    assert "".join(word["word"] for word in words) == text
    flat = [time for word in words for time in (word["start"], word["end"])]
    assert flat == sorted(flat)
    if times is not None:
        assert [(round(w["start"], 1), round(w["end"], 1)) for w in words] == [
            (pytest.approx(start, abs=0.8), pytest.approx(end, abs=0.8)) for start, end in times
        ]
    assert all(word["end"] <= 5 for word in words)
    kept = [word for word in words if word["probability"] == 0.9]
    assert all(word in WORDS for word in kept)


def test_edited_words_without_spaces(page: Page):
    words = [
        {"word": word, "start": i, "end": i + 1, "probability": 0.9}
        for i, word in enumerate(["你", "好", "世", "界。"])
    ]
    found = retimed(page, words, "您好世界。", "zh")
    assert "".join(word["word"] for word in found) == "您好世界。"
    assert found[-1]["word"].endswith("界。")
    assert found[-1]["end"] == 4


def retimed(page: Page, words: list[dict], text: str, language: str) -> list[dict]:
    return page.evaluate(
        """async ([words, text, language]) => {
          const { retime } = await import('./static/js/retime.js');
          return retime(words, text, language);
        }""",
        [words, text, language],
    )


def test_the_tables_of_words_hold_no_key_that_nobody_asks_for():
    scripts = "".join(path.read_text() for path in SCRIPTS if "strings" not in path.name)
    table = (PAGE / "js" / "strings-en.js").read_text()
    for key in re.findall(r'^  "([\w.]+)":', table, re.MULTILINE):
        if key.startswith("error."):
            continue  # made of a kind: explain() in errors.js
        base = key.removesuffix(".one")
        assert f'"{base}"' in scripts or f'"{base}"' in HTML, f"{key} is not used"
