"""How many latent dimensions? The thesis's experiments 1 to 4 and Figure 34, each with several seeds.

Trains the network of examples/vae.py for every latent size and seed, several at a time, then asks each what it has
learned: its loss on images it has not seen, how many of its dimensions it uses, and how probable it makes binarised
test images (examples/log_likelihood.py). The table gives the mean over the seeds ± their standard deviation; a
difference between two sizes that is not well above it says nothing.

The runs are made several at a time, here (by joblib) or on a Dask cluster (--dask): its workers are processes of the
same environment, on machines that see the --out folder and have this package, with one run at a time each:

    dask scheduler                                            on one machine
    dask worker tcp://that-machine:8786 --nthreads 1          on each, as often as it has cores

A run that is already there is not trained again, so the same command after an interruption goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shared
from shared import log_likelihood
from shared.documents import THESIS_LOSSES
from tqdm import tqdm

from scratchnn import data
from scratchnn.machinery.extras import missing
from scratchnn.scripts import cli, figures, train
from scratchnn.training import load_model, runs

Run = tuple[int, int, argparse.Namespace]  # latent dimensions, seed, and the options of its data set
PATIENCE = 60.0  # seconds that a Dask cluster may be without workers: who restarts one needs some

EXAMPLES = """\
  python examples/latent_sizes.py --epochs 30                                  embedded digits
  python examples/latent_sizes.py --data mnist --jobs 2                        the thesis's table: an hour or two
  python examples/latent_sizes.py --data frey-face --latents 2 --epochs 1000
  python examples/latent_sizes.py --data mnist fashion-mnist --dask tcp://that-machine:8786  on a cluster's workers
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument(
        "--data", choices=data.DATA_SETS, nargs="+", default=["digits"], help="data sets (default: digits)"
    )
    parser.add_argument(
        "--latents",
        type=cli.positive_int,
        nargs="+",
        default=[2, 5, 10, 20, 50],
        metavar="Z",
        help="latent dimensions (default: 2 5 10 20 50)",
    )
    parser.add_argument(
        "--seeds",
        type=cli.seed,
        nargs="+",
        default=[0, 1, 2],
        metavar="SEED",
        help="of the runs with each of them (default: 0 1 2)",
    )
    parser.add_argument("--epochs", type=cli.positive_int, help="of each run (default: that of examples/vae.py)")
    parser.add_argument("--batch-size", type=cli.positive_int, default=100, help="default: 100")
    parser.add_argument("--hidden", type=cli.positive_int, default=500, help="units of a hidden layer (default: 500)")
    parser.add_argument("--samples", type=cli.positive_int, default=200, help="draws of z for log p (default: 200)")
    parser.add_argument("--jobs", type=cli.positive_int, default=1, help="runs at a time (default: 1)")
    parser.add_argument(
        "--dask", metavar="ADDRESS", help="of a Dask scheduler, whose workers train; --jobs is left out"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for all runs, the table and the figure; in it one for each of several data sets",
    )
    args = parser.parse_args(arguments)
    args.latents, args.seeds = sorted(set(args.latents)), sorted(set(args.seeds))
    args.data = list(dict.fromkeys(args.data))
    return args


def of_one_data_set(args: argparse.Namespace, name: str) -> argparse.Namespace:
    """The options, with this data set, its number of epochs and its folder."""
    epochs = args.epochs or train.EPOCHS[name]
    out = args.out and (args.out if len(args.data) == 1 else args.out / name)
    width = "" if args.hidden == 500 else f"-{args.hidden}-units"
    out = out or Path("runs") / f"latent-sizes-{name}-{epochs}-epochs{width}"
    if args.dask:
        out = out.resolve()  # a worker may stand in another folder
    return argparse.Namespace(**{**vars(args), "data": name, "epochs": epochs, "out": out})


def make_runs(todo: Sequence[Run], args: argparse.Namespace) -> Iterator[Path]:
    """Makes the runs, on this machine or on the workers of a Dask cluster; the folder of each as it is finished."""
    if args.dask is None:
        try:
            import joblib
        except ModuleNotFoundError as error:
            raise missing(error, "several runs at a time") from error
        yield from joblib.Parallel(n_jobs=args.jobs, return_as="generator_unordered")(
            joblib.delayed(one_run)(*run) for run in todo
        )
        return
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise missing(error, "--dask") from error
    try:
        client = distributed.Client(args.dask, timeout=10)
    except (OSError, ValueError) as error:
        raise runs.OptionError(f"--dask {args.dask}: no Dask scheduler answers there ({error})") from error
    with client:
        threads = list(client.nthreads().values())
        if set(threads) != {1}:  # a run prints into its log by redirecting the output of its process
            raise runs.OptionError(
                f"--dask {args.dask}: there must be workers, and each with one thread; its workers' threads are "
                f"{threads}: start them with dask worker {args.dask} --nthreads 1"
            )
        # workers have the package; what this script and others share they get as an archive, and then the script
        with tempfile.TemporaryDirectory() as folder:
            here = Path(__file__).parent
            client.upload_file(shutil.make_archive(f"{folder}/shared", "zip", here, shared.__name__))
            client.upload_file(__file__)
        left = {client.submit(one_run, *run, pure=False) for run in todo}
        last_seen = time.monotonic()
        while left:
            try:
                done, left = distributed.wait(left, timeout=PATIENCE / 20, return_when="FIRST_COMPLETED")
            except distributed.TimeoutError:
                done = set()
            except distributed.CancelledError as error:
                raise gone(args.dask, "its scheduler is") from error
            yield from (run.result() for run in done)
            if done or client.nthreads():
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > PATIENCE:
                raise gone(args.dask, "all its workers are")


