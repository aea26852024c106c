"""Grading a class: every folder's exercises are judged, several folders at a time, and the results written.

What is written is whole after every submission: results.json and results.csv with all that are finished, and a page
for each learner. So an interruption loses only what was being judged, and `--resume` goes on.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import multiprocessing
import os
import re
import resource
import secrets
import signal
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from html import escape
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from tqdm import tqdm

from scratchnn import __version__
from scratchnn.exercises import sandbox
from scratchnn.exercises.commands import ExerciseError
from scratchnn.exercises.exercise import file_name, ladder, reference
from scratchnn.exercises.grade import Mark, Room, RoomError, Submission, furnish, graded, plain
from scratchnn.exercises.progress import state_of
from scratchnn.exercises.road import PARTS, step_of
from scratchnn.exercises.terminal import say, table
from scratchnn.exercises.verdict import MEMORY
from scratchnn.machinery.files import alone_at, written_whole

RESULTS = "results.json"
RECORD = {"student": str, "score": int, "of": int, "notes": list, "exercises": list}
ROW = {
    "exercise": str, "part": str, "score": int, "right": int, "of": int, "attempts": int, "hints": int,
    "solution_seen": bool, "label": str, "why": str, "tried": list,
}  # fmt: skip
COLUMNS = ("student", *ROW)
COMMONEST = 5
LONGEST_NAME = 200  # bytes of a learner's name; that of the page has some more, and no system takes above 255

Record = dict[str, Any]


# ---- what is to be graded


def submissions(folders: Sequence[Path]) -> dict[str, tuple[Path, str]]:
    """The folders with exercises by the names of the learners, each with a note on it, or ""; ExerciseError if
    something is amiss."""
    found: dict[str, tuple[Path, str]] = {}
    files = {file_name(name) for name in ladder()}
    for given in folders:
        folder = Path(os.path.normpath(given.absolute()))
        if not folder.is_dir():
            raise ExerciseError(f"there is no folder {given}")
        if folder.name != folder.name.encode(errors="replace").decode():
            raise ExerciseError(
                f"the name of the folder {folder.name!a} is no text in UTF-8, and it is the learner's name in the "
                "results: rename it"
            )
        if (size := len(os.fsencode(folder.name))) > LONGEST_NAME:
            raise ExerciseError(
                f"the name of the folder {folder.name} has {size} bytes, and it is the learner's name in the results: "
                f"rename it, to at most {LONGEST_NAME}"
            )
        inner = folder / "exercises"
        places = [folder, inner] if inner.is_dir() and not inner.is_symlink() else [folder]
        counts = {place: len(files & {path.name for path in place.iterdir()}) for place in places}
        places = [place for place in places if counts[place]]
        if not places:
            raise ExerciseError(
                f"there are no exercises in {given}: give the folders that `start` has written, one for each learner, "
                f"as in {given}/*"
            )
        place = max(places, key=lambda place: (state_of(place).exists(), counts[place]))
        if folder.name in found:
            first, _ = found[folder.name]
            raise ExerciseError(
                f"{folder.name} is there twice, as {first} and as {place}: each learner needs a folder of "
                "another name, which is the learner's name in the results"
            )
        both = " and in ".join(str(each.relative_to(folder.parent)) for each in places)
        note = f"there are exercises in {both}: those in {place.relative_to(folder.parent)} were judged"
        found[folder.name] = place, note * (len(places) > 1)
    return found


def previous(out: Path, resume: bool, names: Sequence[str], seed: int | None) -> Record | None:
    """The results that are there already; ExerciseError if they must not be, cannot be read, or are of other exercises
    or another seed than is asked for."""
    file = out / RESULTS
    if not file.exists():
        return None
    if not resume:
        raise ExerciseError(f"{file} exists: --resume goes on with it, and --out FOLDER writes elsewhere")
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
        json.dumps(results, ensure_ascii=False).encode()  # as it is written again
        if not isinstance(results["seed"], int) or results["seed"] < 0 or not all(map(sound, results["students"])):
            raise ValueError
        exercises = results["exercises"]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ExerciseError(f"{file} is damaged, so nothing can be gone on with: choose another --out") from error
    if exercises != names:
        raise ExerciseError(
            f"{file} was begun with other exercises: give --exercises and --capstones as then, or another --out"
        )
    if seed not in (None, results["seed"]):
        raise ExerciseError(
            f"{file} was begun with --seed {results['seed']}: leave --seed out, or choose another --out"
        )
    return dict(results)


def sound(entry: Record) -> bool:
    """Whether all that `record` gives a learner is there, and nothing else."""
    rows = entry["exercises"]
    texts = [*entry["notes"], *(text for each in rows for text in each["tried"])]
    return all(
        {key: type(value) for key, value in each.items()} == kinds
        for each, kinds in [(entry, RECORD), *((row, ROW) for row in rows)]
    ) and all(isinstance(text, str) for text in texts)


# ---- a submission as a record and as a page


def record(submission: Submission) -> Record:
    """What results.json has of a learner."""
    marks = [row(mark, submission) for mark in submission.marks]
    score = sum(each["score"] for each in marks)
    return {
        "student": submission.name,
        "score": score,
        "of": len(marks),
        "notes": [*submission.notes],
        "exercises": marks,
    }


def row(mark: Mark, submission: Submission) -> Record:
    name, progress = mark.exercise, submission.progress
    right, of = mark.right
    return {
        "exercise": name,
        "part": next(part for part, steps in PARTS.items() if step_of(name) in steps),
        "score": int(mark.verdict.passed),
        "right": right,
        "of": of,
        "attempts": progress.tried.get(name, 0) + (name in progress.done),
        "hints": progress.hints.get(name, 0),
        "solution_seen": name in progress.solution_seen,
        "label": mark.label,
        "why": plain(mark.why),
        "tried": [*mark.tried],
    }


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222; }}
table {{ border-collapse: collapse; }} .list td, .list th {{ padding: .15em 1.2em .15em 0; text-align: left; }}
.list tr {{ border-bottom: 1px solid #ddd; }} h2 {{ margin-top: 2em; }} .wrong {{ font-weight: bold; }}
section {{ border-top: 1px solid #999; margin-top: 1.5em; }}
pre {{ overflow-x: auto; background: #f4f4f4; padding: .5em; }}
</style>
<h1>{name}: {score} of {of} right</h1>
<p>{remarks}</p>
<table class="list"><tr><th>exercise</th><th></th><th>attempts</th><th>hints</th><th>solution</th></tr>
{rows}
</table>
{sections}
</html>
"""


