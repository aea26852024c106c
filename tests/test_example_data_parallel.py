"""Ranks against one process: the same gradient on the same flat vector, and no rank that waits for one that has ended.

Run by mpiexec, this file is what a rank does (the end of it).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, draw_nothing
from scripts import succeeds
from test_parallel import UNIT, D, after_a_step, batch_for, made, sum_of_magnitudes
from test_parallel import vae as small_vae
from threadpoolctl import threadpool_limits

from scratchnn.scripts import train
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import load_model
from scratchnn.training.checkpoints import read_checkpoint

SCRIPT = ROOT / "examples/data_parallel.py"
SMALL = ["--hidden", "12", "--batch-size", "81"]
# the MPI that was installed with this Python comes before any other
ENV = os.environ | {
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    "PYTHONPATH": os.pathsep.join([str(ROOT / "examples"), os.environ.get("PYTHONPATH", "")]),
    "OPENBLAS_NUM_THREADS": "1",
    # for an Open MPI, which refuses the root user, and more ranks than cores; MPICH does not mind
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or shutil.which("mpiexec", path=ENV["PATH"]) is None,
    reason='needs mpi4py and mpiexec: python -m pip install "scratchnn[mpi]"',
)
CASES = ["right", "idle rank", "no Allreduce", "mean over the part", "noise of its own"]


def ranks(number: int, *command: object, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    """A script on so many ranks; after two minutes it has failed."""
    words = ["mpiexec", "-n", str(number), sys.executable, str(script), *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, env=ENV, encoding="utf-8")


@pytest.fixture(scope="module", params=[2, 4])
def steps(request, tmp_path_factory) -> tuple[int, Path]:
    """One step of every case in float64, made by 2 ranks and by 4; each rank has left a file."""
    folder = tmp_path_factory.mktemp("steps")
    done = ranks(request.param, "steps", folder, script=Path(__file__))
    assert done.returncode == 0, done.stderr
    return request.param, folder


def rows_in(case: str) -> int:
    return 3 if case == "idle rank" else 7  # neither 2 nor 4 ranks divide them; with 3 rows one of 4 ranks has none


@needs_mpi
@pytest.mark.parametrize("case", CASES)
def test_any_number_of_ranks_has_the_gradient_of_one_process(steps, case):
    number, folder = steps
    files = [np.load(folder / f"{case}-{rank}.npz") for rank in range(number)]
    n = rows_in(case)
    one = after_a_step(small_vae, None, n)
    next_draw = one.rng.random()
    # the bound of tests/test_parallel.py, for the same model and rows: two orders of a sum, and ten layers' roundings
    bound = 2 * 10 * n * D * UNIT * sum_of_magnitudes(small_vae, n)
    if case in ("right", "idle rank"):
        for file in files:
            assert (abs(file["grads"] - one.model.grads) <= bound).all()
            np.testing.assert_allclose(file["params"], one.model.params, rtol=0, atol=0.1 * bound.max())
            assert file["params"].tobytes() == files[0]["params"].tobytes()
            assert file["losses"] == pytest.approx(list(one.losses.values()), rel=n * D * 10 * UNIT)
            assert file["next_draw"] == next_draw
    else:
        assert all((abs(file["grads"] - one.model.grads) > bound).any() for file in files)


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """The same training by the script that knows nothing of ranks, on one thread as they."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        draw_nothing(patch)
        succeeds(train.main, "--epochs", 2, "--out", folder, *SMALL)
    return folder


@needs_mpi
@pytest.mark.parametrize("number", [1, 2, 4])
def test_the_script_comes_to_what_one_process_comes_to(number, alone, tmp_path):
    done = ranks(number, "--epochs", 2, "--out", tmp_path, *SMALL)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "history.json", "summary.json", "checkpoint.npz", "loss.png", "samples.png",
    }  # fmt: skip
    (one, _), (several, settings) = load_model(alone), load_model(tmp_path)
    assert settings["ranks"] == number and f"ranks: {number};" in done.stdout
    # in float32 to a hundredth of one step of Adam, of which there were 34
    np.testing.assert_allclose(several.params, one.params, rtol=0, atol=0.01 * 1e-3)
    if number == 1:
        np.testing.assert_array_equal(several.params, one.params)
    records = [read_checkpoint(folder / "checkpoint.npz")[0]["training"]["history"] for folder in (alone, tmp_path)]
    for a, b in zip(*records, strict=True):
        assert a.keys() == b.keys()
        assert [b[name] for name in a if name != "seconds"] == pytest.approx(
            [a[name] for name in a if name != "seconds"], rel=1e-5
        )
    # rank 0 speaks, and no other
    assert done.stdout.count("epoch 2/2") == done.stdout.count("written to") == 1


