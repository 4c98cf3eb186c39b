"""Live captions when something is in the way: lost connections, busy servers, taken rooms."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from page_live import HEARD_MS, Cable, given_samples, open_room, text_of, wait_for_words
from playwright.sync_api import Page, expect
from served_address import serving

OpenPage = Callable[..., Page]


def test_a_lost_connection_costs_no_word(new_page: OpenPage, server: str):
    page = new_page(server, allowed="status of 426")
    cable = Cable(page)
    page.goto(f"{server}/#live")
    page.reload()
    card = open_room(page, "Cut hall")
    wait_for_words(card, "fellow Americans")
    cable.cut()
    expect(card.locator(".room-state")).to_contain_text("Connection lost: trying again")
    page.wait_for_timeout(3000)
    cable.is_cut = False
    expect(card).to_have_attribute("data-state", "listening", timeout=HEARD_MS)
    wait_for_words(card, "country")
    card.get_by_role("button", name="Only close").click()
    expect(card).to_have_attribute("data-state", "ended", timeout=HEARD_MS)

    assert len(cable.connections) == 2
    assert "session=" in cable.queries[-1]
    assert "after=" in cable.queries[-1]
    given = given_samples(page)
    heard = cable.timeline()
    assert len(heard) > 5 * 44_100
    assert len(given) - len(heard) < 0.3 * 48_000, "what came while the room was being closed"
    assert np.array_equal(heard, given[: len(heard)])
    # Segments may overlap in time, so the order of the events need not be that of the text.
    assert sorted(text_of(card).split()) == sorted("".join(cable.committed.values()).split())


def test_a_stream_that_the_server_ended_is_followed_by_another(new_page: OpenPage, server: str):
    page = new_page(server)
    cable = Cable(page)
    page.goto(f"{server}/#live")
    page.reload()
    card = open_room(page, "Moved hall")
    wait_for_words(card, "fellow Americans")
    cable.finish()
    expect(card).to_have_attribute("data-state", "lost")
    expect(card).to_have_attribute("data-state", "listening", timeout=HEARD_MS)
    wait_for_words(card, "country")
    card.get_by_role("button", name="Only close").click()
    expect(card).to_have_attribute("data-state", "ended", timeout=HEARD_MS)
    assert [query.startswith("room=") for query in cable.queries] == [True, True]
    first, second = (np.frombuffer(bytes(sent), np.int16) for _, sent in cable.connections)
    given = given_samples(page)
    heard = np.concatenate([first, second])
    assert np.array_equal(heard, given[: len(heard)]), "what was not taken goes to the next stream"
    times = [clock_s(text) for text in card.locator(".line-time").all_text_contents()]
    assert times == sorted(times)


def clock_s(text: str) -> int:
    minutes, seconds = text.split(":")
    return 60 * int(minutes) + int(seconds)


def test_a_key_is_given_and_a_busy_server_is_asked_again(new_page: OpenPage, tmp_path: Path):
    key = "-".join(["a", "key", "that", "is", "long", "enough"])
    keys = tmp_path / "keys.txt"
    keys.write_text(f"{key}\n")
    limits = ("--max-streams", "1", "--api-keys-file", str(keys))
    with serving(tmp_path, *limits) as address:
        page = new_page(f"{address}/#live", allowed="401|503")
        expect(page.locator("#key-dialog")).to_be_visible()
        page.fill("#key-text", key)
        page.click("text=Use this key")
        expect(page.locator("#key-dialog")).to_be_hidden()
        first = open_room(page, "First")
        page.click("#room-new summary")
        page.fill("#room-name", "Second")
        page.get_by_role("button", name="Start listening").click()
        second = page.locator(".room").nth(1)
        expect(second.locator(".room-state")).to_contain_text("The server is busy: again in")
        first.get_by_role("button", name="Only close").click()
        expect(second).to_have_attribute("data-state", "listening", timeout=HEARD_MS)
        expect(second.get_by_role("button", name="Stop and finish")).to_be_visible()
        page.close()


def test_a_room_that_somebody_speaks_in_is_not_opened_twice(
    live: Page, new_page: OpenPage, server: str
):
    open_room(live, "Taken hall")
    other = new_page(f"{server}/#live", allowed="409")
    expect(other.get_by_role("link", name="Watch Taken hall")).to_be_visible()
    for wrong, words in (("a*b", "1 to 64 letters"), ("", "1 to 64 letters")):
        other.fill("#room-name", wrong)
        other.get_by_role("button", name="Start listening").click()
        expect(other.locator("#room-name-wrong")).to_contain_text(words)
    other.fill("#room-name", "Taken hall")
    other.get_by_role("button", name="Start listening").click()
    card = other.locator(".room")
    expect(card.locator(".room-state")).to_contain_text("Somebody speaks in this room already")
    card.get_by_role("button", name="Discard").click()
    expect(card).to_have_count(0)
