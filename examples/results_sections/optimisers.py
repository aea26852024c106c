"""Gradient descent, momentum and Adam on the thesis's network."""

from __future__ import annotations

from results_sections.runs import Section, Sources, Written, table

OPTIMISERS = "python examples/optimisers.py --data mnist"
TOLD = (1, 2, 5, 10)


def optimisers(sources: Sources) -> Written:
    run = sources.one("optimisers", data="mnist", epochs=10, latent=20, hidden=500, batch_size=100)
    of = run.figures
    rows = []
    for name, losses in of["train_loss"].items():
        diverged = of["diverged"].get(name)
        cells = [f"{losses[epoch - 1]:.2f}" if epoch <= len(losses) else "" for epoch in TOLD]
        rows.append((name, *cells, diverged or f"{of['held_out_loss'][name][: TOLD[-1]][-1]:.2f}"))
    finished = {name: losses[: TOLD[-1]][-1] for name, losses in of["train_loss"].items() if name not in of["diverged"]}
    best, adam = min((loss, name) for name, loss in finished.items() if "Adam" not in name), finished["Adam, 0.001"]
    text = f"""## Gradient descent, momentum, Adam

`{OPTIMISERS}`, one seed: the thesis's network, z = 20, 500 units a layer, batches of 100, from the same
initial values, with the same images in the same order and the same noise. The thesis explains gradient descent and its
learning rate (2.1.5, Figures 9 and 10) and uses Adam with 0.001 (4.5, Annex C). −ELBO in nats per image, mean over the
batches of an epoch; the untrained network has {of["untrained_loss"]:.2f}, one mean image for all
{of["train_mean_image_loss"]:.2f}, the floor is {of["train_floor"]:.2f}. The number is the learning rate; *momentum* is
gradient descent with momentum 0.9, which makes of the rate r one of 10 r where gradients stay the same.

{table(("optimiser", *(f"epoch {epoch}" for epoch in TOLD), f"validation, epoch {TOLD[-1]}"), rows)}

{sources.show(run, "losses", "Loss by epoch, less the floor")}
"""
    what = f"MNIST, z = 20, train loss after 10 epochs: Adam (best gradient descent: {best[1]})"
    return Written(text, [(what, "Adam, by its advantages", f"{adam:.2f} ({best[0]:.2f}), one seed")])


SECTIONS = (
    Section(
        "optimisers", optimisers, [OPTIMISERS],
        [{"experiment": "optimisers", "data": "mnist", "epochs": 10, "latent": 20, "hidden": 500}],
    ),
)  # fmt: skip
