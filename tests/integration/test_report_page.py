"""The report of a run in a real browser, and as real builds write it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver import Keys

from lab.browser import Browser, browser
from tests import reports
from tests.integration.conftest import of_part
from warmbuild.build import outcomes
from warmbuild.report.page import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.integration.conftest import Lab, Warmbuild

# Seconds until a page has to be there, whatever the build.
PATIENCE = 3.0
WIDTHS = (400, 1600)
FIND_WIDE = """
return Array.from(document.body.querySelectorAll("*"))
    .filter((one) => !one.closest(".unseen") && one.getBoundingClientRect().right > innerWidth + 1)
    .filter((one) => !one.closest(".scrolled, svg, .what, .origin, pre"))
    .map((one) => one.outerHTML.slice(0, 200));
"""
ROWS = """
return Array.from(document.querySelectorAll(".row"))
    .filter((row) => row.checkVisibility())
    .map((row) => row.querySelector("bdi").textContent);
"""


@pytest.fixture(scope="module")
def window(lab: Lab) -> Iterator[Browser]:
    part = of_part(lab, "browser", "program", "driver")
    with browser(part["program"], part["driver"]) as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return the pages of made-up outcomes."""
    made = {"usual": reports.usual(), "many": reports.many(3000), "hostile": reports.hostile()}
    directory = tmp_path_factory.mktemp("pages")
    for name, done in made.items():
        text = page(outcomes.shown(done, str), str)
        (directory / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: directory / f"{name}.html" for name in made}


def click(window: Browser, text: str) -> None:
    """Click on the row of this name."""
    script = """
        const named = (row) => row.querySelector("bdi").textContent === arguments[0];
        Array.from(document.querySelectorAll(".row")).find(named).click();
    """
    window.run(script, text)


def details(window: Browser) -> str:
    """Return what is open, and nothing without that."""
    script = "return document.getElementById('details')?.innerText ?? ''"
    return str(window.run(script))


def press(window: Browser, *keys: str) -> None:
    for key in keys:
        window.driver.switch_to.active_element.send_keys(key)


def focused(window: Browser) -> str:
    script = "return document.activeElement.querySelector('bdi')?.textContent ?? ''"
    return str(window.run(script))


@pytest.mark.parametrize("name", ["usual", "many", "hostile"])
def test_a_page_fits_into_a_window_asks_for_nothing_and_has_no_error(
    window: Browser, pages: Mapping[str, Path], name: str
) -> None:
    window.open(pages[name], width=WIDTHS[0])
    for width in WIDTHS:
        window.resize(width)
        first = "document.querySelector('.row[aria-expanded=false]').click()"
        window.run(first)
        found = window.run("return document.documentElement.scrollWidth")
        assert (found, window.run(FIND_WIDE) if name != "many" else []) == (width, [])
    assert window.said() == []
    assert window.asked() == [pages[name].as_uri()]


def test_three_thousand_steps_are_there_soon(window: Browser, pages: Mapping[str, Path]) -> None:
    assert pages["many"].stat().st_size < 5_000_000
    script = "requestAnimationFrame(() => setTimeout(() => arguments[0](performance.now())))"
    taken: list[float] = []
    while not taken or (min(taken) > PATIENCE * 1000 and len(taken) < 3):
        window.open(pages["many"])
        taken.append(float(window.driver.execute_async_script(script)))
    assert min(taken) < PATIENCE * 1000
    window.run("document.getElementById('text').focus()")
    press(window, "RUN 2999 ")
    (found,) = window.run(ROWS)
    assert found.startswith("RUN 2999 make && ")


def test_a_page_is_light_or_dark(window: Browser, pages: Mapping[str, Path]) -> None:
    colors = []
    for dark in (False, True):
        window.open(pages["usual"], dark=dark)
        script = "const {backgroundColor, color} = getComputedStyle(document.body);"
        colors.append(window.run(f"{script} return [backgroundColor, color]"))
    (light, ink), (dark_back, dark_ink) = colors
    assert [brightness(one) > 128 for one in (light, ink, dark_back, dark_ink)] == [
        *(True, False),
        *(False, True),
    ]


def brightness(color: str) -> float:
    parts = [int(part) for part in re.findall(r"\d+", color)[:3]]
    return sum(parts) / len(parts)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param("ran", ["COPY . .", "RUN make"], id="ran"),
        pytest.param("cached", ["WORKDIR /srv", "RUN apt-get install curl"], id="cached"),
        pytest.param("failed", [], id="failed"),
        pytest.param(
            "path",
            [
                *("start", "boot", "removal", "[internal] load build context"),
                *("layers of RUN apt-get install curl", "COPY . .", "RUN make"),
                *("exporting to image", "pushing the image"),
            ],
            id="critical path",
        ),
    ],
)
def test_rows_are_filtered_by_what_became_of_them(
    window: Browser, pages: Mapping[str, Path], state: str, expected: list[str]
) -> None:
    window.open(pages["usual"])
    window.run("document.querySelector(`[value=${arguments[0]}]`).click()", state)
    assert window.run(ROWS) == expected
    assert window.run("return document.getElementById('count').textContent") == (
        f"{len(expected)} of 11"
    )
    assert window.run("return document.getElementById('nothing').hidden") == bool(expected)


def test_rows_are_filtered_by_text(window: Browser, pages: Mapping[str, Path]) -> None:
    window.open(pages["usual"])
    window.run("document.getElementById('text').focus()")
    press(window, "apt-GET")
    assert window.run(ROWS) == ["layers of RUN apt-get install curl", "RUN apt-get install curl"]
    press(window, Keys.ESCAPE)
    assert len(window.run(ROWS)) == 11


