"""Builds the site into build/website/html: python -m website [--short] [--fresh]

It needs the extra [docs] and Node.js, and the network the first time, for KaTeX. The lectures are executed where they
or the library have changed; their results are kept in build/website.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from scratchnn.scripts import cli
from website import katex, practice, stage
from website.links import links
from website.places import BUILD, HERE, LANGUAGES, SOURCE


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m website", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--short", action="store_true", help="the lectures with fewer epochs and draws, in seconds")
    parser.add_argument("--fresh", action="store_true", help="from nothing: the lectures are executed again")
    options = parser.parse_args()
    if options.fresh:
        for path in BUILD.glob("*"):
            if path.name not in ("npm", "pyodide"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    try:
        katex.install()
    except katex.KatexError as error:
        sys.exit(f"error: {error}")
    katex.copy_fonts(BUILD / "static" / "katex")
    stage.stage(options.short)
    (BUILD / "arguments").write_text("--short" if options.short else "", encoding="utf-8")
    shutil.rmtree(BUILD / "locale", ignore_errors=True)  # with what Sphinx made of older translations
    shutil.copytree(HERE / "locale", BUILD / "locale")
    out = BUILD / "html"
    shutil.rmtree(out, ignore_errors=True)
    for language in LANGUAGES:
        folder = out if language == "en" else out / language
        status = sphinx(language, str(folder))
        if status:
            return status
    practice.put_beside(out)
    # a template of the theme, and a record of the settings, with paths of this machine: no pages
    for left in [*out.rglob("_static/webpack-macros.html"), *out.rglob(".buildinfo")]:
        left.unlink()
    found = links(out)
    (BUILD / "outside.txt").write_text("".join(f"{target}\n" for target in sorted(found.outside)), encoding="utf-8")
    for broken in [*found.broken, *found.loaded]:
        print(f"error: a link leads nowhere, or outside where the page must not: {broken}", file=sys.stderr)
    print(f"the site: {out / 'index.html'}; {len(found.outside)} links lead outside: {BUILD / 'outside.txt'}")
    return 1 if found.broken or found.loaded else 0


def sphinx(language: str, out: str) -> int:
    """Runs Sphinx; warnings are errors."""
    doctrees = str(BUILD / f"doctrees-{language}")
    strict = ["-W", "--keep-going", "-q", "-E"]
    command = [sys.executable, "-m", "sphinx", "-b", "html", *strict, "-c", str(HERE), "-d", doctrees, str(SOURCE), out]
    # whole seconds since 1970, for what else would be the time of the build
    fixed = {"WEBSITE_LANGUAGE": language, "SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, env={**os.environ, **fixed}).returncode


if __name__ == "__main__":
    cli.forgiving_terminal()
    sys.exit(main())
