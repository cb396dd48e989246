"""The HTML of a mail that was written as text: paragraphs, lists and addresses of pages, in a frame that reads well.

It loads nothing, tracks nobody and hides no address behind words: what can be followed is seen. Each paragraph finds its own
direction, so that Arabic and Hebrew stand right; phones and dark screens are taken into account. Styles stand at
the elements, too: some mail programs throw the head away.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
DEFAULT_COLOUR = "#14532d"
_ADDRESS = re.compile(r"https://[^\s<>\"'()]*[^\s<>\"'().,;:!?]")
_ITEM = re.compile(r"[-*\u2022] +(?=\S)")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "iw", "ps", "sd", "ug", "ur", "yi", "dv", "ckb"})
_WORDS = "word-break:break-word;overflow-wrap:anywhere;"
_PARAGRAPH = f"margin:0 0 1em;{_WORDS}"
_HEAD = """<!doctype html>
<html{language}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; supported-color-schemes: light dark; }}
@media (max-width: 480px) {{ .page {{ padding: 12px 0 !important; }} .card {{ padding: 20px 18px !important; border-radius: 0 !important; }} }}
@media (prefers-color-scheme: dark) {{
  body, .page {{ background: #111614 !important; }}
  .card {{ background: #1b221f !important; color: #e8ece9 !important;
    border-color: {colour} #313b36 #313b36 !important; }}
  .name, .foot {{ color: #aeb8b2 !important; border-color: #313b36 !important; }}
  a {{ color: #9ad7b4 !important; }}
}}
</style>
</head>
<body style="margin:0;padding:0;background:#f2f4f1;">
<div class="page" role="article" aria-label="{title}" style="padding:24px 12px;background:#f2f4f1;">
<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0"><tr><td><![endif]-->
<div class="card" style="max-width:600px;margin:0 auto;box-sizing:border-box;padding:28px 32px;background:#ffffff;color:#1b211e;\
border:1px solid #dfe4df;border-top:4px solid {colour};border-radius:8px;font:16px/1.55 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;">
"""
_NAME = '<p class="name" dir="auto" style="margin:0 0 1.25em;color:#55605a;font-weight:600;">{}</p>\n'
_FOOT = """<div class="foot" style="margin-top:2em;padding-top:1em;border-top:1px solid #dfe4df;color:#55605a;font-size:13px;">
{}</div>
"""
_END = """</div>
<!--[if mso]></td></tr></table><![endif]-->
</div>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Look:
    """How the pages of a channel look: who they are from, a colour, what stands at their end."""

    name: str
    colour: str = DEFAULT_COLOUR
    foot: str = ""


def page(text: str, *, subject: str, look: Look, language: str = "", unsubscribe: tuple[str, str] = ("", "")) -> str:
    """Return the HTML of a text; ``unsubscribe`` are the words and the address of getting no more."""
    lang = f' lang="{language}"' if _LANGUAGE.fullmatch(language) else ""
    lang += ' dir="rtl"' if language.partition("-")[0].lower() in _RIGHT_TO_LEFT else ""
    parts = [_HEAD.format(language=lang, title=html.escape(subject), colour=look.colour)]
    if look.name:
        parts.append(_NAME.format(html.escape(look.name)))
    parts += _paragraphs(text)
    foot = list(_paragraphs(look.foot))
    words, address = unsubscribe
    if address:
        link = f'<a href="{html.escape(address)}" style="color:inherit;">{html.escape(words)}</a>'
        foot.append(f'<p dir="auto" style="margin:0;">{link}</p>\n')
    if foot:
        parts.append(_FOOT.format("".join(foot)))
    return "".join([*parts, _END])


def _paragraphs(text: str) -> Iterator[str]:
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    for block in re.split(r"\n[ \t]*\n\s*", plain):
        lines = [line.rstrip() for line in block.split("\n") if line.strip()]
        if lines and all(_ITEM.match(line.lstrip()) for line in lines):
            items = "".join(
                f'<li style="{_WORDS}">{_line(_ITEM.sub("", line.lstrip(), count=1))}</li>\n' for line in lines
            )
            yield f'<ul dir="auto" style="margin:0 0 1em;padding-inline-start:1.4em;">\n{items}</ul>\n'
        elif lines:
            yield f'<p dir="auto" style="{_PARAGRAPH}">' + "<br>\n".join(map(_line, lines)) + "</p>\n"


def _line(line: str) -> str:
    """Return a line with its addresses to be followed, each shown as it is."""
    found, end = [], 0
    for match in _ADDRESS.finditer(line):
        address = html.escape(match[0])
        found.append(html.escape(line[end : match.start()]))
        found.append(f'<a href="{address}" style="color:#14532d;">{address}</a>')
        end = match.end()
    return "".join([*found, html.escape(line[end:])])
