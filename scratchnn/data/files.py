"""Where data files come from: found on disk, or downloaded from one of several mirrors, and in either case verified.

What is verified is the *payload*, the decompressed bytes: mirrors recompress their files, and two of the data sets use
the same file names. Its size is known too, so no file takes more memory than a right one, whatever it unpacks to. A
file is looked for in this order, and the first one found must be right:

    $SCRATCHNN_DATA/<data set>/<file> or <file>.gz
    <the user's cache folder>/scratchnn/<data set>/<file>.gz
    each mirror in turn, as long as it sends; a download counts only after its payload has been verified, and is then
    moved into the cache
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scratchnn.machinery.extras import missing

GZIP = b"\x1f\x8b"  # the first two bytes of every gzip file; an IDX file starts with zeros, a .mat file with text


class DataError(Exception):
    """A data set that is missing, cannot be had, or is not what it should be. The message says what to do."""


@dataclass(frozen=True)
class File:
    """A file of a data set: its name, sha256 and size in bytes of its payload, and the addresses to get it from.

    `unpack` turns the file's (decompressed) bytes into the payload: where a container may differ from copy to copy, it
    takes the data out. It raises ValueError for bytes that it cannot read.
    """

    data_set: str
    name: str
    sha256: str
    size: int
    urls: tuple[str, ...]
    unpack: Callable[[bytes], bytes] = bytes

    def read(self) -> bytes:
        """The verified payload, from disk or else from a mirror."""
        for folder in self.folders():
            for path in (folder / self.name, folder / f"{self.name}.gz"):
                if path.is_file():
                    return self.verified(path)
        return self.verified(self.download())

    @property
    def limit(self) -> int:
        """The most bytes that it may have on disk, compressed or not: the payload, what gzip adds to data that it
        cannot compress, and a header."""
        return self.size + self.size // 1000 + 4096

    def folders(self) -> Iterator[Path]:
        """Where the file may lie: in the folder that SCRATCHNN_DATA names, if it names one, then in the cache."""
        named = os.environ.get("SCRATCHNN_DATA")
        if named:
            if not Path(named).is_dir():
                raise DataError(
                    f"SCRATCHNN_DATA is set to {named}, and there is no such folder: correct it or unset it"
                )
            yield Path(named) / self.data_set
        yield cache_folder() / self.data_set

    def verified(self, path: Path) -> bytes:
        """The payload of the file at `path`; DataError unless it is the right one."""
        try:
            if (size := path.stat().st_size) > self.limit:
                raise ValueError(f"its {size:,} bytes are more than the {self.size:,} of the right one")
            return self.payload(path.read_bytes())
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as wrong:
            raise DataError(
                f"{path} is not {self.name} of {self.data_set}: {wrong}. "
                "Delete it, and it will be downloaded, or put the right file in its place"
            ) from wrong

    def payload(self, raw: bytes) -> bytes:
        """The data in the bytes of a file; ValueError unless they are the right ones."""
        try:
            payload = self.unpack(self.decompressed(raw) if raw[:2] == GZIP else raw)
        except zlib.error as error:
            raise ValueError(f"it is truncated or damaged ({error})") from error
        found = hashlib.sha256(payload).hexdigest()
        if found != self.sha256:
            raise ValueError(
                f"its {len(payload):,} bytes of data have sha256 {found}, expected {self.sha256}; it is truncated, "
                "altered, or the file of the same name of another data set"
            )
        return payload

    def decompressed(self, raw: bytes) -> bytes:
        """What a gzip file holds; ValueError or zlib.error if it is damaged, or holds more than it may."""
        unpacker = zlib.decompressobj(wbits=31)  # 31: with the header and the checksum of gzip
        content = unpacker.decompress(raw, self.limit + 1)
        if len(content) > self.limit:
            raise ValueError(f"it unpacks to more than the {self.size:,} bytes of the right one")
        if not unpacker.eof:
            raise ValueError("it is truncated or damaged (its end is missing)")
        return content

    def download(self) -> Path:
        """Fetches the file from the first mirror whose content is right, into the cache; nothing is left half-done."""
        target = cache_folder() / self.data_set / Path(self.urls[0]).name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"{self.name} of {self.data_set} is not on this machine, and its download would go into "
                f"{target.parent}, which cannot be made ({error.strerror}): put that right, or set SCRATCHNN_DATA to a "
                f"folder that has {self.data_set}/{self.name}"
            ) from error
        for left in target.parent.glob(f"{target.name}.*.part"):  # by a process that was killed an hour ago or earlier
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > 3600:
                    left.unlink()
        failures = []
        for number, url in enumerate(self.urls):  # a name each: a mirror that was given up may still write
            partial = target.with_name(f"{target.name}.{os.getpid()}-{number}-{secrets.token_hex(4)}.part")
            try:
                fetch(url, partial, self.limit)
                self.payload(partial.read_bytes())
                return partial.replace(target)
            except (OSError, ValueError) as failure:  # what the downloader raises are OSErrors
                failures.append(f"  {url}: {failure}")
            finally:
                with suppress(PermissionError):  # Windows removes no file that is open
                    partial.unlink(missing_ok=True)
        raise DataError(
            f"{self.name} of {self.data_set} is not on this machine and could not be downloaded:\n"
            + "\n".join(failures)
            + f"\nTo place it by hand, put the file, as it is or as .gz, into {next(self.folders())}"
            + f", or set SCRATCHNN_DATA to a folder that has {self.data_set}/{self.name}"
        )


def fetch(
    url: str, path: Path, limit: int, patience: float = 10, least_speed: float = 10_000, deadline: float = 1200
) -> None:
    """Downloads a file of at most `limit` bytes; OSError if it cannot be had, is too large, or comes too slowly.

    Too slowly: in `patience` seconds, the first of which go into the connection, not `least_speed` bytes in each of
    them on average, or not the whole in `deadline` seconds. A mirror that stops sending is given up after twice the
    patience at most. A time limit of the network's own does not say that: it begins again with every byte. So the
    download has a thread of its own, which is left behind when it is given up.
    """
    import pooch
    from tqdm import tqdm

    given_up, failures = threading.Event(), []

    class Bar(tqdm):  # type: ignore[misc]
        """Is told of every piece that has come, and ends a download that is of no use any more."""

        def __bool__(self) -> bool:
            return True  # not only where the size is known

        def update(self, n: float = 1) -> None:
            if given_up.is_set():
                raise OSError("given up")
            if size_of(path) > limit:
                raise OSError(f"it sends more than the {limit:,} bytes that the file can have")
            super().update(n)

    def download() -> None:
        try:
            with Bar(unit="B", unit_scale=True, ncols=79) as bar:
                pooch.HTTPDownloader(timeout=patience, progressbar=bar)(url, str(path), None)
        except Exception as failure:
            failures.append(failure)

    thread, began, size = threading.Thread(target=download, daemon=True), time.monotonic(), 0
    thread.start()
    try:
        while True:
            thread.join(patience)
            if not thread.is_alive():
                break
            before, size = size, size_of(path)
            if size - before < least_speed * patience:
                raise TimeoutError(f"{size - before:,} bytes in {patience:g} seconds are too few to wait for the rest")
            if time.monotonic() - began > deadline:
                raise TimeoutError(f"it was not there after {deadline:g} seconds")
    finally:
        given_up.set()
    if failures:
        raise failures[0]


def size_of(path: Path) -> int:
    """The bytes that a file has, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def cache_folder() -> Path:
    """The user's cache folder for this library, where the operating system wants it."""
    try:
        import pooch
    except ModuleNotFoundError as error:
        raise missing(error, "a data set that is not in a folder named by SCRATCHNN_DATA") from error

    return Path(pooch.os_cache("scratchnn"))
