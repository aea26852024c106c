"""Files that are written whole or not at all, and a lock that ends with the process that holds it."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EEXIST
from pathlib import Path
from typing import IO


@contextmanager
def written_whole(path: Path, new: bool = False) -> Iterator[IO[bytes]]:
    """A file to write into; it takes the place of `path` once all is written. An interruption leaves what was there.
    A `new` one takes no other's place: FileExistsError if there is something.

    Its name until then is that of no other writer, so two of them do each other no harm. What it holds is on disk
    before its name is, and its name before this ends: a computer that loses its power has the old file or the new one,
    and after this the new one.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if new:
            as_new(partial, path)
        else:
            partial.replace(path)
        sync_names(path.parent)
    except OSError as error:
        if error.errno and error.filename in (None, str(partial)):  # a full disk is reported without it
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):  # where it could not be made there is none
            partial.unlink(missing_ok=True)


def as_new(partial: Path, path: Path) -> None:
    """Gives a file another name, which no other file has."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # there are file systems on which a file has one name alone
        if os.path.lexists(path):
            raise FileExistsError(EEXIST, "File exists", str(path)) from None
        partial.rename(path)


def sync_names(folder: Path) -> None:
    """Has the names in a folder written to the disk, where the system can do that: Windows cannot."""
    with suppress(OSError):
        names = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(names)
        finally:
            os.close(names)


def locked(path: Path) -> IO[bytes] | None:
    """The file, with a lock that no other process gets until it is closed; None if another process has it.

    The system takes the lock back from a process that ends, however it ends. The file that is left then is no lock.
    """
    while True:
        file = path.open("ab")
        try:
            if sys.platform == "win32":  # pragma: no cover (these tests run where there is fcntl)
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
            file.close()  # the owner before has just removed it
        except (BlockingIOError, PermissionError):
            file.close()
            return None
        except OSError as error:  # there are network file systems without locks
            file.close()
            error.filename = error.filename or str(path)
            raise


@contextmanager
def alone_at(path: Path, otherwise: Exception, seconds: float = 0.0) -> Iterator[None]:
    """Holds the lock on a file, which is removed at the end. `otherwise` is raised if another process holds it for so
    many seconds more."""
    deadline = time.monotonic() + seconds
    while (lock := locked(path)) is None:
        if time.monotonic() >= deadline:
            raise otherwise
        time.sleep(0.02)
    with lock:
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no file that is open
                path.unlink()
