"""How the tests of this folder read a page of Markdown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENGLISH, SPANISH = ROOT / "README.md", ROOT / "README.es.md"


def text(page: Path) -> str:
    return page.read_text("utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """What stands in fences of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(page), re.DOTALL | re.MULTILINE)


def section(page: Path, *headings: str) -> str:
    """What stands under the first of these headings that is there, up to the next of its level or above."""
    for heading in headings:
        level = len(heading.split()[0])
        found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text(page), re.DOTALL | re.MULTILINE)
        if found:
            return found[1]
    raise AssertionError(f"{page.name} has none of {headings}")


def headings(page: Path) -> list[str]:
    """Heading lines; a `#` in a fence is none."""
    prose = re.sub(r"^```.*?^```", "", text(page), flags=re.DOTALL | re.MULTILINE)
    return [line for line in prose.splitlines() if re.match(r"#+ ", line)]


def first_cells(table: str) -> list[str]:
    """First column of a table's body, as written."""
    return [row for row in re.findall(r"^\| ?(.*?) \|", table, re.MULTILINE)[1:] if set(row) != {"-"}]


def codes(part: str) -> list[str]:
    """What no translation changes in the rows of a part's tables."""
    rows = re.findall(r"^\|(.*)\|$", part, re.MULTILINE)
    return [cells for row in rows if (cells := " ".join(re.findall(r"`[/\w{}.<>, -]+`|\b\d{1,3}\b", row)))]


def shell_lines(page: Path) -> list[list[str]]:
    """Words of each line of the shell blocks, without comments; scripts (#!) are left out."""
    lines = [
        line
        for block in blocks(page, "sh")
        if not block.startswith("#!")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]
