"""Kills, power that fails, disks that are full: what was finished is on disk, whole, and nothing half-written is."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import pytest
import tqdm
from conftest import PACKAGE, ROOT
from scripts import run
from test_signals import ALONE, BATCHES, EPOCHS, content, trainer, training

from scratchnn.machinery.files import written_whole
from scratchnn.training import Trainer, loop, runs

needs_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other system calls")


# ---- kills


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_trainings_end_with_the_bits_of_one_that_was_not(tmp_path):
    """The short form; the docstring of tests/kill_and_resume.py has the long one."""
    command = [sys.executable, "-m", "tests.kill_and_resume", "--kills", "6"]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(
        r"threads: (\d)   kills: 6, .* trainings: (\d+), of which (\d+) ended with the same", done.stdout
    )
    assert [threads for threads, _, _ in found] == ["1", "2"] and all(made == same for _, made, same in found)


# ---- a recorder of what is asked of the disk


@dataclass
class Disk:
    """Records what a function asks of the system for the files of one folder; fails at the n-th call if told to."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    fails_at: int = -1
    error: int = 0

    def asked(self, what: str, name: str, *details: Any) -> None:
        self.calls.append((what, name, *details))
        if len(self.calls) - 1 == self.fails_at:
            raise OSError(self.error, os.strerror(self.error), *([] if what in ("write", "sync") else [name]))


