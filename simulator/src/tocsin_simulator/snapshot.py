"""A page of the simulator as one file that needs neither simulator nor network: what was there, still to be read.

The page's own script runs unchanged: what it would fetch lies in the file, and nothing new ever comes.
"""

import base64
import hashlib
import re
from collections.abc import Mapping

import orjson

from tocsin_simulator.wording import asset, page

# Stands in front of the page's own script: answers from the file, no line to anybody, frames from the file too.
_STILL = """
const kept = JSON.parse(document.getElementById("kept").textContent);
window.fetch = async (url) => {
  const text = kept[String(url).split("?")[0]];
  return new Response(text ?? "{}", { status: text === undefined ? 404 : 200 });
};
window.EventSource = class {};
Object.defineProperty(HTMLIFrameElement.prototype, "src", { set(url) { this.srcdoc = kept[url] ?? ""; } });
"""
# What would act on a world that is gone.
_HIDDEN = ".languages, .bar, .write, .block, .more, .react, #cut, .tagline ~ .counts { display: none !important; }"
_STYLE = re.compile(r'<link rel="stylesheet" href="[^"]*/(\w+\.css)">')
_SCRIPT = re.compile(r'<script src="[^"]*/(\w+\.js)" defer></script>')
_ICON = re.compile(r'<link rel="icon" href="[^"]*/(\w+\.svg)">')


def snapshot(name: str, *, language: str, kept: Mapping[str, str]) -> bytes:
    """Return the page ``name`` with all it needs inside it; ``kept`` are the answers it would fetch, by their paths."""
    text = page(name, language=language).decode()
    data = orjson.dumps(dict(kept)).decode().replace("<", "\\u003c")
    style = _asset(_found(_STYLE, text)) + "\n" + _HIDDEN
    scripts = (_STILL, *(_asset(name) for name in _SCRIPT.findall(text)))
    icon = "data:image/svg+xml;base64," + base64.b64encode(_asset(_found(_ICON, text)).encode()).decode()
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts
    )
    policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<link rel="icon" href="{icon}">'
    body = f'<script type="application/json" id="kept">{data}</script>\n' + "\n".join(
        f"<script>{each}</script>" for each in scripts
    )
    text = _ICON.sub(lambda _found: head, text)
    text = _STYLE.sub(lambda _found: f"<style>{style}</style>", text)
    return _SCRIPT.sub("", text).replace("</body>", f"{body}\n</body>").encode()


def _found(mark: re.Pattern[str], text: str) -> str:
    match = mark.search(text)
    if match is None:
        raise ValueError(f"the page has no {mark.pattern}")
    return match[1]


def _asset(name: str) -> str:
    found = asset(name)
    if found is None:
        raise ValueError(f"there is no {name}")
    return found[0].decode()
