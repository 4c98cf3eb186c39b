"""What the page says when something goes wrong, and that it goes on."""

import json
from collections.abc import Callable
from pathlib import Path

from page_play import add, text_of, transcribed, wait_until_done
from playwright.sync_api import Page, Route, expect
from served_address import serving

OpenPage = Callable[..., Page]
TRANSCRIPTIONS = "**/v1/audio/transcriptions"


def test_a_wrong_file_is_said_in_words(new_page: OpenPage, tmp_path: Path):
    page = new_page(allowed="status of 400")
    wrong = tmp_path / "notes.txt"
    wrong.write_text("These are notes and no recording.\n" * 50)
    add(page, wrong)
    expect(page.locator("#state-title")).to_have_text("This is not a recording that can be read")
    expect(page.locator("#state-advice")).to_contain_text("convert it to MP3")
    expect(page.locator("#state-detail")).to_contain_text("The server says: ")
    expect(page.locator("#announcer")).to_contain_text("notes.txt failed")
    page.select_option("#locale", "zh")
    expect(page.locator("#state-title")).to_have_text("无法读取这个文件中的录音")
    # The next one is none the worse for it.
    add(page, "jfk.flac")
    wait_until_done(page)


def test_an_empty_file_is_said_in_words(new_page: OpenPage, tmp_path: Path):
    page = new_page(allowed="status of 400")
    empty = tmp_path / "empty.mp3"
    empty.touch()
    add(page, empty)
    expect(page.locator("#state-title")).to_have_text("The file is empty")


def test_a_file_that_is_too_large_is_not_even_sent(new_page: OpenPage, tmp_path: Path):
    page = new_page()
    page.route("**/v1/server", lambda route: facts(route, max_upload_bytes=100_000))
    page.reload()
    expect(page.locator("#limits")).to_contain_text("98 kB")
    add(page, "jfk.flac")
    expect(page.locator("#state-title")).to_have_text("The file is too large")
    expect(page.locator("#state-advice")).to_contain_text("up to 98 kB")


def facts(route: Route, **changed: object) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, json=answer.json() | changed)


def test_a_lost_connection_can_be_tried_again(new_page: OpenPage):
    page = new_page(allowed="ERR_")
    page.route(TRANSCRIPTIONS, lambda route: route.abort("connectionreset"), times=1)
    add(page, "jfk.flac")
    expect(page.locator("#state-title")).to_have_text("The connection was lost")
    page.click("#state-retry")
    wait_until_done(page)
    assert "fellow Americans" in text_of(page)


def test_a_stream_that_breaks_off_keeps_what_was_final(new_page: OpenPage):
    page = new_page()
    segment = {"id": 0, "start": 0.0, "end": 2.0, "text": " And so", "language": "en"}
    error = {"message": "the server is stopping", "type": "server_error", "code": "server_stopping"}
    events = [
        {"type": "transcript.segment", "segment": segment},
        {"type": "error", "error": error},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    page.route(TRANSCRIPTIONS, lambda route: route.fulfill(body=body), times=1)
    add(page, "jfk.flac")
    expect(page.locator("#state-title")).to_have_text("The server is busy")
    expect(page.locator("p.text")).to_have_text("And so")


def test_a_busy_server_is_asked_again(new_page: OpenPage):
    page = new_page(allowed="status of 429")
    error = {"error": {"message": "too many", "type": "rate_limit_error", "code": None}}
    headers = {"Retry-After": "2"}
    busy = {"status": 429, "json": error, "headers": headers}
    page.route(TRANSCRIPTIONS, lambda route: route.fulfill(**busy), times=1)
    add(page, "jfk.flac")
    expect(page.locator(".job-words")).to_contain_text("The server is busy: again in")
    wait_until_done(page)


def test_a_server_that_is_away_is_said_and_found_again(new_page: OpenPage):
    page = new_page(allowed="ERR_")
    page.route("**/v1/server", lambda route: route.abort(), times=1)
    page.reload()
    expect(page.locator("#offline")).to_be_visible()
    page.click("#reconnect")
    expect(page.locator("#offline")).to_be_hidden()
    transcribed(page)


def test_a_key_is_asked_for_and_kept(new_page: OpenPage, tmp_path: Path):
    key = "a key that is long enough".replace(" ", "-")
    keys = tmp_path / "keys.txt"
    keys.write_text(f"{key}\n")
    with serving(tmp_path, "--api-keys-file", str(keys)) as address:
        page = new_page(address, allowed="status of 401")
        add(page, "jfk.flac")
        expect(page.locator("#key-dialog")).to_be_visible()
        page.fill("#key-text", "not-the-key-of-this-server")
        page.keyboard.press("Enter")
        expect(page.locator("#key-wrong")).to_be_visible()
        page.fill("#key-text", key)
        page.click("text=Use this key")
        expect(page.locator("#key-dialog")).to_be_hidden()
        wait_until_done(page)
        # Not asked for again in this tab; gone with it.
        page.click("#download summary")
        with page.expect_download():
            page.click("[data-format=srt]")
        assert page.evaluate("Object.values(localStorage).join()").find(key) < 0
        page.close()