def gone(scheduler: str, who: str) -> runs.OutputError:
    return runs.OutputError(
        f"--dask {scheduler}: {who} gone; start what is missing (dask worker {scheduler} --nthreads 1), and the same "
        "command goes on"
    )


def one_run(z: int, seed: int, args: argparse.Namespace) -> Path:
    """Trains and evaluates one network; what it prints goes into log.txt in its folder, which is returned."""
    folder = args.out / f"z{z}-seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    same = {"data": args.data, "epochs": args.epochs, "batch-size": args.batch_size, "hidden": args.hidden}
    training = {**same, "latent": z, "seed": seed, "out": folder}
    with (folder / "log.txt").open("a", buffering=1, encoding="utf-8") as log, contextlib.redirect_stdout(log):
        train.main([f"--{name}={value}" for name, value in training.items()])
        model, n_images = load_model(folder)[0], len(data.load(args.data).test)
        asked = log_likelihood.asked_for(model, [args.samples], seed=0, n_images=n_images, how="fixed")
        if not log_likelihood.is_there(folder / "log-likelihood", asked):
            log_likelihood.main([str(folder), f"--samples={args.samples}"])
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    sweeps = [of_one_data_set(args, name) for name in args.data]
    images = [data.load(sweep.data) for sweep in sweeps]  # downloaded once, before the runs ask for it all at once
    for sweep, of_sweep in zip(sweeps, images, strict=True):
        runs.prepare_folder(sweep.out, experiment="latent-sizes")
        for z, seed in itertools.product(sweep.latents, sweep.seeds):
            runs.check_not_longer(sweep.out / f"z{z}-seed{seed}", sweep.epochs)
        print(f"{of_sweep}; epochs: {sweep.epochs}")
    todo = list(itertools.product(args.latents, args.seeds, sweeps))
    where = f"on {args.dask}" if args.dask else f"{args.jobs} at a time"
    print(f"{len(todo)} runs, {where}; each writes a log.txt into its folder")
    for folder in tqdm(make_runs(todo, args), total=len(todo), unit="run", disable=None):
        tqdm.write(f"finished: {folder}")
    for sweep, of_sweep in zip(sweeps, images, strict=True):
        put_together(sweep, of_sweep)


def put_together(args: argparse.Namespace, images: data.DataSet) -> None:
    """The table and the figure of one data set's runs."""
    rows = {z: row(z, args) for z in args.latents}
    print(table(rows, args))
    settings = {
        "data": args.data,
        "epochs": args.epochs,
        "hidden": args.hidden,
        "seeds": args.seeds,
        "samples": args.samples,
    }
    runs.write_summary(args.out, "latent-sizes", {str(z): values for z, values in rows.items()}, settings)
    samples = {}
    for z in args.latents:
        model, _ = load_model(args.out / f"z{z}-seed{args.seeds[0]}")
        samples[f"{z} latent dimensions"] = model.generate(100, np.random.default_rng(args.seeds[0]))
    title = f"Decoded draws of z from N(0, I), {args.data}, epochs: {args.epochs}, seed: {args.seeds[0]}"
    figures.save(figures.collage(samples, images.image_shape, 10, title), args.out / "samples.png", settings)
    print(f"written to {args.out}: summary.json, samples.png, and a folder for each run")


def row(z: int, args: argparse.Namespace) -> dict[str, list[float]]:
    """What the runs of one latent size came to, a list over the seeds for each quantity."""
    values: dict[str, list[float]] = {}
    for seed in args.seeds:
        folder = args.out / f"z{z}-seed{seed}"
        run: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["figures"]
        likelihood = json.loads((folder / "log-likelihood/summary.json").read_text(encoding="utf-8"))["figures"]
        run["nll"] = likelihood["estimates"][-1]["nll"]
        for name in ("train_loss", "test_loss", "test_reconstruction", "test_kl", "test_floor", "active_units", "nll"):
            values.setdefault(name, []).append(run[name])
    return values


def table(rows: dict[int, dict[str, list[float]]], args: argparse.Namespace) -> str:
    names = ["train loss", "test loss", "= reconstruction", "+ KL", "floor", "active", f"−log p̂ (K={args.samples})"]
    lines = [
        f"\nnats per image; mean ± standard deviation over {len(args.seeds)} seeds. Losses are −ELBO of grey pixels;",
        "−log p̂ bounds −log p(x) of test images made binary, of which alone there is a likelihood, from above",
        "   z  thesis " + " ".join(f"{name:>17}" for name in names),
    ]
    for z, values in rows.items():
        thesis = THESIS_LOSSES.get(args.data, {}).get((z, args.epochs))
        values = {**values, "test_floor": values["test_floor"][:1]}  # the same for every seed
        cells = [f"{runs.mean_and_std(numbers):>17}" for numbers in values.values()]
        lines.append(f"{z:4} {thesis or '':>7} " + " ".join(cells))
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