def page(submission: Submission, seed: int) -> str:
    """A learner's page: every exercise in a line, and the diagnosis of each that is wrong."""
    entry = record(submission)
    rows, sections = [], []
    for mark, each in zip(submission.marks, entry["exercises"], strict=True):
        state = "right" if each["score"] else "not written" if not mark.verdict.written else "wrong"
        link = f'<a href="#{mark.exercise}">{mark.exercise}</a>' if state == "wrong" or mark.tried else mark.exercise
        seen = "seen" if each["solution_seen"] else ""
        cells = [link, f'<span class="{state}">{state}</span>', each["attempts"] or "", each["hints"] or "", seen]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        if state == "wrong" or mark.tried:
            sections.append(section(mark))
    remarks = [f"Judged with scratchnn {__version__} and the seed {seed}.", *submission.notes]
    return PAGE.format(
        name=escape(submission.name), score=entry["score"], of=entry["of"], rows="\n".join(rows),
        remarks="<br>".join(map(escape, remarks)), sections="\n".join(sections),
    )  # fmt: skip


def section(mark: Mark) -> str:
    verdict = mark.verdict
    if verdict.report:
        body = verdict.report._repr_html_()
    elif verdict.findings:
        lines = [
            f"<li>{'right' if f.right else '<strong>WRONG</strong>'}: {escape(f.what)}</li>" for f in verdict.findings
        ]
        body = f"<ul>{''.join(lines)}</ul><p>{escape(mark.why)}</p>"
    else:
        body = f"<p>{escape(mark.why)}</p>"
    if mark.tried:
        body += f"<p><strong>Refused:</strong> {escape('; '.join(mark.tried))}</p>"
    if verdict.printed:
        body += f"<p>It printed:</p><pre>{escape(verdict.printed)}</pre>"
    title = escape(f"{mark.exercise}: {reference(mark.exercise).EXERCISE.title}")
    return f'<section id="{mark.exercise}"><h2>{title}</h2>{body}</section>'


def as_csv(students: Sequence[Record]) -> bytes:
    """A line for every exercise of every learner."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    for student in students:
        for each in student["exercises"]:
            cells = {**each, "student": student["student"], "tried": "; ".join(each["tried"])}
            lines.writerow([harmless(cells[column]) for column in COLUMNS])
    return text.getvalue().encode("utf-8-sig")  # so that spreadsheets know the encoding


def harmless(cell: Any) -> Any:
    """A text that a spreadsheet does not run as a formula."""
    return f"'{cell}" if isinstance(cell, str) and re.match(r"\s*[=+\-@]", cell) else cell


# ---- the class


ROOMS: list[Room] = []  # of this process: one, once it is open


def work(base: Path, name: str, place: tuple[Path, str], exercises: Sequence[str], seed: int) -> tuple[Record, str]:
    """One learner's record and page, made in a process that judges."""
    folder, note = place
    if not ROOMS:
        sandbox.end_with_parent(signal.SIGTERM)
        bound(MEMORY)  # an answer may call a function of the judge's on arrays of its own
        ROOMS.append(Room(base))
        Finalize(None, ROOMS[0].close, exitpriority=1)  # when this process ends: atexit is not asked then
    submission = graded(ROOMS[0], name, folder, exercises, seed)
    submission = replace(submission, notes=[*filter(None, [note]), *submission.notes])
    return record(submission), page(submission, seed)