def test_a_click_opens_a_row_and_another_one_closes_it(
    window: Browser, pages: Mapping[str, Path]
) -> None:
    window.open(pages["usual"])
    click(window, "COPY . .")
    shown = details(window)
    for text in (
        "COPY . .",
        "src/app.py changed",
        "Waited for layers\n1.5 s",
        "last line of 4/9",
        "from 4.5 to 5.5 s",
    ):
        assert text in shown
    click(window, "RUN make")
    assert "it comes after line 4, COPY . ., which ran" in details(window)
    click(window, "RUN apt-get install curl")
    assert "From the cache\nghcr.io/me/app:cache-main\nTook before\n5.5 s" in details(window)
    click(window, "RUN apt-get install curl")
    assert details(window) == ""


def test_a_keyboard_suffices(window: Browser, pages: Mapping[str, Path]) -> None:
    window.open(pages["usual"])
    window.run("document.querySelector('[name=state]').focus()")
    press(window, Keys.TAB)
    assert focused(window) == "start"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert window.run(outline) == "solid"
    press(window, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    assert focused(window) == "boot"
    press(window, Keys.ENTER)
    assert "boot" in details(window)
    press(window, Keys.SPACE)
    assert details(window) == ""
    press(window, Keys.END)
    assert focused(window) == "pushing the image"
    press(window, Keys.ENTER, Keys.TAB)
    # The command of what is open.
    assert focused(window) == ""
    press(window, Keys.ESCAPE)
    assert (details(window), focused(window)) == ("", "pushing the image")


def test_what_is_open_is_told_to_those_who_do_not_see(
    window: Browser, pages: Mapping[str, Path]
) -> None:
    window.open(pages["usual"])
    click(window, "RUN make")
    script = """
        const row = document.querySelector("[aria-expanded=true]");
        const open = document.getElementById(row.getAttribute("aria-controls"));
        const names = (found) => Array.from(found).map((one) => one.id || one.className);
        return [
            row.textContent.replace(/\\s+/g, " ").trim(), open.getAttribute("aria-label"),
            names(document.querySelectorAll("svg:not([aria-hidden=true] *, [aria-hidden=true])")),
            names(document.querySelectorAll("section:not([aria-labelledby])")),
            names(document.querySelectorAll("[tabindex='0'].row")).length,
        ];
    """
    assert window.run(script) == ["5/9 RUN make, critical path 3.0 s", "Details", [], [], 1]


def test_hostile_texts_are_only_shown(window: Browser, pages: Mapping[str, Path]) -> None:
    window.open(pages["hostile"])
    window.run("document.querySelectorAll('.row').forEach((row) => row.click())")
    tags = "return Array.from(document.querySelectorAll('img, script, [onload], [onerror]'))"
    assert window.run(f"{tags}.map((one) => one.type || one.localName)") == [
        "application/json",
        "script",
    ]
    text = window.run("return document.body.textContent")
    assert reports.HOSTILE[0] in text
    assert "\\u202egpj.exe" in text
    assert "{{ 7 * 7 }}" in text
    assert "\u202e" not in window.run("return document.documentElement.outerHTML")
    direction = "return getComputedStyle(document.querySelector('h1')).direction"
    assert window.run(direction) == "ltr"
    assert window.said() == []


def test_the_policy_allows_no_other_script_and_style(
    window: Browser, pages: Mapping[str, Path]
) -> None:
    window.open(pages["usual"])
    script = """
        const script = document.createElement("script");
        script.textContent = "window.isRun = true";
        const image = document.createElement("img");
        image.src = "http://127.0.0.1:1/";
        document.body.append(script, image);
        document.body.setAttribute("style", "color: rgb(1, 2, 3)");
        return [window.isRun ?? false, getComputedStyle(document.body).color === "rgb(1, 2, 3)"];
    """
    assert window.run(script) == [False, False]
    said = window.said()
    assert len(said) == 3
    assert all("Content Security Policy" in one for one in said)


def test_real_builds_write_it(
    window: Browser, warmbuild: Warmbuild, small: Path, repository: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    warmbuild.succeed(small, image=repository, report_file=str(report))
    assert "Compared with" not in report.read_text(encoding="utf-8")
    (small / "source.txt").write_text("two")
    warmbuild.succeed(small, branch="feature/x", image=repository, report_file=str(report))
    window.open(report)
    click(window, "COPY source.txt /")
    assert "source.txt changed" in details(window)
    click(window, "RUN cat /proc/sys/kernel/random/uuid > /once")
    assert f"{repository}:cache-main" in details(window)
    text = window.run("return document.body.innerText")
    assert "Compared with the default branch" in text
    assert "changed: files" in text
    assert f"{repository}:feature-x" in text
    assert window.said() == []


def test_a_build_that_fails_writes_it_with_the_last_lines(
    window: Browser, warmbuild: Warmbuild, small: Path, repository: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    with (small / "Dockerfile").open("a") as file:
        file.write("RUN echo so it ends && false\n")
    ended = warmbuild.build(small, image=repository, report_file=str(report))
    assert ended.code == 4
    window.open(report)
    assert "so it ends" in window.run("return document.querySelector('pre.error').innerText")
    window.run("document.querySelector('[data-state=failed]').click()")
    assert "so it ends" in details(window)
    data = json.loads(window.run("return document.getElementById('data').textContent"))
    assert len(data) == window.run("return document.querySelectorAll('.row').length")


def test_a_run_that_builds_nothing_writes_it(
    window: Browser, warmbuild: Warmbuild, small: Path, repository: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    ended = warmbuild.build(
        small,
        image=repository,
        driver="remote",
        endpoint="tcp://127.0.0.1:1",
        report_file=str(report),
    )
    assert ended.code != 0
    window.open(report)
    assert "Why it failed" in window.run("return document.body.innerText")
