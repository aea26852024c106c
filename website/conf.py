"""The settings of Sphinx. `python -m website` writes the pages that it reads, and calls it for each language."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from docutils import nodes

import scratchnn
from website import lectures
from website.places import BUILD, EXTRA, HERE, LECTURES, SOURCE

project = "scratchnn"
author = copyright = "The scratchnn maintainers"
version = release = scratchnn.__version__
language = os.environ.get("WEBSITE_LANGUAGE", "en")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_gallery.gen_gallery",
    "website.extension",
    "website.joins",
]
root_doc = "index"
exclude_patterns = ["readme.md", "sg_execution_times.rst", "gallery/sg_execution_times.rst", "figures"]
suppress_warnings = ["config.cache"]  # functions among the settings are not pickled

# ---- texts
myst_enable_extensions = ["attrs_inline", "deflist"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "none"
html_math_renderer = "katex"

# ---- the gallery
sphinx_gallery_conf = {
    "examples_dirs": [str(LECTURES)],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"\.py",
    "image_scrapers": ("website.lectures.figure",),
    "reset_modules": ("website.lectures.reset",),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 10**9,  # no page changes with the time that it took
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "log_level": {"backreference_missing": "info"},
}

# ---- languages: the pages that have a catalogue
locale_dirs = [str(BUILD / "locale")]
gettext_compact = False
gettext_location = False
translation_progress_classes = "untranslated" if language != "en" else False  # so that a test finds what is missing
translated = sorted(
    path.relative_to(catalogue).with_suffix("").as_posix()
    for catalogue in [HERE / "locale" / "es" / "LC_MESSAGES"]
    for path in catalogue.rglob("*.po")
)
texts = [path.relative_to(SOURCE) for path in SOURCE.rglob("*") if path.suffix in (".md", ".rst")]
pages = {path.with_suffix("").as_posix() for path in texts}
if language != "en":
    exclude_patterns += [f"{page}.*" for page in sorted(pages - set(translated))]
    suppress_warnings += ["toc.excluded"]

# ---- HTML
WIDE = ("learn/", "exercises/", "files/", "index", "practice")  # no list of headings beside them
html_theme = "pydata_sphinx_theme"
html_title = "scratchnn"
html_favicon = str(HERE / "static" / "favicon.svg")
html_static_path = [str(HERE / "static"), str(BUILD / "static")]
templates_path = [str(HERE / "templates")]
html_css_files = ["katex/katex.min.css", "site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_extra_path = [str(EXTRA)] if language == "en" else []
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_show_search_summary = False  # the summaries would be fetched, which a page opened as a file may not
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["language", "theme-switcher"],
    "header_links_before_dropdown": 8,
    "secondary_sidebar_items": {page: [] if page.startswith(WIDE) else ["page-toc"] for page in sorted(pages)},
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "back_to_top_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is, until a reader chooses
html_sidebars: dict[str, list[str]] = {"index": [], "start": [], "explore": [], "teach": [], "files/**": []}


def other_language(page: str) -> tuple[str, str]:
    """Where the language button of a page leads, relative to it, and what it says."""
    up = "../" * page.count("/")
    same = page if page in translated else "index"
    return (f"{up}es/{same}.html", "Español") if language == "en" else (f"{up}../{same}.html", "English")


def add_context(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    context["other_language"] = other_language(page)


def english_page(app: Any, env: Any, node: Any, content: Any) -> Any:
    """In another language, a link to a page that has no translation leads to the English one."""
    if language == "en" or node.get("reftype") != "doc":
        return None
    up = "../" * (node["refdoc"].count("/") + 1)
    return nodes.reference("", "", content, internal=False, refuri=f"{up}{node['reftarget'].lstrip('/')}.html")


def settled(app: Any, page: str, source: list[str]) -> None:
    """A lecture without the seconds of its trainings, and without the archive of its notebook and script, which has the
    time of its making."""
    if page.startswith("gallery/"):
        text = re.sub(r"\n +\.\. container:: sphx-glr-download sphx-glr-download-zip\n\n.*\n", "\n", source[0])
        source[0] = re.sub(r"^(\s.*\bepoch \d+/\d+ .*?) +\d+\.\d s$", r"\1", text, flags=re.MULTILINE)


def setup(app: Any) -> None:
    app.connect("html-page-context", add_context)
    app.connect("missing-reference", english_page)
    app.connect("source-read", settled)
    app.connect("builder-inited", lambda app: lectures.settle(SOURCE / "gallery"), priority=900)
