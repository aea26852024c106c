"""Both capstones as a learner does them: python tests/mutants/capstones.py [--seeds 5] [--mistakes 5]

With the solutions beside it each must pass with every seed and write its certificate; with one wrong piece beside it,
it must fail and name that piece.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from class_of_100 import wrong

from scratchnn.exercises.exercise import file_name, reference, upper
from scratchnn.exercises.progress import file_of
from scratchnn.exercises.verdict import Verdict, try_answer

CAPSTONES = ("train_digits", "train_vae")


def tried(folder: Path, capstone: str, seed: int, **pieces: str) -> Verdict:
    """The verdict on a folder of solutions, but for these pieces."""
    for name in (capstone, *reference(capstone).PIECES):
        file_of(folder, name).write_text(pieces.get(name, upper(name)), encoding="utf-8")
    file_of(folder, capstone).with_suffix(".html").unlink(missing_ok=True)
    return try_answer(capstone, file_of(folder, capstone), seed=seed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--mistakes", type=int, default=5, help="wrong versions of each piece")
    args = parser.parse_args()
    misses = 0
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for capstone in CAPSTONES:
            for seed in range(args.seeds):
                begun = time.perf_counter()
                verdict = tried(folder, capstone, seed)
                certified = file_of(folder, capstone).with_suffix(".html").is_file()
                reached = verdict.findings[-1].what if verdict.findings else verdict.sentence
                print(f"{capstone}, seed {seed}: {reached}; {time.perf_counter() - begun:.0f} s", flush=True)
                misses += not (verdict.passed and certified)
            for piece in reference(capstone).PIECES:
                named = 0
                for seed in range(args.mistakes):
                    verdict = tried(folder, capstone, seed, **{piece: wrong(piece, draw)})
                    named += [f.what for f in verdict.findings if not f.right] == [f"your {file_name(piece)}"]
                print(f"{capstone} with a mistake in {piece}: {named} of {args.mistakes} named", flush=True)
                misses += args.mistakes - named
    print(f"{misses} misses")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
