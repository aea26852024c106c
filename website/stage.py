"""Writes what Sphinx reads: pages, texts of docs/, lessons, exercises and files, each from where it stands once."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from threadpoolctl import threadpool_limits

import scratchnn
from formulas.find import PACKAGE, ladder, lesson
from scratchnn.exercises import exercise, road
from scratchnn.scripts import explore_page
from website import lectures, practice
from website.code import listing, raw
from website.lesson import exercise_page, lesson_page
from website.places import EXTRA, HERE, ROOT, SOURCE
from website.prose import to_rst

TEXTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")  # beside those of docs/
PUBLIC = ("scratchnn", "scratchnn.gradcheck", "scratchnn.data", "scratchnn.training", "scratchnn.evaluation")
LINK = re.compile(r"(?<!\\)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def stage(short: bool) -> None:
    """Writes the source folder anew, but for the gallery, whose results are kept."""
    SOURCE.mkdir(parents=True, exist_ok=True)
    for path in SOURCE.iterdir():
        if path.is_dir() and path.name != "gallery":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    lectures.stage(short)
    for path in sorted((HERE / "pages").glob("*")):
        shutil.copyfile(path, SOURCE / path.name)
    shutil.copytree(ROOT / "docs" / "figures", SOURCE / "figures")
    pages = pages_of_files()
    linked: set[Path] = set()
    for path in [*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in TEXTS)]:
        write(path.name.lower(), with_links(path, pages, linked))
    for path in sorted(linked):
        write(f"files/{of_root(path)}.rst", file_page(path))
    for path, page in lesson_pages().items():
        write(f"{page[1:]}.rst", lesson_page(path, path.relative_to(PACKAGE).as_posix(), pages))
    for path in ladder():
        write(f"{exercise_name(path)[1:]}.rst", exercise_page(path, pages))
    write("learn/index.rst", lesson_index(pages))
    write("exercises/index.rst", exercise_index())
    for module in PUBLIC:
        write(f"reference/{module}.rst", reference_page(module))
    write("reference/index.rst", reference_index())
    write("practice.md", (SOURCE / "practice.md").read_text(encoding="utf-8").replace("PRACTICE", practice.known()))
    write("explore.md", (SOURCE / "explore.md").read_text(encoding="utf-8") + explorers())


def write(name: str, text: str) -> None:
    path = SOURCE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# ---- which file has which page


def lesson_pages() -> dict[Path, str]:
    """The files of the lesson with their pages, in the order to read in."""
    files = [path for path in lesson() if path.name != "__init__.py"]
    files.sort(key=lambda path: (order(path), path.name != "numeric.py"))
    return {path: "/learn/" + path.relative_to(PACKAGE).with_suffix("").as_posix() for path in files}


def order(path: Path) -> int:
    """The place of a file, or of its folder, among those that the first page names."""
    names = list(dict.fromkeys(p.parent if p.parent.name == "gradcheck" else p for p in lesson()))
    return names.index(path.parent if path.parent.name == "gradcheck" else path)


def exercise_name(path: Path) -> str:
    return f"/exercises/{path.stem}"


def of_root(path: Path) -> str:
    """A file by its path in the repository, also where the library is installed elsewhere."""
    return f"scratchnn/{path.relative_to(PACKAGE).as_posix()}" if path.is_relative_to(PACKAGE) else (
        path.relative_to(ROOT).as_posix()
    )  # fmt: skip


def pages_of_files() -> dict[str, str]:
    """Files by their path in the repository, with the page that shows them."""
    found = {of_root(path): page for path, page in lesson_pages().items()}
    found |= {f"examples/lectures/{path.name}": f"/gallery/{path.stem}" for path in lectures.FOLDER.glob("*.py")}
    return found | {of_root(path): exercise_name(path) for path in ladder()}


def with_links(path: Path, pages: dict[str, str], linked: set[Path]) -> str:
    """A text of the repository whose links lead to pages of the site; files without one are added to `linked`."""

    def page(match: re.Match[str]) -> str:
        target = (path.parent / match[1]).resolve()
        anchor = match[2] or ""
        if target.suffix == ".md":
            return f"](/{target.name.lower()}{anchor})"
        if target.suffix != ".py":
            return f"](/figures/{target.name})"
        name = of_root(target)
        if name not in pages:
            linked.add(target)
        return f"]({pages.get(name, f'/files/{name}')}.rst)"

    text = path.read_text(encoding="utf-8")
    text = re.sub(r'^<a id="([\w-]+)"></a>$', r"(\1)=", text, flags=re.MULTILINE)
    return LINK.sub(page, text)


# ---- generated pages


def file_page(path: Path) -> str:
    """A file that a text links to, as it stands."""
    name = of_root(path)
    count = path.read_text(encoding="utf-8").count("\n")
    page = [":orphan:", "", name, "=" * len(name), "", *raw(listing(path, range(1, count + 1)))]
    return "\n".join(page) + "\n"


def lesson_index(pages: dict[str, str]) -> str:
    """The first page of the library: the order to read in, and the conventions."""
    text = scratchnn.__doc__ or ""
    conventions = "Conventions, kept everywhere" + text.partition("Conventions, kept everywhere")[2]
    about = dict(re.findall(r"^    ([\w/]+(?:\.py|/))\s{2,}(\S.*)", text, re.MULTILINE))
    page = ["Learn", "=====", ""]
    page += to_rst(text.partition("\n\n")[0], {}, {})
    page += ["Each page is a file of the library, from top to bottom: what its docstrings say, and the code beside."]
    page += ["A formula and the lines that compute it light up together, by the pointer or by the Tab key.", ""]
    page += [".. list-table::", "   :widths: 30 70", ""]
    for path, name in lesson_pages().items():
        file = path.relative_to(PACKAGE).as_posix()
        if file in about or file == "gradcheck/numeric.py":
            words = about.get(file) or about["gradcheck/"].partition("numeric.py: ")[2]
            page += [f"   * - :doc:`{file} <{name}>`", f"     - {words}"]
    page += ["", "The other files of ``gradcheck/`` follow in the list of pages, in alphabetical order.", ""]
    page += to_rst(conventions, {}, pages)
    page += ["How much of this is joined", "-" * 26, "", ".. joins::", ""]
    entries = list(lesson_pages().values())
    return "\n".join([*page, ".. toctree::", "   :hidden:", "", *(f"   {entry}" for entry in entries)]) + "\n"


def exercise_index() -> str:
    """All exercises in their order."""
    page = ["Exercises", "=========", ""]
    page += ["You write backward passes and more; a check says whether they are right, and if not, why not::", ""]
    commands = ('python -m pip install -e ".[exercises]"', "scratchnn exercises start", "scratchnn exercises watch")
    page += [f"   {command}" for command in commands]
    page += ["", "Or without installing anything, :doc:`in the browser </practice>`.", ""]
    page += [":doc:`What the check recognises </diagnosis>` is said on a page of its own.", ""]
    entries = []
    for part, steps in road.PARTS.items():
        page += [part, "-" * len(part), "", ".. list-table::", "   :widths: 30 70", ""]
        for step in steps:
            entry = exercise_name(exercise.path_of(step.name))
            title = exercise.reference(step.name).EXERCISE.title
            page += [f"   * - :doc:`{step.name.replace('_', ' ')} <{entry}>`", f"     - {title}"]
            entries.append(f"   {entry}")
        page.append("")
    return "\n".join([*page, ".. toctree::", "   :hidden:", "", "   /practice", *entries]) + "\n"


def reference_page(module: str) -> str:
    """The public names of a package."""
    page = [module, "=" * len(module), "", f".. automodule:: {module}", "   :members:", "   :imported-members:", ""]
    return "\n".join(page)


def reference_index() -> str:
    """The packages that have public names."""
    page = ["Reference", "=========", "", "The public names, and what their docstrings say.", ""]
    return "\n".join([*page, ".. toctree::", "   :maxdepth: 1", "", *(f"   {module}" for module in PUBLIC)]) + "\n"


def explorers() -> str:
    """Writes a page, complete in itself, for each of the models in docs/models; returns links to these pages."""
    shutil.rmtree(EXTRA, ignore_errors=True)
    models = sorted((ROOT / "docs" / "models").glob("*.npz"))
    with threadpool_limits(1):  # more threads add up in another order
        for path in models:
            explore_page.main([str(path), "--html", str(EXTRA / "explore" / f"{path.stem}.html")])
    return "".join(f'\n- <a href="explore/{path.stem}.html">{path.stem}</a>' for path in models) + "\n"
