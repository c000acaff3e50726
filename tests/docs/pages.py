"""The project's Markdown pages as data.

What a fenced block is for is told by what stands above it:

- "`path/to/file.py`:" at the end of a line: it is that file.
- "From `path/to/file.yaml`:" it is an excerpt of that file, with `…` for what is left out.
- `<!-- edit FILE: OLD -> NEW -->` is what the reader does by hand there, `\\n` for a line end.
- `<!-- ray -->` it needs a Ray cluster.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"```(\w*)")
_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"#+ (.*)")
_EDIT = re.compile(r"<!-- edit (\S+): (.*) -->")
_FILE = re.compile(r"(.*)`([\w./-]+\.\w+)`:")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, or an edit (of language "edit").

    Attributes:
        section: The heading it stands under.
        above: The line of prose right above it.
        file: The file that it is, or that it is an excerpt of.
    """

    language: str
    text: str
    line: int
    section: str
    above: str = ""
    file: str | None = None
    excerpt: bool = False
    ray: bool = False

    @property
    def is_script(self) -> bool:
        return self.language == "python" and self.file is None


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    found: list[Block] = []
    section, above, ray = "", "", False
    fence: Block | None = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if fence is not None:
            if line == "```":
                found.append(fence)
                fence, above, ray = None, "", False
            else:
                fence = replace(fence, text=f"{fence.text}{line}\n")
        elif match := _FENCE.fullmatch(line):
            file = _FILE.fullmatch(above)
            name, excerpt = (file[2], file[1].endswith("From ")) if file else (None, False)
            fence = Block(match[1], "", number + 1, section, above, name, excerpt, ray)
        elif match := _EDIT.fullmatch(line):
            found.append(Block("edit", match[2].replace("\\n", "\n"), number, section, file=match[1]))
        elif line == "<!-- ray -->":
            ray = True
        elif line:
            above = line
            section = match[1] if (match := _HEADING.fullmatch(line)) else section
    assert fence is None, f"{page.name}: the block at line {fence.line if fence else 0} is never closed"
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def sections(page: Path) -> list[str]:
    """The headings of a page."""
    return [match[1] for line in prose(page).splitlines() if (match := _HEADING.fullmatch(line))]
