"""Tables, for a terminal and for the page that a run is written into."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "scale.md"


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows under a heading. `about` says what to see in it."""

    name: str
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    about: str = ""

    def text(self) -> str:
        """Return it for a terminal."""
        widths = [max(len(row[i]) for row in (self.head, *self.rows)) for i in range(len(self.head))]
        lines = ["  ".join(_aligned(cell, width, i) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
                 for row in (self.head, *self.rows)]  # fmt: skip
        return "\n".join([self.title, *(f"  {each}".rstrip() for each in lines), *([self.about] if self.about else [])])

    def markdown(self) -> str:
        """Return it for a page."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        lines = ["| " + " | ".join(row) + " |" for row in (self.head, rule, *self.rows)]
        return "\n".join([f"**{self.title}**", "", *lines, *(["", self.about] if self.about else [])])


def write(page: Path, where: str, made: Sequence[Table]) -> int:
    """Put each table between `<!-- scale:NAME -->` and `<!-- /scale:NAME -->`, in the place of what stood there."""
    text = page.read_text(encoding="utf-8")
    for name, block in (("where", where), *((table.name, table.markdown()) for table in made)):
        marked = re.compile(rf"(<!-- scale:{name} -->\n).*?(<!-- /scale:{name} -->)", re.DOTALL)
        text, found = marked.subn(lambda m, block=block: f"{m[1]}{block}\n{m[2]}", text)  # type: ignore[misc]
        if not found:
            print(f"{page} has no place for {name!r}", file=sys.stderr)
            return 1
    page.write_text(text, encoding="utf-8")
    return 0


def _aligned(cell: str, width: int, at: int) -> str:
    return cell.rjust(width) if at else cell.ljust(width)
