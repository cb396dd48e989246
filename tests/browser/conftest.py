"""The browser the pages are looked at with."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

PATIENCE_MILLISECONDS = 120_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running browser without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser group is not installed")
    place = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if place is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=place, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE_MILLISECONDS
        )
        new_page = browser.new_page

        def patient_page(**given: Any) -> Any:
            page = new_page(**given)
            page.set_default_timeout(PATIENCE_MILLISECONDS)
            return page

        browser.new_page = patient_page
        yield browser
        browser.close()
