"""What several tests do with live captions, and connections that can be cut."""

import base64
import json

import numpy as np
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

HEARD_MS = 60_000
"""The first words take two seconds; machines that are busy with other tests take longer."""


def open_room(page: Page, name: str, language: str = "en") -> Locator:
    """Speak in a new room; its card, once the server listens."""
    if page.locator("#room-new").get_attribute("open") is None:
        page.click("#room-new summary")
    page.fill("#room-name", name)
    page.select_option("#room-form [name=language]", language)
    page.get_by_role("button", name="Start listening").click()
    card = page.locator(".room", has=page.get_by_role("heading", name=name, exact=True))
    expect(card).to_have_attribute("data-state", "listening", timeout=HEARD_MS)
    return card


def text_of(card: Locator, kind: str = ".committed") -> str:
    return "".join(card.locator(kind).all_text_contents())


def wait_for_words(card: Locator, words: str) -> None:
    expect(card.locator(".lines")).to_contain_text(words, ignore_case=True, timeout=HEARD_MS)


BLOCKS = """
  // What the microphone gave, as it was when it was given.
  window.blocks = [];
  const add = MessagePort.prototype.__lookupSetter__('onmessage');
  Object.defineProperty(MessagePort.prototype, 'onmessage', {
    set(act) {
      add.call(this, event => { window.blocks.push(event.data.slice()); act(event); });
    },
  });
  window.given = () => {
    const reader = new FileReader();
    reader.readAsDataURL(new Blob(window.blocks));
    return new Promise(resolve => { reader.onload = () => resolve(reader.result); });
  };
"""


def given_samples(page: Page) -> np.ndarray:
    url = page.evaluate("window.given()")
    return np.frombuffer(base64.b64decode(url.partition(",")[2]), np.int16)


class Cable:
    """The page's connections to the server, which can be cut.

    Attributes:
        connections: For each the position at which it goes on, and what was sent.
        committed: Texts by the number of their event.
        queries: What was asked for, also in vain.
        is_cut: Whether new connections are closed at once.
    """

    def __init__(self, page: Page) -> None:
        self.connections: list[tuple[int, bytearray]] = []
        self.committed: dict[int, str] = {}
        self.routes: list[WebSocketRoute] = []
        self.servers: list[WebSocketRoute] = []
        self.queries: list[str] = []
        self.is_cut = False
        page.route_web_socket("**/v1/live?*", self._join)
        page.add_init_script(BLOCKS)

    def _join(self, route: WebSocketRoute) -> None:
        self.queries.append(route.url.partition("?")[2])
        if self.is_cut:
            route.close()
            return
        sent = bytearray()
        server = route.connect_to_server()
        self.routes.append(route)
        self.servers.append(server)

        def up(message: str | bytes) -> None:
            if isinstance(message, bytes):
                sent.extend(message)
            server.send(message)

        def down(message: str | bytes) -> None:
            event = json.loads(message)
            if event["type"] == "session":
                self.connections.append((event["received_samples"], sent))
            if event["type"] == "committed":
                assert self.committed.setdefault(event["seq"], event["text"]) == event["text"]
            route.send(message)

        route.on_message(up)
        server.on_message(down)

    def cut(self) -> None:
        self.is_cut = True
        self.routes[-1].close()

    def finish(self) -> None:
        """Have the server end the stream by itself."""
        self.servers[-1].send(json.dumps({"type": "finish"}))

    def timeline(self) -> np.ndarray:
        """The samples in the order in which the server has them; doubled ones are the same."""
        found = np.zeros(0, np.int16)
        for start, sent in self.connections:
            samples = np.frombuffer(bytes(sent), np.int16)
            assert start <= len(found), "nothing is left out"
            n_again = min(len(found) - start, len(samples))
            assert np.array_equal(found[start : start + n_again], samples[:n_again])
            found = np.concatenate([found[:start], samples])
        return found