def bound(memory: int) -> None:
    """Leaves this process so many bytes of addresses more than it has."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = int(pages) * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def grade(
    folders: Sequence[Path], out: Path, seed: int | None, capstones: bool, workers: int, resume: bool, as_json: bool
) -> int:
    """Grades the folders and writes the results into `out`."""
    try:
        sandbox.libraries()
    except sandbox.AbsentError as error:
        raise ExerciseError(f"answers of others cannot be run safely here: {error}") from None
    found = submissions(folders)
    out.mkdir(parents=True, exist_ok=True)
    busy = ExerciseError(f"another process is grading into {out}: wait until it has ended, or choose another --out")
    with alone_at(out / ".lock", busy):
        names = [name for name in ladder() if capstones or step_of(name).kind != 9]
        results = previous(out, resume, names, seed) or {
            "scratchnn": __version__,
            "seed": secrets.randbelow(2**31) if seed is None else seed,
            "began": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "exercises": names,
            "students": [],
        }
        done = {each["student"] for each in results["students"]}
        todo = {name: place for name, place in found.items() if name not in done}
        write(out, results)  # before hours of work
        status = run(todo, results, out, workers)
        if as_json:
            print(json.dumps(results, indent=1))
        else:
            tell(results, out)
        if status:
            left = found.keys() - {each["student"] for each in results["students"]}
            say(f"Stopped. {len(left)} of {len(found)} are left: --resume goes on.")
        return status


def run(todo: Mapping[str, tuple[Path, str]], results: Record, out: Path, workers: int) -> int:
    """Judges what is to do, and writes after each; 0, or the status of a command that a signal has ended."""
    exercises, seed = results["exercises"], results["seed"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        bar = tqdm(total=len(todo) * len(exercises), unit="exercise", disable=None)
        context = multiprocessing.get_context("spawn")
        try:
            furnish(base)
            with bar, ProcessPoolExecutor(min(workers, len(todo)) or 1, context) as pool:
                try:
                    waiting = [pool.submit(work, base, *each, exercises, seed) for each in todo.items()]
                    for future in as_completed(waiting):
                        entry, text = future.result()
                        students = sorted([*results["students"], entry], key=lambda each: each["student"])
                        with written_whole(out / f"{entry['student']}.html") as file:
                            file.write(text.encode())
                        write(out, {**results, "students": students})
                        results["students"] = students
                        bar.update(len(exercises))
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for process in multiprocessing.active_children():
                        process.terminate()
                    raise
        except KeyboardInterrupt as end:
            return 128 + getattr(end, "number", signal.SIGINT)
        except (RoomError, BrokenProcessPool) as error:
            raise ExerciseError(
                f"grading has stopped: {error}; what is finished is kept, and --resume goes on"
            ) from error
    return 0


def write(out: Path, results: Record) -> None:
    with written_whole(out / RESULTS) as file:
        file.write((json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode())
    with written_whole(out / "results.csv") as file:
        file.write(as_csv(results["students"]))


def tell(results: Record, out: Path) -> None:
    """A line for every learner, and the commonest mistakes."""
    rows = [["student", "right", ""]]
    for student in results["students"]:
        tried = [f"{each['exercise']}: {each['tried'][0]}" for each in student["exercises"] if each["tried"]]
        remarks = student["notes"][:1] + [f"refused: {said}" for said in tried[:1]]
        rows.append([student["student"], f"{student['score']} of {student['of']}", "; ".join(remarks)])
    table(rows)
    counted = Counter(
        (each["exercise"], each["label"])
        for student in results["students"]
        for each in student["exercises"]
        if each["label"] not in ("", "NOT-WRITTEN", "NO-ANSWER")
    )
    if counted:
        say("\nThe commonest mistakes:")
        table([[str(count), name, label] for (name, label), count in counted.most_common(COMMONEST)])
    say(f"\n{out}: {RESULTS}, results.csv, and a page for each; the seed was {results['seed']}", wrap=False)
