"""Live captions in the page: microphones in, text out, rooms, full screen, the final transcript."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from page_live import HEARD_MS, open_room, text_of, wait_for_words
from page_play import assert_fits
from playwright.sync_api import Page, expect
from test_page_looks import PHONE, faults_of

OpenPage = Callable[..., Page]


def plain(text: str) -> list[str]:
    return "".join(c for c in text.casefold() if c.isalpha() or c == " ").split()


TENTATIVE = """
() => {
  window.tentative = [];
  const look = () => {
    for (const one of document.querySelectorAll('.room .tentative')) {
      if (!one.textContent || window.tentative.length) continue;
      const committed = getComputedStyle(one.parentElement.querySelector('.committed'));
      const style = getComputedStyle(one);
      window.tentative.push({
        hasColour: style.color !== committed.color,
        hasStyle: style.fontStyle === 'italic' && style.textDecorationLine === 'underline',
        isTold: one.closest('[aria-live], [role=log], [role=status]') !== null,
      });
    }
  };
  const all = { childList: true, characterData: true, subtree: true };
  new MutationObserver(look).observe(document.body, all);
}
"""


SHOWN = """
() => [...document.querySelectorAll('.room p.text')].map(one => {
  const copy = one.cloneNode(true);
  for (const gone of copy.querySelectorAll('del, .hidden')) gone.remove();
  return copy.textContent;
}).join(' ')
"""


def test_speech_becomes_text_and_then_the_final_transcript(live: Page, tmp_path: Path):
    live.evaluate(TENTATIVE)
    card = open_room(live, "Hall")
    level = "Number(document.querySelector('.room .meter').getAttribute('aria-valuenow'))"
    live.wait_for_function(f"() => {level} > 40")
    wait_for_words(card, "fellow Americans")
    # Words before a pause may be committed when they are first shown; others come.
    live.wait_for_function("() => window.tentative.length", timeout=HEARD_MS)
    assert live.evaluate("window.tentative") == [
        {"hasColour": True, "hasStyle": True, "isTold": False}
    ]
    # Screen readers are told what is committed.
    expect(card.get_by_role("log")).to_contain_text("fellow", ignore_case=True, timeout=HEARD_MS)
    wait_for_words(card, "country")
    assert live.url.endswith("#live/Hall")
    expect(card.locator(".facts")).to_contain_text("English · 0:")

    card.get_by_role("button", name="Stop and finish").click()
    expect(card.locator(".meter")).to_be_hidden()
    expect(card).to_have_attribute("data-final", "", timeout=HEARD_MS)
    expect(card.locator(".changes .count")).to_contain_text("changed")
    expect(card.locator(".room-state")).to_have_text("Final transcript")
    final = live.evaluate(SHOWN)
    assert "ask not what your country can do" in " ".join(plain(final))

    with live.expect_download() as started:
        card.get_by_role("button", name="Save recording").click()
    assert started.value.suggested_filename == "Hall.webm"
    started.value.save_as(tmp_path / "Hall.webm")
    assert (tmp_path / "Hall.webm").stat().st_size > 10_000
    card.get_by_role("button", name="Play and edit").click()
    expect(live.locator("#viewer-title")).to_have_text("Hall.webm")
    expect(live.locator(".live")).to_be_hidden()
    shown = " ".join(live.locator("#segments p.text").all_inner_texts())
    assert plain(shown) == plain(final)


def test_the_changes_are_shown_and_can_be_hidden(live: Page):
    said: list[dict[str, Any]] = []

    def compare(route: Any) -> None:
        asked = route.request.post_data_json
        said.append(asked)
        # As if other words had been heard live.
        route.continue_(post_data=json.dumps(asked | {"before": " And so my yellow Americans"}))

    live.route("**/v1/transcripts/compare", compare)
    card = open_room(live, "Aula")
    wait_for_words(card, "fellow Americans")
    committed = text_of(card)
    card.get_by_role("button", name="Stop and finish").click()
    changes = card.locator(".changes .count")
    expect(changes).to_contain_text("words changed", timeout=HEARD_MS)
    assert said[0]["before"].startswith(committed)
    assert said[0]["language"] == "en"
    expect(card.locator("del").first).to_have_text("[removed] yellow")
    expect(card.locator("ins").first).to_contain_text("[added] ")
    switch = card.get_by_role("switch", name="Show changes")
    switch.uncheck()
    expect(card.locator("del").first).to_be_hidden()
    expect(card.locator("ins .hidden").first).to_be_hidden()
    live.select_option("#locale", "zh")
    expect(changes).to_contain_text("个词中改了")


def test_two_rooms_a_viewer_and_the_full_screen(live: Page, new_page: OpenPage, server: str):
    english = open_room(live, "English room")
    german = open_room(live, "Deutscher Saal", "de")
    boxes = [card.bounding_box() for card in (english, german)]
    assert all(boxes)
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"], "side by side"
    assert abs(boxes[0]["y"] - boxes[1]["y"]) < 1

    viewer = new_page(f"{server}/#live")
    viewer.get_by_role("link", name="Watch English room").click()
    watched = viewer.locator(".room")
    wait_for_words(watched, "fellow Americans")
    expect(watched.locator(".meter")).to_be_hidden()
    wait_for_words(english, "fellow Americans")
    expect(german.locator(".committed").first).not_to_be_empty(timeout=HEARD_MS)
    expect(german.locator(".line").first).to_have_attribute("lang", "de")

    live.bring_to_front()
    live.keyboard.press("f")
    columns = live.locator(".caption-room")
    expect(columns).to_have_count(2)
    expect(columns.first.locator("h2")).to_have_text("English room")
    expect(columns.first).to_contain_text("Americans", ignore_case=True)
    live.wait_for_function("() => document.fullscreenElement?.id === 'captions'")
    letters = "parseFloat(getComputedStyle(document.querySelector('.caption-lines')).fontSize)"
    before = live.evaluate(letters)
    live.keyboard.press("+")
    assert live.evaluate(letters) > before
    live.keyboard.press("-")
    live.keyboard.press("-")
    assert live.evaluate(letters) < before
    assert live.evaluate("document.querySelector('main').inert"), "what is behind is not reached"
    live.keyboard.press("Escape")
    expect(live.locator("#captions")).to_be_hidden()
    assert not live.evaluate("document.querySelector('main').inert")

    german.get_by_role("button", name="Deutscher Saal on the full screen").click()
    live.click("#captions-open")
    expect(columns).to_have_count(1)
    live.click("#captions-leave")
    expect(live.locator("#captions-open")).to_be_focused()

    english.get_by_role("button", name="Only close").click()
    expect(english).to_have_attribute("data-state", "ended", timeout=HEARD_MS)
    expect(watched).to_have_attribute("data-state", "waiting", timeout=HEARD_MS)
    assert text_of(watched) == text_of(english) != ""
    expect(english.locator(".tentative:not(:empty)")).to_have_count(0)
    # It is put back as it was.
    english.get_by_role("button", name="Discard").click()
    expect(english).to_have_count(0)
    live.get_by_role("button", name="Undo").click()
    expect(english.get_by_role("button", name="Finish the transcript")).to_be_visible()
    german.get_by_role("button", name="Only close").click()


def test_the_options_of_a_room_reach_the_server(new_page: OpenPage, server: str):
    # Loaded anew, the page may find the room that it has just left, and lose it.
    live = new_page(f"{server}/#live", allowed="404")
    live.select_option("#room-form [name=language]", "auto")
    live.select_option("#room-form [name=task]", "translate")
    live.fill("#room-form [name=hotwords]", " Ada Lovelace ")
    live.fill("#room-name", "Saal 1")
    with live.expect_websocket() as opened:
        live.keyboard.press("Enter")
    query = dict(parse_qsl(urlsplit(opened.value.url).query))
    assert int(query.pop("rate")) >= 8000
    assert query == {
        "room": "Saal 1",
        "model": "base",
        "language": "auto",
        "task": "translate",
        "hotwords": "Ada Lovelace",
    }
    card = live.locator(".room")
    expect(card.locator(".facts")).to_contain_text("translated into English")
    wait_for_words(card, "Americans")
    # The language is chosen again at the next visit; the words are not.
    live.on("dialog", lambda dialog: dialog.accept())
    live.reload()
    expect(live.locator("#room-form [name=language]")).to_have_value("auto")
    expect(live.locator("#room-form [name=hotwords]")).to_have_value("")


def test_a_room_is_opened_and_closed_by_the_keyboard(live: Page):
    live.focus("#room-name")
    live.keyboard.press("Enter")
    card = live.locator(".room")
    expect(card).to_have_attribute("data-state", "listening", timeout=HEARD_MS)
    expect(card.get_by_role("heading")).to_be_focused()
    wait_for_words(card, "fellow")  # before there is sound there is nothing to finish
    reached: list[str] = []
    for _ in range(5):
        live.keyboard.press("Tab")
        name, is_seen = live.evaluate(
            """() => {
              const one = document.activeElement;
              const name = one.getAttribute('aria-label') ?? one.textContent;
              return [name, getComputedStyle(one).outlineStyle !== 'none'];
            }"""
        )
        assert is_seen, f"no sign of the focus on {name}"
        reached.append(name)
        if name == "Only close":
            break
    room = card.get_by_role("heading").inner_text()
    link, text = f"Copy the link to {room}", f"What is said in {room}"
    assert reached == [link, text, "Stop and finish", "Only close"]
    live.keyboard.press("Enter")
    finish = card.get_by_role("button", name="Finish the transcript")
    expect(finish).to_be_visible(timeout=HEARD_MS)
    expect(card.locator(".actions :focus")).to_have_count(1)


GRANT = """
() => {
  window.isRefused = true;
  const devices = navigator.mediaDevices;
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async wanted => {
    if (window.isRefused) throw new DOMException('', 'NotAllowedError');
    window.heard = await open(wanted);
    return window.heard;
  };
}
"""


def test_a_microphone_that_is_refused_and_one_that_is_unplugged(live: Page):
    live.evaluate(GRANT)
    live.get_by_role("button", name="Start listening").click()
    card = live.locator(".room")
    expect(card.locator(".room-state")).to_contain_text("told not to give this page the microphone")
    live.evaluate("window.isRefused = false")
    card.get_by_role("button", name="Try again").click()
    expect(card).to_have_attribute("data-state", "listening", timeout=HEARD_MS)
    live.evaluate("window.heard.getTracks()[0].dispatchEvent(new Event('ended'))")
    expect(card.locator(".room-state")).to_contain_text("The microphone is gone")
    level = "Number(document.querySelector('.room .meter').getAttribute('aria-valuenow'))"
    live.wait_for_function(f"() => {level} === 0")
    card.get_by_role("button", name="Use it again").click()
    live.wait_for_function(f"() => {level} > 40")
    wait_for_words(card, "country")


def test_the_address_names_the_view_and_the_room(new_page: OpenPage, server: str):
    page = new_page(f"{server}/#live/Saal%201")
    card = page.locator(".room")
    expect(card.get_by_role("heading", name="Saal 1")).to_be_visible()
    expect(card.locator(".room-state")).to_contain_text("Nobody speaks here at the moment")
    expect(page).to_have_title("Saal 1 · Whisper JAX")
    page.get_by_role("link", name="Recordings").click()
    expect(page.locator(".intake")).to_be_visible()
    expect(page.locator(".live")).to_be_hidden()
    expect(page.get_by_role("link", name="Recordings")).to_have_attribute("aria-current", "page")
    page.go_back()
    expect(card).to_be_visible()
    page.evaluate("document.querySelector('.skip').click()")
    expect(page.locator("main")).to_be_focused()
    expect(card).to_be_visible()
    page.reload()
    expect(card).to_be_visible()
    card.get_by_role("button", name="Leave").click()
    expect(page).to_have_url(f"{server}/#live")


def test_who_leaves_while_a_room_is_open_is_asked_first(live: Page):
    asked: list[str] = []

    def answer(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    card = open_room(live, "Left hall")
    live.on("dialog", answer)
    live.close(run_before_unload=True)
    live.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    card.get_by_role("button", name="Only close").click()
    expect(card.get_by_role("button", name="Save recording")).to_be_visible(timeout=HEARD_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_live_captions(new_page: OpenPage, server: str, scheme: str):
    page = new_page(f"{server}/#live", color_scheme=scheme)
    assert faults_of(page) == []
    card = open_room(page, f"Hall in {scheme}")
    wait_for_words(card, "fellow Americans")
    assert faults_of(page) == []
    page.keyboard.press("f")
    expect(page.locator(".caption-room")).to_be_visible()
    assert faults_of(page) == []
    page.click("#captions-leave")
    card.get_by_role("button", name="Stop and finish").click()
    expect(card).to_have_attribute("data-final", "", timeout=HEARD_MS)
    assert faults_of(page) == []


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_live_captions_fit_on_a_phone(new_page: OpenPage, server: str, locale: str):
    page = new_page(f"{server}/#live", locale=locale, **PHONE)

    assert_fits(page)
    page.fill("#room-name", f"A room whose name is as long as names of rooms may be {locale}")
    page.tap("#room-form button")
    expect(page.locator(".room")).to_have_attribute("data-state", "listening", timeout=HEARD_MS)
    assert_fits(page)
    page.tap("#captions-open")
    assert_fits(page)
    page.tap("#captions-leave")
    assert_fits(page)
