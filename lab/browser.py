"""A headless browser that says what a page does: what it asks for, and what its console has."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Without a sandbox, because tests run as root in containers; the pages are our own.
_ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
    *("--hide-scrollbars", "--force-color-profile=srgb", "--disable-lcd-text", "--lang=en"),
)


@dataclass(frozen=True, slots=True)
class Browser:
    """One window."""

    driver: Chrome

    def open(self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Show a page in a window of so many pixels, with nothing left of the one before."""
        self.said()
        self.asked()
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", features=[scheme])
        self.driver.get(page.as_uri())

    def resize(self, width: int, height: int = 900) -> None:
        """Make the window so many pixels wide."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", **size)

    def said(self) -> list[str]:
        """Return what the console has since the last question: errors and all else."""
        return [entry["message"] for entry in self._log("browser")]

    def asked(self) -> list[str]:
        """Return the addresses that pages asked for since the last question."""
        messages = (json.loads(entry["message"])["message"] for entry in self._log("performance"))
        return [
            one["params"]["request"]["url"]
            for one in messages
            if one["method"] == "Network.requestWillBeSent"
        ]

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 (what a script returns)
        """Return what a script returns."""
        return self.driver.execute_script(script, *arguments)

    def picture(self) -> bytes:
        """Return the whole page as PNG, in a window that is as high."""
        width, height = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        for _ in range(2):
            # What is not in view has no exact height.
            self.resize(width, height)
            height = self.run("return document.documentElement.scrollHeight")
        taken = self._command("Page.captureScreenshot", format="png")
        return base64.b64decode(taken["data"])

    def _log(self, name: str) -> list[dict[str, Any]]:
        return list(self.driver.get_log(name))  # type: ignore[no-untyped-call]

    def _command(self, name: str, **arguments: object) -> dict[str, Any]:
        found: dict[str, Any] = self.driver.execute_cdp_cmd(name, arguments)
        return found


@contextmanager
def browser(program: str, driver: str) -> Iterator[Browser]:
    """Start a browser, by the paths of its program and of its driver."""
    options = ChromeOptions()
    options.binary_location = program
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    window = Chrome(options=options, service=ChromeService(executable_path=driver))
    try:
        yield Browser(window)
    finally:
        window.quit()
