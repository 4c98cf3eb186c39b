"""How the page looks and who can use it: themes, languages, phones, keyboards, screen readers."""

import urllib.request
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_play import add, assert_fits, transcribed, wait_until_done
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def faults_of(page: Page) -> list[str]:
    """What axe-core finds serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(new_page: OpenPage, tmp_path, scheme: str):
    page = new_page(color_scheme=scheme, allowed="status of 400")
    page.click(".more summary")
    assert faults_of(page) == []
    add(page, "jfk.flac")
    assert faults_of(page) == []
    wait_until_done(page)
    page.locator(".word").nth(3).click()
    page.fill("#find-text", "country")
    expect(page.locator("#find-count")).to_have_text("1 of 2")
    assert faults_of(page) == []
    page.click("#download summary")
    assert faults_of(page) == []
    page.keyboard.press("Escape")
    page.locator(".word").first.dblclick()
    assert faults_of(page) == []
    page.keyboard.press("Escape")
    wrong = tmp_path / "notes.txt"
    wrong.write_text("no recording")
    add(page, wrong)
    page.locator(".job[data-state=failed] .job-pick").click()
    assert faults_of(page) == []
    page.click("#record")
    page.wait_for_selector("[data-live]")
    assert faults_of(page) == []
    page.evaluate("document.querySelector('#key-dialog').showModal()")
    assert faults_of(page) == []


def test_the_language_is_the_browsers_can_be_switched_and_is_remembered(new_page: OpenPage):
    page = new_page(locale="zh-CN")
    root = page.locator("html")
    title = page.locator("#intake-title")
    expect(root).to_have_attribute("lang", "zh-Hans")
    expect(title).to_have_text("把语音变成文字")
    expect(page.locator("#language option[value=de]")).to_have_text("德语")
    page.select_option("#locale", "en")
    expect(root).to_have_attribute("lang", "en")
    expect(title).to_have_text("Turn speech into text")
    expect(page.locator("#language option[value=de]")).to_have_text("German")
    page.reload()
    expect(title).to_have_text("Turn speech into text")


def test_the_language_changes_what_is_shown_of_a_job(page: Page):
    transcribed(page)
    page.select_option("#locale", "zh")
    expect(page.locator("#viewer-facts")).to_contain_text("英语 · 11秒")
    expect(page.locator(".job-words")).to_contain_text("用时")
    expect(page.get_by_role("button", name="播放", exact=True)).to_be_visible()
    assert page.locator("p.text").count() == page.locator(".segment").count() > 0


def test_the_theme_is_the_systems_can_be_switched_and_is_remembered(new_page: OpenPage):
    page = new_page(color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Switch to the light theme").click()
    light = page.evaluate(paper)
    assert sum(channels(light)) > 600 > 120 > sum(channels(dark))
    page.reload()
    assert page.evaluate(paper) == light
    page.get_by_role("button", name="Switch to the dark theme").click()
    assert page.evaluate(paper) == dark


def channels(colour: str) -> list[int]:
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_needs_no_sideways_scrolling(new_page: OpenPage, locale: str):
    page = new_page(locale=locale, **PHONE)

    page.click(".more summary")
    assert_fits(page)
    transcribed(page)
    assert_fits(page)
    expect(page.locator("#viewer")).to_be_hidden()
    page.tap(".job-pick")
    expect(page.locator("#viewer")).to_be_visible()
    expect(page.locator("#jobs")).to_be_hidden()
    page.tap("#download summary")
    assert_fits(page)
    page.keyboard.press("Escape")
    page.locator(".word").nth(4).tap()
    expect(page.locator(".word").nth(4)).to_have_class("word now")
    page.locator(".edit").first.tap()
    assert_fits(page)
    page.keyboard.press("Escape")
    page.tap("#back")
    page.tap("#record")
    page.wait_for_selector("[data-live]")
    assert_fits(page)


def test_everything_is_reached_by_the_keyboard(page: Page):
    transcribed(page)
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(45):
        page.keyboard.press("Tab")
        one = page.evaluate(
            """() => {
              const one = document.activeElement;
              const ring = getComputedStyle(one.matches('#find-text') ? one.form : one);
              const isSeen = ring.outlineStyle !== 'none' || ring.boxShadow !== 'none';
              return [one.id || [...one.classList].at(-1) || one.localName, isSeen];
            }"""
        )
        assert one[1] or one[0] in ("body", "html"), f"no sign of the focus on {one[0]}"
        reached.add(one[0])
    wanted = {"choose", "record", "language", "job-pick", "job-end", "copy", "play", "seek", "rate"}
    assert wanted | {"locale", "theme", "find-text", "time", "edit", "primary"} <= reached


def test_the_first_paint_comes_at_once(page: Page, record_property: Callable[[str, int], None]):
    first = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    first_ms = page.evaluate(first)
    record_property("first_paint_ms", round(first_ms))
    assert first_ms < 5000, "1 s on a machine that does nothing else"


def test_nothing_inline_may_run(server: str):
    with urllib.request.urlopen(f"{server}/") as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
