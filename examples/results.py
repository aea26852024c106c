"""Renews docs/results.md, and its short form in the README, from the summary.json of the runs under a folder.

Every number on the page comes out of a file that a run has written; this script trains nothing and knows no result but
the documents'. A row is the mean over runs that differ in their seed alone. Runs of different settings are never
averaged: where both lie under the folder nothing is written.

The page has a part for each section of examples/results_sections/, between the comments <!-- name --> and
<!-- /name -->, and so has the README for its table, each row of which names its section in a comment. A section is
written again if runs that belong to it alone are under the folder; then all the others that it needs must be there too,
or nothing is written at all and the commands that make its runs are printed. The other sections, and all that stands
outside of the comments, stay as they are.

With --renew, the sections whose figures are stale, because the code that draws them or the settings of their runs have
changed, or of which no run is kept, are made again: their commands run one after another, in the order of the page, and
each section is written when its commands are done. A command finds the trainings that are finished in runs/ and goes on
with others where they stood, so the same call after an interruption goes on as well, and drawing again never trains
again where the checkpoints are still there.

Of every run that the page is written from, the summary and some epochs of its history are kept in runs/ beside the
page, a few kB each. They count as runs from then on, so a section can be written from runs of different days and
machines; where --runs has a run of the same name, that one counts.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from results_sections import (
    collapsing_code,
    conv_autoencoders,
    dense_autoencoders,
    gans,
    missing_pixels,
    optimisers,
    pictures_of_data,
    rate_distortion,
    stacked_autoencoders,
    thesis,
)
from results_sections.runs import MissingRunsError, Run, Section, Sources, Written, keep, row, runs_under, table
from results_sections.stale import why_stale

from scratchnn.machinery.files import written_whole
from scratchnn.scripts import cli
from scratchnn.training.runs import OptionError, OutputError, write_json, write_text

SECTIONS = (
    *pictures_of_data.SECTIONS, *thesis.SECTIONS, *rate_distortion.SECTIONS, *optimisers.SECTIONS,
    *missing_pixels.SECTIONS, *dense_autoencoders.SECTIONS, *stacked_autoencoders.SECTIONS, *conv_autoencoders.SECTIONS,
    *collapsing_code.SECTIONS, *gans.SECTIONS,
)  # fmt: skip
HEADER = table(("", "document", "ours", "why"), [])  # of the README's table

EXAMPLES = """\
  python examples/results.py                            what runs/ has, in docs/results.md and the README's table
  python examples/results.py --runs DIR --page PAGE     elsewhere
  python examples/results.py --renew --dry-run          what is stale and why, and how long making it again takes
  python examples/results.py --renew gan                makes a section again, stale or not
