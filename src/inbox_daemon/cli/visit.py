"""The page of a case as a browser uses it: opened, its form filled in and sent, its notes read."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlencode, urljoin

from selectolax.lexbor import LexborHTMLParser

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class CasePage:
    """One page as it was answered from `address`."""

    address: str
    tree: LexborHTMLParser

    @property
    def text(self) -> str:
        """All of its words."""
        return "" if self.tree.body is None else self.tree.body.text()

    @property
    def notes(self) -> Sequence[str]:
        """What stands in its notes, oldest first."""
        found = self.tree.css("article.note")
        return ["\n".join(part.text().strip() for part in note.css("p.heading, p.text")) for note in found]


def visit(address: str) -> CasePage:
    """Open a page. Raises `OSError` when it isn't shown."""
    return _fetch(urllib.request.Request(address))  # noqa: S310 - a link of our own


def answer(page: CasePage, text: str) -> CasePage:
    """Fill the page's text field in and press the button beside it; what is shown then. Raises `OSError`."""
    field = page.tree.css_first("form textarea[name]")
    form = None if field is None else field.parent
    while form is not None and form.tag != "form":
        form = form.parent
    if field is None or form is None:
        raise OSError("the page has no form for an answer")
    filled = {one.attributes["name"] or "": one.attributes.get("value") or "" for one in form.css("input[name]")}
    filled[field.attributes["name"] or ""] = text.replace("\n", "\r\n")
    request = urllib.request.Request(  # noqa: S310 - a link of our own
        urljoin(page.address, form.attributes.get("action") or ""),
        data=urlencode(filled).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"},
    )
    return _fetch(request)


def _fetch(request: urllib.request.Request) -> CasePage:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as shown:
            return CasePage(shown.geturl(), LexborHTMLParser(shown.read()))
    except HTTPException as error:
        raise OSError(f"no HTTP answer ({type(error).__name__})") from None