@pytest.fixture
def recording(monkeypatch) -> Callable[[Path], Disk]:
    """recording(folder) begins: files are opened, written, synced, renamed and deleted through a Disk."""
    real = {name: getattr(os, name) for name in ("open", "fsync", "replace", "rename", "unlink", "link")}
    real_open = io.open

    def begin(folder: Path) -> Disk:
        disk, names = Disk(), {}

        class Recorded(io.FileIO):
            def __init__(self, path: Any, mode: str) -> None:
                disk.asked("create", Path(path).name)
                super().__init__(path, mode)
                names[self.fileno()] = Path(path).name

            def write(self, data: Any) -> int:
                disk.asked("write", names[self.fileno()], self.tell(), bytes(data))
                return super().write(data)

        def opened(path: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
            # the lock holds nothing that could be lost
            if set(mode) & set("wax+") and Path(path).parent == folder and Path(path).name != ".lock":
                assert mode in ("wb", "xb"), f"this recorder knows nothing of {mode}"
                return io.BufferedWriter(Recorded(path, mode))
            return real_open(path, mode, *arguments, **keywords)

        def os_open(path: Any, flags: int, *arguments: Any, **keywords: Any) -> int:
            assert Path(path).parent != folder or flags & (os.O_WRONLY | os.O_RDWR) == 0, "and nothing of os.open"
            number = real["open"](path, flags, *arguments, **keywords)
            names[number] = "." if Path(path) == folder else Path(path).name
            return number

        def fsync(file: Any) -> None:
            disk.asked("sync", names[file if isinstance(file, int) else file.fileno()])
            real["fsync"](file)

        def replace(source: Any, target: Any) -> None:
            disk.asked("rename", Path(source).name, Path(target).name)
            real["replace"](source, target)

        def unlink(path: Any) -> None:
            if os.path.lexists(path):  # or nothing is asked of the disk
                disk.asked("unlink", Path(path).name)
            real["unlink"](path)

        calls = {"open": opened, "replace": replace, "rename": replace, "unlink": unlink}
        if accessor := getattr(pathlib, "_NormalAccessor", None):  # Python 3.10 calls these by names of its own
            for name, call in calls.items():
                monkeypatch.setattr(accessor, name, staticmethod(call))
        monkeypatch.setattr(io, "open", opened)
        for name, call in {**calls, "open": os_open, "fsync": fsync}.items():
            monkeypatch.setattr(os, name, call)
        return disk

    return begin


# ---- power that fails


def subsets(items: list[Any]) -> Iterator[list[Any]]:
    """All subsets of a few; of many, the beginnings, and all but one."""
    if len(items) <= 6:
        for chosen in itertools.product((True, False), repeat=len(items)):
            yield list(itertools.compress(items, chosen))
    else:
        yield from (items[:n] for n in range(len(items) + 1))
        yield from (items[:n] + items[n + 1 :] for n in range(len(items)))


def after_power_failed(calls: list[tuple[Any, ...]], name: str, there: bytes | None) -> set[bytes | None]:
    """All that a file may be found to hold when the power fails after these calls; None: there is no such file.

    A disk may write in any order what it has not been told to sync: of what was written into a file, every subset may
    be there, with zeros in the gaps; of what was done to names, every subset, each call whole. Syncing a file is
    about what it holds, not about its name: that is synced with the folder.
    """
    data: list[tuple[bytes, list[tuple[int, bytes]]]] = [(there or b"", [])]  # of every file: synced, and not yet
    names: dict[str, int] = {} if there is None else {name: 0}  # as the program sees them
    on_disk, pending = dict(names), []  # names that are synced; changes to names that are not: (name, file or None)
    for what, first, *details in calls:
        if what == "create":
            data.append((b"", []))
            names[first] = len(data) - 1
            pending.append([(first, names[first])])
        elif what == "write":
            data[names[first]][1].append(tuple(details))
        elif what == "sync" and first == ".":
            on_disk, pending = dict(names), []
        elif what == "sync":
            synced, writes = data[names[first]]
            data[names[first]] = written(synced, writes), []
        elif what == "rename":
            names[details[0]] = names.pop(first)
            pending.append([(first, None), (details[0], names[details[0]])])
        elif what == "unlink":
            del names[first]
            pending.append([(first, None)])
    found: set[bytes | None] = set()
    files = {on_disk.get(name)} | {file for change in pending for which, file in change if which == name}
    possible = set()
    for changes in subsets(pending):
        after = {**on_disk, **dict(pair for change in changes for pair in change)}
        possible.add(after.get(name))
    assert possible <= files | {None}
    for file in possible:
        found |= {None} if file is None else {written(data[file][0], writes) for writes in subsets(data[file][1])}
    return found


def written(content: bytes, writes: list[tuple[int, bytes]]) -> bytes:
    """What a file holds after writes at places, which may lie beyond its end."""
    array = bytearray(content)
    for place, what in writes:
        array.extend(bytes(max(0, place + len(what) - len(array))))
        array[place : place + len(what)] = what
    return bytes(array)


def without_syncing_the_file(path: Path, chunks: list[bytes]) -> None:
    partial = path.with_name("new")
    with partial.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            file.flush()
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def without_syncing_the_folder(path: Path, chunks: list[bytes]) -> None:
    partial = path.with_name("new")
    with partial.open("wb") as file:
        file.write(b"".join(chunks))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def in_place(path: Path, chunks: list[bytes]) -> None:
    with path.open("wb") as file:
        file.write(b"".join(chunks))
        file.flush()
        os.fsync(file.fileno())


def whole(path: Path, chunks: list[bytes]) -> None:
    with written_whole(path) as file:
        for chunk in chunks:
            file.write(chunk)
            file.flush()


def breaks_its_word(write: Callable[[Path, list[bytes]], None], folder: Path, disk: Disk) -> str:
    """What may be found after power fails in the second of two writes, or after it, and should not be."""
    path = folder / "checkpoint.npz"
    versions = [[b"%d: first" % k, b"second", b"third"] for k in (1, 2)]
    write(path, versions[0])
    first, second = (b"".join(version) for version in versions)
    between = len(disk.calls)
    write(path, versions[1])
    wrong = ""
    for n in range(len(disk.calls) + 1):
        allowed = {None, first} if n < between else {first, second} if n < len(disk.calls) else {second}
        if found := after_power_failed(disk.calls[:n], "checkpoint.npz", None) - allowed:
            wrong = wrong or f"after {n} of {disk.calls}: {found}"
    return wrong


@needs_posix
def test_power_that_fails_leaves_the_old_file_or_the_new_one(tmp_path, recording):
    disk = recording(tmp_path)
    assert breaks_its_word(whole, tmp_path, disk) == ""
    assert [what for what, *_ in disk.calls[len(disk.calls) // 2 :]] == [
        "create",
        *["write"] * 3,
        "sync",
        "rename",
        "sync",
    ]


@needs_posix
@pytest.mark.parametrize("write", [without_syncing_the_file, without_syncing_the_folder, in_place])
def test_the_recorder_finds_what_a_lesser_way_of_writing_may_lose(write, tmp_path, recording):
    assert breaks_its_word(write, tmp_path, recording(tmp_path))


@needs_posix
def test_power_that_fails_leaves_the_old_checkpoint_or_the_new_one(tmp_path, recording):
    """A real one, of a training, after each of its calls."""
    path, one = tmp_path / "checkpoint.npz", trainer(1)
    one.save(path)
    old = path.read_bytes()
    disk = recording(tmp_path)
    one.model.params += 1
    one.save(path)
    new = path.read_bytes()
    for n in range(len(disk.calls)):
        assert after_power_failed(disk.calls[:n], path.name, old) <= {old, new}
    assert after_power_failed(disk.calls, path.name, old) == {new} != {old}
    assert len(disk.calls) > 10


# ---- disks that are full, gone, or must not be written to

ERRORS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO]


@needs_posix
@pytest.mark.parametrize("number", ERRORS, ids=lambda number: errno.errorcode[number])
def test_a_disk_that_refuses_is_one_sentence_and_leaves_the_last_checkpoint(
    number, tmp_path, monkeypatch, recording, at_every_epoch
):
    """At every call to the disk for the checkpoint of the third epoch. The last but one gives the file its name,
    the last syncs the folder, which is no error where it cannot be done."""
    disk = recording(tmp_path / "undisturbed")
    run(training(tmp_path / "undisturbed", 1), [])
    expected, real = content(tmp_path / "undisturbed"), loop.write_checkpoint
    of_the_first = [name for _, name, *_ in disk.calls].index(".") + 1
    for n in range(of_the_first):
        folder = tmp_path / str(n)
        disk, saves = recording(folder), []

        def save(path, *arguments, disk=disk, saves=saves, n=n):
            saves.append(path)
            disk.fails_at, disk.error = (len(disk.calls) + n if len(saves) == 3 else -1), number
            real(path, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(loop, "write_checkpoint", save)
            status, _, told = run(training(folder, 1), [])
        if n == of_the_first - 1:
            assert status in (0, None) and content(folder) == expected
            break
        assert told == (
            f"error: the checkpoint of epoch 3 cannot be written ({os.strerror(number)}); "
            f"{folder}/checkpoint.npz has 2 epochs: the same command goes on from there"
        )
        assert [path.name for path in folder.iterdir()] == ["checkpoint.npz"]
        assert len(content(folder)[0]["training"]["history"]) == 2
        disk.fails_at = -1
        run(training(folder, 1), [])
        assert content(folder) == expected


@needs_posix
def test_a_disk_that_is_full_after_the_training_is_one_sentence_with_a_file(tmp_path, monkeypatch, recording):
    """There the history is written, and the system's error does not name it."""
    disk, real = recording(tmp_path), runs.write_json

    def write_json(*arguments):
        disk.fails_at, disk.error = len(disk.calls) + 1, errno.ENOSPC
        real(*arguments)

    monkeypatch.setattr(runs, "write_json", write_json)
    status, _, told = run(training(tmp_path, 1), [])
    assert (status, told) == (told, f"error: No space left on device: {tmp_path}/history.json")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


@needs_posix
def test_a_file_that_may_not_grow_is_one_sentence(tmp_path):
    """A limit of the system, for a process of its own: the first checkpoint has more than 3,000 bytes."""
    code = (
        "import resource, sys; from pathlib import Path; from scratchnn.scripts import cli; import test_signals\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)); cli.run(test_signals.training(Path(sys.argv[1]), 1))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], env=ALONE, capture_output=True, text=True)
    cause = f"the checkpoint of epoch 1 cannot be written ({os.strerror(errno.EFBIG)})"
    kept = "nothing of this training is on disk: the same command begins it again"
    assert (done.returncode, done.stderr) == (1, f"error: {cause}; {kept}\n") and list(tmp_path.iterdir()) == []


@needs_posix
def test_a_full_file_system_is_one_sentence(tmp_path, at_every_epoch):
    """A real one, of 12 kB: the second checkpoint stands beside the first until it is whole, and has no room."""
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12k", "none", tmp_path], capture_output=True)
    if mount.returncode:
        pytest.skip("only an administrator can make file systems")
    try:
        status, _, told = run(training(tmp_path, 1), [])
        assert status not in (0, None) and told == (
            f"error: the checkpoint of epoch 2 cannot be written ({os.strerror(errno.ENOSPC)}); "
            f"{tmp_path}/checkpoint.npz has 1 epoch: the same command goes on from there"
        )
        assert len(content(tmp_path)[0]["training"]["history"]) == 1 == len(list(tmp_path.iterdir()))
        subprocess.run(["mount", "-o", "remount,size=1m", tmp_path], check=True)
        run(training(tmp_path, 1), [])
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        before = content(tmp_path)
        _, _, told = run(training(tmp_path, 1), [])
        assert told == f"error: cannot write into {tmp_path} (Read-only file system): choose another folder with --out"
        assert content(tmp_path) == before
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_folder_that_is_deleted_while_its_training_runs_is_one_sentence(tmp_path, monkeypatch, at_every_epoch):
    folder, step, steps = tmp_path / "run", Trainer.step, []

    def deleting(self, batch):
        steps.append(1)
        if len(steps) == 2 * BATCHES + 2:
            shutil.rmtree(folder)
        return step(self, batch)

    monkeypatch.setattr(Trainer, "step", deleting)
    _, _, told = run(training(folder, 1), [])
    assert told == (
        f"error: the checkpoint of epoch 3 cannot be written ({os.strerror(errno.ENOENT)}); "
        "nothing of this training is on disk: the same command begins it again"
    )
    assert not folder.exists()


def test_a_clock_that_is_set_back_changes_nothing(tmp_path, monkeypatch, at_every_epoch):
    """An hour back at every look, while the progress bar of a terminal is drawn."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    run(training(tmp_path / "undisturbed", 1), [])
    clock = itertools.count(2e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    monkeypatch.setattr(tqdm.std, "time", time.time)
    monkeypatch.setattr(loop, "tqdm", partial(tqdm.tqdm, file=(terminal := Terminal()), mininterval=-inf))
    monkeypatch.setattr(loop.tqdm, "write", print, raising=False)
    status, _, told = run(training(tmp_path / "run", 1), [])
    assert status in (0, None), told
    assert "batch" in terminal.getvalue() and next(clock) < 2e9 - 3600 * EPOCHS
    assert content(tmp_path / "run") == content(tmp_path / "undisturbed")
    assert all(
        record["seconds"] >= 0 for record in json.loads((tmp_path / "run/history.json").read_text(encoding="utf-8"))
    )
