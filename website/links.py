"""Where the links of the built pages lead: each of those inside must exist, those outside are listed, not fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

OUTSIDE = ("http:", "https:", "mailto:", "//")


@dataclass
class Page(HTMLParser):
    """A page's anchors, its links, and what it loads."""

    path: Path
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and {"stylesheet", "icon", "preload", "modulepreload"} & set(given.get("rel", "").split()):
            self.loads.append(given["href"])
        self.loads += [given[name] for name in ("src", "data", "poster") if name in given]
        self.loads += [each.split()[0] for each in given.get("srcset", "").split(",") if each.strip()]


@dataclass
class Links:
    """Links inside that lead nowhere, pages outside, and what would be loaded from outside, each with its page."""

    broken: list[str] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)
    loaded: list[str] = field(default_factory=list)


def links(site: Path) -> Links:
    """All links of a built site."""
    pages = {path.resolve(): Page(path.resolve()) for path in sorted(site.rglob("*.html"))}
    found = Links()
    for path, page in pages.items():
        name = path.relative_to(site.resolve()).as_posix()
        found.loaded += [f"{name}: {target}" for target in page.loads if target.lower().startswith(OUTSIDE)]
        found.outside |= {target for target in page.links if target.lower().startswith(OUTSIDE)}
        for target in [*page.links, *page.loads]:
            if target.lower().startswith((*OUTSIDE, "data:", "javascript:")):
                continue
            address, anchor = urldefrag(target)
            there = (path.parent / unquote(address.partition("?")[0])).resolve() if address else path
            known = pages[there].anchors if there in pages else set()
            is_inside = there.is_relative_to(site.resolve()) and there.is_file()
            if not is_inside or (anchor and there in pages and unquote(anchor) not in known):
                found.broken.append(f"{name}: {target}")
    return found
