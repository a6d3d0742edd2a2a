"""One Chromium for all tests of the page. After every test its console must be empty, and no request may have been sent.

Without Chromium the tests skip, saying so; where the environment says CI they fail.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.page.page import Page, render

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip
DESKTOP, PHONE = (1280, 900), (390, 844)


class Browser:
    """Chromium with the few gestures that the tests need. `css` is a selector."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def size(self, width: int, height: int) -> None:
        facts = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": (width, height) == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", facts)

    def scheme(self, name: str) -> None:
        """Sets the preferred colour scheme of the system: light or dark."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def open(self, path: Path) -> None:
        self.driver.get(path.as_uri())

    def all(self, css: str) -> list[Any]:
        return self.driver.find_elements("css selector", css)

    def one(self, css: str) -> Any:
        (element,) = self.all(css)
        return element

    def texts(self, css: str) -> list[str]:
        return self.js("return [...document.querySelectorAll(arguments[0])].map(node => node.textContent)", css)

    def shown(self, css: str) -> list[str]:
        """Texts of the elements that take up space."""
        return [node.text for node in self.all(css) if node.is_displayed()]

    def click(self, css: str) -> None:
        self.one(css).click()

    def press(self, *keys: str, control: bool = False) -> None:
        from selenium.webdriver import ActionChains, Keys

        actions = ActionChains(self.driver)
        if control:
            actions.key_down(Keys.CONTROL)
        actions.send_keys(*keys)
        if control:
            actions.key_up(Keys.CONTROL)
        actions.perform()

    def tab_to(self, css: str, presses: int = 80) -> None:
        """Tab until an element that matches has the focus."""
        for _ in range(presses):
            self.press("\ue004")
            if self.js("return document.activeElement.matches(arguments[0])", css):
                return
        raise AssertionError(f"{presses} presses of Tab do not reach {css}")

    def until(self, met: Callable[[], bool]) -> None:
        """Waits for what the browser does in its own time; raises after five seconds."""
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, 5, poll_frequency=0.05).until(lambda _: met())

    def js(self, code: str, *values: Any) -> Any:
        return self.driver.execute_script(code, *values)

    def logged(self) -> list[str]:
        """The lines of the console since the last call."""
        return [f"{entry['level']} {entry['message']}" for entry in self.driver.get_log("browser")]

    def requested(self) -> list[str]:
        """The addresses of requests since the last call, without data inside the page."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        addresses = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        return [address for address in addresses if not address.startswith(("data:", "blob:"))]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in paths:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("no chromium or no chromedriver (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(paths[1]))
    yield Browser(driver)
    driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A desktop window with the light scheme and empty storage; afterwards the console and the requests are checked."""
    chromium.size(*DESKTOP)
    chromium.scheme("light")
    yield chromium
    assert chromium.logged() == []
    assert {address for address in chromium.requested() if not address.endswith("/report.html")} == set()
    chromium.js("localStorage.clear()")


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Callable[[Page], Path]:
    """Writes a page as a file and opens it; returns the file."""

    def opening(page: Page) -> Path:
        path = tmp_path / "report.html"
        path.write_text(render(page), encoding="utf-8")
        browser.open(path)
        return path

    return opening