"""


def write_sections(runs: Sequence[Run], sources: Mapping[str, Sources], folder: Path) -> dict[str, Written]:
    """The sections that have runs, by name; OutputError if one of them lacks others, or if there are none at all."""
    written, lacking = {}, []
    for section in SECTIONS:
        if section.begun(runs):
            try:
                written[section.name] = section.write(sources[section.name])
            except MissingRunsError as error:
                lacking.append(f"{section.name} lacks {error}. Its runs are made by\n{commands(section)}")
    if lacking:
        raise OutputError(
            f"nothing is written, since {folder} has only a part of what some sections need:\n" + "\n".join(lacking)
        )
    if not written:
        raise OutputError(
            f"nothing is written, since {folder} has no run for any section. These commands make them:\n"
            + "\n".join(dict.fromkeys(commands(section) for section in SECTIONS))
        )
    return written


def commands(section: Section) -> str:
    return "\n".join(f"  {command}" for command in section.commands)


def place(text: str, name: str, path: Path) -> slice:
    """Where the part of that name stands in a text; OutputError if it is not there exactly once."""
    found = [match.span(1) for match in re.finditer(f"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)]
    if len(found) != 1:
        raise OutputError(
            f"{path} must have exactly one place between <!-- {name} --> and <!-- /{name} -->, for it to be filled: "
            "put these two comments, each on a line of its own, where it is to be"
        )
    return slice(*found[0])


def renewed_page(page: str, written: Mapping[str, Written], sources: Mapping[str, Sources], path: Path) -> str:
    for name, section in written.items():
        here = place(page, name, path)
        content = f"{section.text}\n*These runs: {sources[name].versions()}.*\n"
        page = page[: here.start] + content + page[here.stop :]
    return page


def renewed_readme(readme: str, written: Mapping[str, Written], path: Path) -> str:
    """The README with the new rows of the sections written, and the old ones of the others."""
    here = place(readme, "results", path)
    rows: dict[str, list[str]] = {section.name: [] for section in SECTIONS}
    for line in readme[here].splitlines():
        if line in HEADER.splitlines():
            continue
        named = re.match(r"\| .*? <!-- (\S+) --> \|", line)
        if not named or named[1] not in rows:
            raise OutputError(
                f"in the table of {path} this is not a row whose first cell ends with the name of a section in a "
                f"comment, and it would be lost: {line or 'an empty line'}"
            )
        rows[named[1]].append(line)
    for name, section in written.items():
        rows[name] = [
            row(f"{what} <!-- {name} -->", document, ours, *(why or [""]))
            for what, document, ours, *why in section.short
        ]
    lines = [HEADER, *(line for some in rows.values() for line in some)]
    return readme[: here.start] + "\n".join(lines) + "\n" + readme[here.stop :]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the runs are (default: runs)")
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"), help="default: docs/results.md")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="default: README.md")
    parser.add_argument(
        "--renew", nargs="*", metavar="SECTION", help="run the commands of these sections, or of all that are stale"
    )
    parser.add_argument("--dry-run", action="store_true", help="with --renew: only say what would run")
    args = parser.parse_args(arguments)
    if args.dry_run and args.renew is None:
        parser.error("--dry-run says what --renew would run: give both")
    if args.renew is not None:
        if args.runs != Path("runs"):
            parser.error("--renew makes its runs in runs, the folder that its commands write into: leave out --runs")
        renew(args)
    else:
        write(args)


def renew(args: argparse.Namespace) -> None:
    """Makes sections again: all that are stale, or those that are named."""
    unknown = set(args.renew) - {section.name for section in SECTIONS}
    if unknown:
        names = ", ".join(section.name for section in SECTIONS)
        raise OptionError(f"there is no section {', '.join(sorted(unknown))}: the page has {names}")
    kept = args.page.parent / "runs"
    file = kept / "minutes.json"  # how long every command took when it took longest
    minutes: dict[str, float] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    page = args.page.read_text(encoding="utf-8")
    why = {section.name: reasons(section, page[place(page, section.name, args.page)], args) for section in SECTIONS}
    chosen = [section for section in SECTIONS if section.name in args.renew or (not args.renew and why[section.name])]
    for section in chosen:
        print(f"{section.name}: {'; '.join(why[section.name]) or 'nothing is stale'}")
        for command in section.commands:
            print(f"  {duration(minutes.get(command)):>10}  {command}")
    if not chosen:
        print("nothing is stale")
    done: set[str] = set()
    for section in chosen if not args.dry_run else ():
        for command in section.commands:
            if command not in done:
                print(f"\n{command}", flush=True)
                began = time.monotonic()
                status = subprocess.run([sys.executable, *shlex.split(command)[1:]], check=False).returncode
                if status:
                    raise OutputError(f"{command} ended with status {status}; the same call goes on from there")
                minutes[command] = max(minutes.get(command, 0.0), round((time.monotonic() - began) / 60, 1))
                kept.mkdir(exist_ok=True)
                write_json(file, minutes)
                done.add(command)
        write(args)


def reasons(section: Section, part: str, args: argparse.Namespace) -> list[str]:
    """Why a section, of which the page has this part, has to be made again."""
    kept = args.page.parent / "runs"
    shown = re.findall(r"]\(figures/([^)]+)\)", part)
    found: dict[str, list[str]] = {}
    for name in shown:
        found.setdefault(why_stale(args.page.parent / "figures" / name, kept), []).append(name)
    missing = [] if section.begun(runs_under(kept)) else ["no run of it is kept"]
    return missing + [f"{', '.join(names)}: {reason}" for reason, names in found.items() if reason]


def duration(minutes: float | None) -> str:
    return "unknown" if minutes is None else f"{minutes:.0f} min" if minutes >= 1 else "< 1 min"


def write(args: argparse.Namespace) -> None:
    """Writes the sections that there are runs of into the page and the README."""
    if not args.runs.is_dir():
        raise OutputError(f"there is no folder {args.runs}: say with --runs where the runs are")
    figures, kept = args.page.parent / "figures", args.page.parent / "runs"
    at_hand = runs_under(args.runs)
    names = {run.name for run in at_hand}
    runs = [*at_hand, *(run for run in runs_under(kept) if run.name not in names)]
    sources = {section.name: Sources(runs, figures) for section in SECTIONS}
    written = write_sections(runs, sources, args.runs)
    page = renewed_page(args.page.read_text(encoding="utf-8"), written, sources, args.page)
    readme = renewed_readme(args.readme.read_text(encoding="utf-8"), written, args.readme)
    figures.mkdir(exist_ok=True)
    for section in SECTIONS:
        if section.name in written:
            for run in (*sources[section.name].used, *section.marked(runs)):
                keep(run, kept)
    for name in written:
        for copy, source in sources[name].pictures.items():
            with written_whole(figures / copy) as file:
                file.write(source.read_bytes())
    write_text(args.page, page)
    write_text(args.readme, readme)
    print(f"written into {args.page}, its figures and the table in {args.readme}: {', '.join(written)}")
    for section in SECTIONS:
        if section.name not in written:
            print(f"left as it was, since {args.runs} has no runs of it: {section.name}, made by\n{commands(section)}")


if __name__ == "__main__":
    cli.run(main)
