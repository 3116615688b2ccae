"""Opens a page in a browser without a screen: tells what is to be seen, types and clicks."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--window-size=1700,900",
)
_DUMPED = ("--virtual-time-budget=5000", "--enable-logging=stderr", "--dump-dom")
_DRIVER = "chromedriver"
# In a frame of each width: how wide the page is, and what of its pictures is cut off or too small.
_LOOK = """
addEventListener("load", () => {
  const seen = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument;
    const cut = [...page.querySelectorAll("svg")].flatMap(svg => {
      const box = svg.getBoundingClientRect();
      return [...svg.querySelectorAll("text")].filter(text => {
        const at = text.getBoundingClientRect();
        return at.left < box.left - 1 || at.right > box.right + 1
          || at.top < box.top - 1 || at.bottom > box.bottom + 1;
      }).map(text => text.textContent);
    });
    return {
      width: page.documentElement.clientWidth,
      needed: page.documentElement.scrollWidth,
      heading: page.querySelector("h1").textContent,
      sections: page.querySelectorAll("section").length,
      pictures: [...page.querySelectorAll("svg")].filter(
        svg => svg.getBoundingClientRect().width > 200).length,
      scripts: page.scripts.length,
      paper: getComputedStyle(page.body).backgroundColor,
      ink: getComputedStyle(page.body).color,
      cut: cut,
      small: [...page.querySelectorAll("svg text")].filter(
        text => text.getBoundingClientRect().height < 9).map(text => text.textContent),
    };
  });
  document.body.textContent = "SEEN" + JSON.stringify(seen) + "END";
});
"""


def find_browser() -> str | None:
    """Return the path of a Chromium, if there is one."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def can_be_driven() -> bool:
    """Say whether there are a Chromium and its driver."""
    return bool(find_browser() and shutil.which(_DRIVER))


@contextmanager
def driven(profile: Path) -> Iterator[Chrome]:
    """Give a browser to type and click in."""
    options = ChromeOptions()
    options.binary_location = str(find_browser())
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, ChromeService(shutil.which(_DRIVER)))
    try:
        yield browser
    finally:
        browser.quit()


def look_at(page: Path, widths: tuple[int, ...], folder: Path, *, dark: bool) -> list[Any]:
    """Return what is seen of the page at each width; nothing may be told on the console."""
    content = html.escape(page.read_text("utf-8"), quote=True)
    frames = "".join(
        f'<iframe srcdoc="{content}" style="width:{width}px;height:800px;border:0"></iframe>'
        for width in widths
    )
    outer = folder / "frames.html"
    scheme = '<meta name="color-scheme" content="light dark">'
    outer.write_text(
        f"<!DOCTYPE html><meta charset=utf-8>{scheme}<body>{frames}<script>{_LOOK}</script>",
        "utf-8",
    )
    profile = folder / ("dark" if dark else "light")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    seen = open_page(outer.as_uri(), profile, scheme)
    found = re.search(r"SEEN(\[.*\])END", seen, re.DOTALL)
    assert found, seen[-2000:]
    told: list[Any] = json.loads(html.unescape(found[1]))
    return told


def open_page(url: str, profile: Path, *flags: str) -> str:
    """Return the page of a URL as it is once its scripts are done; the console stays silent."""
    done = subprocess.run(
        [str(find_browser()), *_FLAGS, f"--user-data-dir={profile}", *flags, *_DUMPED, url],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not told, told
    return done.stdout
