"""The data, before anything is learned from them: images with the names of their classes, and one image as numbers.

What a network is given is not a picture. It is a row of whole numbers from 0, black, to 255, white (to 16 for the
embedded digits), which are divided by the largest; where a pixel stands beside its neighbours is lost in the row. The
student works begin with their data as well (000: 25 images with their names; 004: a sample), and the thesis shows a
digit as its numbers (Figures 41 and 42).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scratchnn import data
from scratchnn.scripts import cli, figures
from scratchnn.training import runs

EXAMPLES = """\
  python examples/show_data.py                          embedded digits
  python examples/show_data.py --data fashion-mnist     the first 25 pieces of clothing, and one as numbers
"""
SHOWN = 25


def main(arguments: Sequence[str] | None = None) -> None:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("--data", choices=data.DATA_SETS, default="digits", help="data set (default: digits)")
    parser.add_argument("--out", type=cli.folder, help="folder for the figures (default: runs/show-data-DATA)")
    args = parser.parse_args(arguments)
    args.out = args.out or Path("runs") / f"show-data-{args.data}"
    runs.prepare_folder(args.out, experiment="show-data")
    images = data.load(args.data)
    first = images.train[:SHOWN]

    print(images)
    pixels = images.train.pixels
    print(f"pixels from 0 to {pixels.max()}; mean {pixels.mean():.1f}, {dark(images):.1f} % of them 0")
    settings = {"data": args.data}
    title = f"The first {SHOWN} training images of {args.data}"
    if images.class_names:
        labels = data.labels_of(images.train)
        counts = np.bincount(labels, minlength=len(images.class_names))
        print("; ".join(f"{name}: {n:,}" for name, n in zip(images.class_names, counts, strict=True)))
        sheet = figures.named_images(first, labels[:SHOWN], images.image_shape, title, images.class_names)
    else:
        sheet = figures.image_grid(first, images.image_shape, 5, title)
    as_numbers = figures.image_as_numbers(
        images.train.pixels[0], images.image_shape, f"The first training image of {args.data}, as its numbers"
    )
    figures.save(sheet, args.out / "images.png", settings)
    figures.save(as_numbers, args.out / "numbers.png", settings)
    runs.write_summary(args.out, "show-data", {"share_of_0": dark(images) / 100}, settings)
    print(f"written to {args.out}: images.png, numbers.png, summary.json")


def dark(images: data.DataSet) -> float:
    """The share of pixels that are 0 in the training images, in per cent."""
    return 100 * float((images.train.pixels == 0).mean())


if __name__ == "__main__":
    cli.run(main)
