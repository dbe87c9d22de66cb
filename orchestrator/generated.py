"""Pages of the documentation that a program writes a part of, between two lines that name it."""

from __future__ import annotations

import re
from typing import NamedTuple

BAR = r"\|"  # a bar inside a table's cell


class Part(NamedTuple):
    """The part of a page that `command` writes."""

    command: str

    @property
    def begin(self) -> str:
        return f"<!-- begin of what `{self.command}` writes -->"

    @property
    def end(self) -> str:
        return f"<!-- end of what `{self.command}` writes -->"

    def rewritten(self, page: str, text: str) -> str:
        """The page with this text for its part. Raises ValueError if it has no such part."""
        section = re.compile(f"{re.escape(self.begin)}\n.*?{re.escape(self.end)}", re.DOTALL)
        if not section.search(page):
            raise ValueError(f"there is no part to rewrite between the lines\n{self.begin}\n{self.end}")
        return section.sub(lambda _: f"{self.begin}\n\n{text}\n\n{self.end}", page, count=1)


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"
