"""Mirrors with every fault, before a good one in every place: python -m tests.downloads

Each row of the table is a fault of mirrors that run on this machine. In the first column the good mirror is the first
of three, so that none of the others is asked; in the second, one with the fault comes before it; in the third, two. A
cell is the time after which the right file was there, and that must be within a minute, with nothing else in the cache.
In the last column there is one mirror, and what is said of its fault. All cells are measured at the same time, since
most of it is spent in waiting.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
import hashlib
import http.server
import inspect
import io
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from scratchnn.data import files
from scratchnn.data.files import DataError, File

PLACES, NONE = ("first", "second", "third"), "none"  # of the good mirror
BAR = 60  # seconds
PAYLOAD = random.Random(0).randbytes(300_000)
RIGHT = gzip.compress(PAYLOAD)
BOMB = gzip.compress(bytes(20_000_000))


class Mirror(http.server.BaseHTTPRequestHandler):
    """Answers by what its address is called."""

    stop = threading.Event()
    late = 25.0  # seconds after which it has been given up

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            getattr(self, self.path[1:].partition("/")[0])()

    def begin(self, length: int | None = None, **headers: str) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send(self, content: bytes, **headers: str) -> None:
        self.begin(len(content), **headers)
        self.wfile.write(content)

    def right(self) -> None:
        self.send(RIGHT)

    def is_slow(self) -> None:
        self.begin(6000)
        for _ in range(3):
            self.wfile.write(bytes(2000))
            self.stop.wait(0.6)

    # ---- nothing comes

    def refuses(self) -> None:
        """Its address is one where nobody listens."""

    def resets_the_connection(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def says_nothing(self) -> None:
        self.stop.wait(600)

    def says_nothing_after_its_head(self) -> None:
        self.begin(len(RIGHT))
        self.stop.wait(600)

    def stalls_halfway(self) -> None:
        self.begin(len(RIGHT))
        self.wfile.write(RIGHT[: len(RIGHT) // 2])
        self.stop.wait(600)

    def sends_all_when_given_up(self) -> None:
        """Before that, its head never ends."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(50):
            self.drip(b"X", self.late / 50)
        self.wfile.write(b": x\r\n\r\n" + RIGHT)

    def drips(self) -> None:
        self.begin(len(RIGHT))
        self.drip(RIGHT)

    def drips_at_its_end(self) -> None:
        self.begin(len(RIGHT))
        self.wfile.write(RIGHT[:-20_000])
        self.drip(RIGHT[-20_000:])

    def drips_its_head(self) -> None:
        self.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Long: and so on\r\n" * 1000)

    def drips_in_pieces(self) -> None:
        """Each byte is a piece of its own, and counts as a whole one in the downloader's progress."""
        self.begin(Transfer_Encoding="chunked")
        for byte in RIGHT:
            self.drip(b"1\r\n" + bytes([byte]) + b"\r\n", seconds=0.01)

    def drip(self, content: bytes, seconds: float = 0.05) -> None:
        for byte in content:
            if not self.stop.wait(seconds):
                self.wfile.write(bytes([byte]))
                self.wfile.flush()

    # ---- something else comes

    def has_moved(self) -> None:
        self.send_error(404)

    def is_forbidden(self) -> None:
        self.send_error(403)

    def is_overloaded(self) -> None:
        self.send_error(503)

    def sends_a_page_of_its_own(self) -> None:
        self.send(b"<html>Log in to this network</html>")

    def sends_nothing(self) -> None:
        self.send(b"")

    def sends_another_file(self) -> None:
        self.send(gzip.compress(PAYLOAD[::-1]))

    def flips_a_bit(self) -> None:
        self.send(RIGHT[:150_000] + bytes([RIGHT[150_000] ^ 1]) + RIGHT[150_001:])

    def flips_a_bit_of_the_payload(self) -> None:
        self.send(gzip.compress(PAYLOAD[:9] + bytes([PAYLOAD[9] ^ 1]) + PAYLOAD[10:]))

    def breaks_off(self) -> None:
        self.begin(len(RIGHT))
        self.wfile.write(RIGHT[:150_000])

    def sends_half_as_if_it_were_all(self) -> None:
        self.send(RIGHT[:150_000])

    def breaks_off_in_a_piece(self) -> None:
        self.begin(Transfer_Encoding="chunked")
        self.wfile.write(b"ffff\r\n" + RIGHT[:1000])

    def has_no_end(self) -> None:
        self.begin()
        while not self.stop.is_set():
            self.wfile.write(bytes(1000))

    def sends_a_bomb(self) -> None:
        self.send(BOMB)

    def packs_a_bomb_for_the_way(self) -> None:
        self.send(BOMB, Content_Encoding="gzip")

    def redirects_to_nowhere(self) -> None:
        self.redirect(f"http://127.0.0.1:{closed_port()}/images.gz")

    def redirects_in_a_circle(self) -> None:
        self.redirect(self.path)

    def redirects_to_a_file(self) -> None:
        self.redirect("file:///etc/hostname")

    def redirects_to_words(self) -> None:
        self.redirect("http://[")

    def redirect(self, to: str) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def speaks_no_http(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")


NO_FAULTS = ("log_message", "do_GET", "begin", "send", "drip", "redirect", "right", "is_slow")
WAITS = (
    "says_nothing", "says_nothing_after_its_head", "stalls_halfway", "sends_all_when_given_up", "drips",
    "drips_at_its_end", "drips_its_head", "drips_in_pieces",
)  # fmt: skip
FAULTS = [name for name, value in vars(Mirror).items() if inspect.isfunction(value) and name not in NO_FAULTS]


@functools.cache
def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The address of mirrors on this machine."""
    Mirror.stop.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.daemon_threads = True
    server.socket.listen(200)  # all cells at once
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        Mirror.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


# ---- the table


@dataclass(frozen=True)
class Cell:
    """What came of a download: the seconds that it took, its file or its error, and what it has left in the cache."""

    seconds: float
    outcome: str
    left: Sequence[str] = ()

    @property
    def right(self) -> bool:
        return self.outcome == "the file" and self.left == ["images.gz"]

    @property
    def refused(self) -> bool:
        return self.outcome not in ("the file", "a wrong file") and not self.left


def download(server: str, fault: str, place: str) -> Cell:
    """That of a file which the mirror at this place has, and the others have with the fault."""
    bad = f"{server}/{fault}/images.gz" if fault != "refuses" else f"http://127.0.0.1:{closed_port()}/images.gz"
    urls = [f"{server}/right/images.gz" if place == here else bad for here in PLACES] if place in PLACES else [bad]
    file = File(f"{fault}-{place}", "images", hashlib.sha256(PAYLOAD).hexdigest(), len(PAYLOAD), tuple(urls))
    began = time.monotonic()
    try:
        outcome = "the file" if file.read() == PAYLOAD else "a wrong file"
    except DataError as error:
        outcome = str(error).split(f"{bad}: ")[-1].splitlines()[0]
    return Cell(time.monotonic() - began, outcome)


def table(
    cache: Path, faults: Sequence[str] = FAULTS, places: Sequence[str] = (*PLACES, NONE)
) -> dict[str, dict[str, Cell]]:
    """Cells by fault and place; what they have left is looked at when those that were given up are over too."""
    cells = [(fault, place) for fault in faults for place in places]
    with mock.patch.object(files, "cache_folder", lambda: cache), serving() as server:
        with ThreadPoolExecutor(len(cells)) as pool:
            outcomes = list(pool.map(lambda each: download(server, *each), cells))
        if "sends_all_when_given_up" in faults:
            time.sleep(Mirror.late)
    for thread in threading.enumerate():
        if thread.daemon and "download" in thread.name:
            thread.join(60)
    made: dict[str, dict[str, Cell]] = {}
    for (fault, place), outcome in zip(cells, outcomes, strict=True):
        left = sorted(path.name for path in (cache / f"{fault}-{place}").iterdir())
        made.setdefault(fault, {})[place] = replace(outcome, left=left)
    return made


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m tests.downloads", description=(__doc__ or "").partition("\n\n")[0]
    ).parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        made = table(Path(folder))
    print(f"| each of the others | {' | '.join(f'good one {place}' for place in PLACES)} | no other one |")
    print(f"| --- {'| --- ' * len(PLACES)}| --- |")
    bad = 0
    for fault, cells in made.items():
        ok = {place: cells[place].right and cells[place].seconds <= BAR for place in PLACES}
        bad += sum(not each for each in ok.values()) + (not cells[NONE].refused)
        shown = [
            f"{cells[p].seconds:.1f} s" + f": **{cells[p].outcome}, {cells[p].left}**" * (not ok[p]) for p in PLACES
        ]
        print(f"| {fault.replace('_', ' ')} | {' | '.join(shown)} | {cells[NONE].outcome[:100]} |")
    slowest = max(cells[place].seconds for cells in made.values() for place in PLACES)
    print(f"\n{len(made)} faults × {len(PLACES) + 1} places: {bad} bad; the good mirror was reached in {slowest:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
