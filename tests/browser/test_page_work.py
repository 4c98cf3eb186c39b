"""What people do with the page, from a file to the downloads."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pysubs2
import webvtt
from page_play import add, text_of, transcribed, wait_until_done, write_call, write_video
from playwright.sync_api import Page, expect

SEEN = """
() => {
  window.seen = [];
  const look = () => {
    const words = document.querySelector('.job-words')?.textContent;
    if (words && words !== window.seen.at(-1)) window.seen.push(words);
  };
  new MutationObserver(look).observe(document.body, {
    childList: true, characterData: true, subtree: true
  });
}
"""


def time_s(page: Page) -> float:
    return page.evaluate("document.querySelector('#media').currentTime")


def test_progress_is_told_with_speed_and_time_left(page: Page):
    page.evaluate(SEEN)
    add(page, "lj_long.mp3")
    expect(page.locator("#pending")).to_be_visible()
    wait_until_done(page)
    seen = page.evaluate("window.seen")
    working = [words for words in seen if " of 1:14" in words]
    assert working, seen
    assert all("× speed · " in words and words.endswith(" left") for words in working)
    assert seen[-1].startswith("1 min 15 sec · done in ")
    expect(page.locator("#viewer-facts")).to_contain_text("English · 1 min 15 sec · ")
    expect(page.locator("#pending")).to_be_hidden()
    assert "the invention of movable metal letters" in text_of(page)


def test_words_are_lit_as_they_are_played(page: Page):
    transcribed(page)
    page.click("#play")
    page.wait_for_function("() => document.querySelector('#media').currentTime > 1.5")
    first = page.locator(".word.now").inner_text()
    page.wait_for_function(
        "first => ![first, undefined].includes(document.querySelector('.word.now')?.textContent)",
        arg=first,
    )
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    page.click("#play")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


def test_a_click_on_a_word_plays_from_there(page: Page):
    transcribed(page)
    word = page.locator(".word", has_text="country").last
    word.click()
    expect(word).to_have_class("word now")
    assert 8 < time_s(page) < 11


def test_keys_go_through_lines_and_words(page: Page):
    transcribed(page)
    page.locator(".time").nth(1).focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".time").first).to_be_focused()
    lit = "[...document.querySelectorAll('.word')].findIndex(one => one.matches('.now'))"
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    first = page.evaluate(lit)
    assert first in (0, 1), "the first word, or the one after it if it is lit from the beginning"
    page.keyboard.press("ArrowRight")
    expect(page.locator(".word").nth(first + 1)).to_have_class("word now")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".time").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_function("() => !document.querySelector('#media').paused")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('#media').paused")
    page.keyboard.press("/")
    expect(page.locator("#find-text")).to_be_focused()


def test_a_line_is_edited_and_restored(page: Page):
    transcribed(page)
    before = text_of(page)
    page.locator(".word").first.dblclick()
    field = page.locator("textarea.text")
    expect(field).to_be_focused()
    field.fill("My dear fellow Americans, ask what you can do.")
    page.keyboard.press("Enter")
    line = page.locator("p.text").first
    expect(line).to_have_text("My dear fellow Americans, ask what you can do.")
    expect(page.locator("#viewer-facts")).to_contain_text("1 line edited")
    # The words that stayed are where they were.
    page.locator(".word", has_text="fellow").click()
    assert 0.5 < time_s(page) < 2.5
    page.locator(".segment").first.hover()
    page.locator(".undo").first.click()
    assert text_of(page) == before

    page.keyboard.press("e")
    expect(field).to_be_focused()
    field.fill("Nothing of the kind")
    page.keyboard.press("Escape")
    assert text_of(page) == before


def test_search_goes_from_match_to_match(page: Page):
    transcribed(page)
    page.fill("#find-text", "YOUR country")
    count = page.locator("#find-count")
    expect(count).to_have_text("1 of 2")
    page.keyboard.press("Enter")
    expect(count).to_have_text("2 of 2")
    page.click("#find-next")
    expect(count).to_have_text("1 of 2")
    page.click("#find-previous")
    expect(count).to_have_text("2 of 2")
    marked = "[...CSS.highlights.get('find')].map(range => range.toString().toLowerCase())"
    assert page.evaluate(marked) == ["your country", "your country"]
    page.fill("#find-text", "(nowhere")
    expect(count).to_have_text("No match")
    page.keyboard.press("Escape")
    expect(page.locator("#find-text")).to_have_value("")


def test_each_format_downloads_the_edited_text(page: Page, tmp_path: Path):
    transcribed(page)
    page.locator(".segment").first.hover()
    page.locator(".edit").first.click()
    said = "My fellow citizens, ask not what your country can do for you."
    page.locator("textarea.text").fill(said)
    page.keyboard.press("Enter")
    files: dict[str, str] = {}
    for ending in ("txt", "srt", "vtt", "json"):
        page.click("#download summary")
        with page.expect_download() as started:
            page.click(f"[data-format={ending}]")
        assert started.value.suggested_filename == f"jfk.{ending}"
        started.value.save_as(tmp_path / ending)
        files[ending] = (tmp_path / ending).read_text()
    assert files["txt"].startswith(f"{said}\n")
    cue = pysubs2.SSAFile.from_string(files["srt"], format_="srt")[0]
    assert cue.text == said
    assert 0 <= cue.start < cue.end <= 11_000
    assert files["vtt"].startswith("WEBVTT")
    assert next(iter(webvtt.from_buffer(StringIO(files["vtt"])))).text == said
    kept = json.loads(files["json"])
    assert kept["language"] == "en"
    first = kept["segments"][0]
    assert first["text"].strip() == said
    assert "".join(word["word"] for word in first["words"]).strip() == said
    assert "original" not in first
    times = [time for word in first["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)

    page.click("#download summary")
    page.select_option("#layout", "lines")
    with page.expect_download() as started:
        page.click("[data-format=srt]")
    started.value.save_as(tmp_path / "lines.srt")
    cues = pysubs2.load(str(tmp_path / "lines.srt"))
    lines = [line for cue in cues for line in cue.plaintext.splitlines()]
    assert max(map(len, lines)) <= 42
    assert len(lines) > 1


def test_several_recordings_run_at_once_and_one_is_stopped(page: Page):
    add(page, "lj_long.mp3", "jfk.flac", "zh.mp3")
    long = page.locator(".job", has_text="lj_long")
    page.get_by_role("button", name="Stop lj_long.mp3").click()
    expect(long).to_have_attribute("data-state", "cancelled")
    wait_until_done(page, 2)
    page.locator(".job-pick", has_text="zh.mp3").click()
    expect(page.locator("#viewer-facts")).to_contain_text("Chinese")
    expect(page.locator("p.text").first).to_have_attribute("lang", "zh")
    # Again, after all.
    long.get_by_role("button", name="Try again").click()
    wait_until_done(page, 3)
    page.get_by_role("button", name="Remove lj_long.mp3").click()
    expect(long).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(long).to_have_attribute("data-state", "done")


def test_options_reach_the_server(page: Page):
    page.select_option("#language", "zh")
    page.select_option("[name=task]", "translate")
    page.click(".more summary")
    page.select_option("[name=beam_size]", "1")
    page.fill("[name=hotwords]", "Arizona, Hooper")
    # The browser does not tell what is in a form that holds a file.
    page.evaluate(
        """() => {
          window.given = {};
          const append = FormData.prototype.append;
          FormData.prototype.append = function (name, ...value) {
            window.given[name] = value[0];
            append.call(this, name, ...value);
          };
        }"""
    )
    with page.expect_request("**/v1/audio/translations"):
        add(page, "zh.mp3")
    given = page.evaluate("({ ...window.given, file: '' })")
    chosen = {"model": "base", "language": "zh", "beam_size": "1", "hotwords": "Arizona, Hooper"}
    assert given.items() >= chosen.items()
    assert not {"chinese_script", "channels"} & given.keys(), "what was not chosen is not sent"
    wait_until_done(page)
    expect(page.locator("#viewer-facts")).to_contain_text("translated into English")
    assert "Hooper" in text_of(page)


def test_the_microphone_is_recorded(new_page: Callable[..., Page]):
    page = new_page(reduced_motion="no-preference")
    page.click("#record")
    level = "Number(document.querySelector('#meter').getAttribute('aria-valuenow'))"
    page.wait_for_function(f"() => {level} > 40")
    page.wait_for_function("() => document.querySelector('#recorder-time').textContent === '0:09'")
    page.click("#record-stop")
    expect(page.locator(".job-name")).to_contain_text("Recording 20")
    wait_until_done(page)
    assert "fellow Americans" in text_of(page)
    # What a browser records has no length in its header: the player finds it.
    page.wait_for_function("() => document.querySelector('#media').duration < 20")
    page.locator(".word", has_text="Americans").click()
    assert time_s(page) > 1

    page.click("#record")
    page.wait_for_selector("[data-live]")
    page.click("#record-drop")
    expect(page.locator("#recorder")).to_be_hidden()
    expect(page.locator(".job")).to_have_count(1)


def test_a_video_is_shown(page: Page, tmp_path: Path):
    add(page, write_video(tmp_path / "talk.webm"))
    expect(page.locator("#media")).to_be_visible()
    wait_until_done(page)
    assert "fellow Americans" in text_of(page)


def test_each_channel_is_a_speaker(page: Page, tmp_path: Path):
    page.click(".more summary")
    page.check("[name=split]")
    add(page, write_call(tmp_path / "call.wav"))
    wait_until_done(page)
    spoken = page.locator(".said").all_inner_texts()
    assert any(said.startswith("Speaker 1") and "fellow" in said for said in spoken)
    assert any(said.startswith("Speaker 2") and "letter" in said for said in spoken)


def test_files_are_dropped_anywhere(new_page: Callable[..., Page]):
    page = new_page(allowed="status of 400")
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(["no recording"], "notes.txt"));
          const of = { dataTransfer, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new DragEvent("dragover", of));
          window.words = document.querySelector(".drop-words").innerText;
          window.isTaken = !document.body.dispatchEvent(new DragEvent("drop", of));
        }"""
    )
    assert page.evaluate("[window.words.trim(), window.isTaken]") == ["Let go to add them", True]
    expect(page.locator(".job-name")).to_have_text("notes.txt")
    expect(page.locator(".drop-words")).to_have_text("Drop files here")


def test_all_the_while_the_list_says_what_goes_on(page: Page):
    transcribed(page)
    expect(page.locator("#announcer")).to_have_text("jfk.flac is done.")
    expect(page.locator(".job-words")).to_contain_text("done in")
    page.get_by_role("button", name="Remove jfk.flac").click()
    expect(page.locator("#choose")).to_be_focused()
    expect(page.locator("body")).to_have_attribute("data-view", "home")