@needs_mpi
def test_an_interrupted_run_goes_on_on_all_ranks(tmp_path):
    for name, epochs in (("resumed", 1), ("resumed", 2), ("whole", 2)):
        assert ranks(2, "--epochs", epochs, "--out", tmp_path / name, *SMALL).returncode == 0
    resumed, whole = (load_model(tmp_path / name)[0].params for name in ("resumed", "whole"))
    assert resumed.tobytes() == whole.tobytes()
    refused = ranks(1, "--epochs", 2, "--out", tmp_path / "whole", *SMALL)
    assert "it has ranks = 2, and this run has 1" in refused.stderr


@needs_mpi
@pytest.mark.parametrize(
    "number, arguments, message",
    [
        (4, ["--batch-size", "3"], "4 ranks cannot share a batch of 3 rows: each needs at least one; start fewer with"),
        (2, ["--batch-size", "1298"], "--batch-size 1298 is more than the 1,297 training images"),
        (2, ["--epochs", "0"], "argument --epochs: expected a whole number of at least 1, got 0"),
        (2, ["--resume"], "there is nothing to go on with"),
    ],
)
def test_a_mistake_is_one_sentence_and_all_ranks_end(number, arguments, message, tmp_path):
    done = ranks(number, "--out", tmp_path, *arguments)
    assert done.returncode != 0
    assert done.stderr.count(message) == 1 and done.stderr.count("error:") == 1 and "Traceback" not in done.stderr


@needs_mpi
@pytest.mark.parametrize(
    "failure, message",
    [
        ("no Allreduce", "the ranks made different steps: the fingerprints of their parameters are ["),
        ("overflow", "training stopped. The last good checkpoint: none was written"),
        ("disk full", "rank 0 failed, and all ranks end: OSError('disk full')"),
    ],
)
def test_a_failure_in_training_is_said_once_and_ends_all_ranks(failure, message, tmp_path):
    done = ranks(2, failure, "--epochs", 2, "--out", tmp_path, *SMALL, script=Path(__file__))
    assert done.returncode != 0 and done.stderr.count(message) == 1
    assert not (tmp_path / "summary.json").exists()


@needs_mpi
def test_the_page_shows_the_tables_that_the_script_prints():
    tables = ranks(1, "--cost").stdout.strip()
    assert tables in (ROOT / "docs/data_parallel.md").read_text(encoding="utf-8")
    assert f"| thesis VAE, z = 20 | {thesis_vae(784, 500, 20, np.random.default_rng(0)).params.size:,} |" in tables


def test_without_mpi_the_sentence_says_what_to_install():
    code = "import runpy, sys; sys.modules['mpi4py'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code, str(SCRIPT)], capture_output=True, text=True, env=ENV)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: this script needs mpi4py and an MPI" in done.stderr and "[examples,mpi]" in done.stderr


class Mute:
    """A communicator that forgets to add anything up."""

    def __init__(self, comm) -> None:
        self.comm, self.rank, self.size = comm, comm.rank, comm.size

    def Allreduce(self, *_: object) -> None:  # noqa: N802 (mpi4py's name)
        pass


def one_step(case: str, folder: Path, comm) -> None:
    import data_parallel

    from scratchnn import SGD
    from scratchnn.training import parallel

    right = parallel.batch_mean
    model, rng = made(small_vae)
    if case == "mean over the part":
        parallel.batch_mean = lambda losses, n=None: right(losses)
    if case == "noise of its own":
        rng = np.random.default_rng(100 + comm.rank)
    trainer = data_parallel.RanksTrainer(
        model, SGD(model, lr=0.1), rng, comm=Mute(comm) if case == "no Allreduce" else comm
    )
    losses = trainer.step(batch_for(model, rows_in(case)))
    parallel.batch_mean = right
    np.savez(
        folder / f"{case}-{comm.rank}.npz",
        grads=model.grads, params=model.params, losses=list(losses.values()), next_draw=rng.random(),
    )  # fmt: skip


def a_rank(what: str, *arguments: str) -> None:
    import data_parallel
    from mpi4py import MPI

    from scratchnn.scripts import cli

    comm = MPI.COMM_WORLD
    if what == "steps":
        for case in CASES:
            one_step(case, Path(arguments[0]), comm)
        return
    if what == "no Allreduce":
        right_step = data_parallel.RanksTrainer.step

        def step(trainer, batch):
            trainer.comm = Mute(comm)
            return right_step(trainer, batch)

        data_parallel.RanksTrainer.step = step
    elif what == "overflow":

        def network(*sizes):
            model = thesis_vae(*sizes)
            model.params[...] = 1e30
            return model

        data_parallel.thesis_vae = network
    elif what == "disk full":

        def save(*_):
            raise OSError("disk full")

        data_parallel.RanksTrainer.save = save
    sys.argv[1:] = arguments
    cli.run(data_parallel.main)


if __name__ == "__main__":
    a_rank(*sys.argv[1:])
