"""Handouts: the exercises on paper, a page for each part or for each that is named, from the same files.

The task is the docstring that the learner gets, with the code that is given. With answers, the derivations and
solutions come on sheets of their own, in files of another name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from scratchnn.exercises.commands import ExerciseError
from scratchnn.exercises.exercise import Exercise, reference, solution, task_and_code
from scratchnn.exercises.road import PARTS
from scratchnn.exercises.terminal import say
from scratchnn.machinery.files import written_whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NO_BROWSER = "a PDF is printed by Chromium or Chrome, and there is none here: open the page in any browser and print it"
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
@page {{ size: A4; margin: 2cm; }}
body {{ font: 11pt/1.45 Georgia, serif; max-width: 45em; margin: 2em auto; padding: 0 1em; color: #111; }}
@media print {{ body {{ margin: 0; max-width: none; padding: 0; }} }}
pre {{ font: 9.5pt/1.4 "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre-wrap; margin: .8em 1.5em; }}
h1 {{ font-size: 1.5em; }} h2 {{ font-size: 1.2em; margin-top: 2em; break-after: avoid; }} li {{ margin: .3em 0; }}
section + section {{ break-before: page; }} .small {{ font-size: .9em; color: #444; }}
@page wide {{ size: A4 landscape; }}
.answer {{ page: wide; }} .answer pre {{ white-space: pre; overflow-x: auto; }}
</style>
<h1>{title}</h1>
{sections}
</html>
"""


def write_handouts(names: Sequence[str], out: Path, answers: bool, pdf: bool) -> int:
    """Writes a page for each exercise that is named, or else for each part; as a PDF besides if wanted."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if pdf and not browser:
        raise ExerciseError(NO_BROWSER)
    out.mkdir(parents=True, exist_ok=True)
    pages: Mapping[str, Sequence[str]] = {name: [name] for name in names} or {
        part: [step.name for step in steps] for part, steps in PARTS.items()
    }
    for number, (title, exercises) in enumerate(pages.items(), 1):
        words = "_".join(re.findall(r"\w+", title.partition(". ")[2] or title)).lower()
        words += "_with_answers" * answers  # or they would take the place of the sheets without
        file = out / f"{words if names else f'{number}_{words}'}.html"
        with written_whole(file) as stream:
            stream.write(handout(title, exercises, answers).encode())
        if browser and pdf:
            print_page(browser, file)
    say(f"{out}: {len(pages)} handouts" + " with answers" * answers + ", each as a page and as a PDF" * pdf, wrap=False)
    return 0


def handout(title: str, names: Sequence[str], answers: bool) -> str:
    if [title] == [*names]:
        title = reference(title).EXERCISE.title
    sections = [task(name) for name in names] + [answer(name) for name in names if answers]
    return PAGE.format(title=escape(title), sections="\n".join(sections))


def task(name: str) -> str:
    """What the learner's file says and gives, and the sizes that it is tried on."""
    text, code = task_and_code(name)
    sizes = ""
    if isinstance(exercise := reference(name).EXERCISE, Exercise):
        both = " and ".join(", ".join(f"{size} = {n}" for size, n in each.items()) for each in exercise.sizes)
        sizes = f'<p class="small">It is tried on {escape(both)}.</p>'
    return f"<section><h2>{escape(name)}</h2>{prose(text)}<pre>{escape(code.strip())}</pre>{sizes}</section>"


def answer(name: str) -> str:
    derivation = textwrap.dedent(reference(name).EXERCISE.derivation).strip()
    return (
        f'<section class="answer"><h2>{escape(name)}: the derivation</h2><pre>{escape(derivation)}</pre>'
        f"<p>The solution:</p><pre>{escape(solution(name))}</pre></section>"
    )


def prose(text: str) -> str:
    """Paragraphs, lists and formulas as HTML; a line belongs to the one before it unless it begins something."""
    blocks: list[tuple[str, list[str]]] = []
    for line in text.strip().split("\n"):
        bullet, formula = re.match(r"\s*- ", line), line.startswith("    ")
        kind = "li" if bullet else "pre" if formula else "p"
        inside = blocks and blocks[-1][1] and line.strip()
        if inside and not bullet and (kind == blocks[-1][0] or (blocks[-1][0] == "li" and line.startswith("  "))):
            blocks[-1][1].append(line)
        elif not line.strip():
            blocks.append(("p", []))
        else:
            blocks.append((kind, [line]))
    parts = []
    for kind, lines in blocks:
        joined = (
            textwrap.dedent("\n".join(lines)) if kind == "pre" else " ".join(map(str.strip, lines)).removeprefix("- ")
        )
        joined = escape(joined).replace(" In the library: ", "<br>In the library: ")
        parts += [f"<{kind}>{joined}</{kind}>"] if joined else []
    return re.sub(r"((?:<li>.*?</li>)+)", r"<ul>\1</ul>", "".join(parts), flags=re.DOTALL)


def print_page(browser: str, file: Path) -> None:
    """The page as a PDF beside it."""
    file.with_suffix(".pdf").unlink(missing_ok=True)  # or an older one would pass for it
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        command += ["--no-sandbox"] * (
            hasattr(os, "geteuid") and os.geteuid() == 0
        )  # as root it starts in no other way
        command += [
            f"--user-data-dir={profile}",
            "--no-pdf-header-footer",
            f"--print-to-pdf={file.with_suffix('.pdf')}",
        ]
        ended = subprocess.run([*command, file.resolve().as_uri()], capture_output=True, text=True)
    if ended.returncode or not file.with_suffix(".pdf").exists():
        last = ended.stderr.strip().rpartition("\n")[2]
        raise ExerciseError(
            f"{Path(browser).name} did not print {file}: {last}; open the page in any browser and print it"
        )
