"""scratchnn weights RUN --out FILE: the trained model of a run in a small file of its own, by name and shape.

The file holds the weights and nothing of the training: .npz, which np.load reads, or .safetensors. scratchnn explore
and examples/explore_latent.py take such a file in the place of a run, and so does this command, to write it in the
other form or in half precision. In code: scratchnn.training.save_weights and load_weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from scratchnn.scripts import cli
from scratchnn.scripts.trained import load_stored, points_of
from scratchnn.training import runs
from scratchnn.training.weights import expect_suffix, holds_weights, named, save_weights

EXAMPLES = """\
  scratchnn train && scratchnn weights runs/vae-digits-z2-seed0 --out digits.npz
  scratchnn weights runs/vae-digits-z2-seed0 --out digits.npz --dtype float16 --points 300
  scratchnn weights digits.npz --out digits.safetensors
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run, a checkpoint, or a file of weights")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="what to write: .npz or .safetensors")
    parser.add_argument(
        "--dtype",
        choices=("float16", "float32", "float64"),
        help="of the weights (default: as they are; float32 of a file in float16)",
    )
    parser.add_argument(
        "--points", type=cli.positive_int, metavar="N",
        help="also write where the encoder puts the first N test images: scratchnn explore then needs no data set",
    )  # fmt: skip
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    expect_suffix(args.out)
    model, settings, points = load_stored(args.run)
    if args.points is not None:
        points = points_of(model, settings, args.points)
    if args.out.exists() and not holds_weights(args.out):
        raise runs.OptionError(f"{args.out} is there, and no file of weights: choose another name with --out")
    runs.prepare_folder(args.out.parent)
    save_weights(args.out, model, settings, dtype=args.dtype, points=points)
    told = f"{args.out}: a {type(model).__name__} of {sum(a.size for a in named(model).values()):,} numbers"
    told += f" in {args.dtype or model.params.dtype}"
    if points is not None:
        told += f", and where {len(points.means):,} images lie in its latent space"
    print(f"{told}; {args.out.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    cli.run(main)
