"""Bad files that are looked for by what they reach in the code: python -m tests.guided_fuzz [--minutes 10]

tests/fuzz_files.py draws damage blindly. Atheris (pip install atheris) counts which branches of the loaders a file
takes, and goes on from those that take new ones. The first byte chooses the loader, the rest is the file. What is asked
is the same, but for time and memory: refused in the way of its loader, or read as what a right file has.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.guided_fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    args = parser.parse_args()
    try:
        import atheris
    except ModuleNotFoundError:
        sys.exit("error: this needs atheris: python -m pip install atheris")
    with atheris.instrument_imports(include=["scratchnn"]):
        from tests import fuzz_files
    kinds: Any = list(fuzz_files.KINDS.values())
    right = [[kind.read(file) for file in kind.right] for kind in kinds]

    def one(data: bytes) -> None:
        number = data[0] % len(kinds) if data else 0
        kind, content = kinds[number], data[1:]
        try:
            result = kind.read(content)
        except kind.refusal as error:
            assert str(error).isprintable() and len(str(error)) < 1500, repr(error)
            return
        if result not in right[number]:
            assert kind.goes_on is not None and not kind.checksum, "accepted with other content"
            kind.goes_on(content)

    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(kinds):
            for k, content in enumerate(kind.right):
                (Path(folder) / f"{number}-{k}").write_bytes(bytes([number]) + content)
        prefix = f"-artifact_prefix={tempfile.gettempdir()}/bad-"
        seconds = f"-max_total_time={60 * args.minutes:.0f}"
        atheris.Setup([sys.argv[0], folder, seconds, prefix, "-max_len=20000", "-timeout=60"], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
