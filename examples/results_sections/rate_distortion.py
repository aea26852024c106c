"""What a nat of rate buys: the VAE with other weights of the KL."""

from __future__ import annotations

import itertools

from results_sections.runs import Section, Sources, Written, table

RATE_DISTORTION = "python examples/rate_distortion.py --data mnist"
SIDES = ("train", "test")


def rate_distortion(sources: Sources) -> Written:
    run = sources.one(
        "rate-distortion", data="mnist", binarisation="dynamic", latent=20, hidden=500, epochs=50, early_stopping=None
    )
    measured = run.figures["rows"]
    rows = []
    for row in measured:
        saved = "" if row["saved_by_a_nat"] is None else f"{row['saved_by_a_nat']:.2f}"
        cells = [f"{row[f'{side}_{name}']:.2f}" for side in SIDES for name in ("rate", "distortion", "negative_elbo")]
        rows.append((f"{row['beta']:g}", *cells[:3], saved, *cells[3:], str(row["active_units"])))
    between = [
        row["saved_by_a_nat"] is not None and above["beta"] <= row["saved_by_a_nat"] <= row["beta"]
        for above, row in itertools.pairwise(measured)
    ]
    best = min(measured, key=lambda row: row["test_negative_elbo"])
    least = min(measured, key=lambda row: row["train_negative_elbo"])
    named = [f"{who}: {name}" for who in SIDES for name in ("rate", "distortion", "−ELBO")]
    header = ("β", *named[:3], "saved by a nat", *named[3:], "active")
    text = f"""## Rate and distortion

`{RATE_DISTORTION}`, one seed: the thesis's network with {run.settings["latent"]} latent dimensions, trained for
{run.settings["epochs"]} epochs with other weights β of the KL, on pixels that are drawn at every use. Minimised is
distortion + β·rate: the rate is the mean KL, the distortion −E_q[log p(x|z)]. Their sum is −ELBO whatever the β, and by
it the networks are compared. All in nats per image, by the final parameters; the floor is 0. *Saved by a nat*: how much
less distortion a nat of rate buys between a row and the one above, on training images. Where both networks have reached
their minimum it lies between the two β (`examples/lectures/rate_and_distortion.py` says why); it does in
{sum(between)} of {len(between)}.

{table(header, rows)}

−ELBO is smallest with β = {least["beta"]:g} on training images and with β = {best["beta"]:g} on test images. *Active*
are latent dimensions whose mean varies by more than 0.01 over the test images.

{sources.show(run, "curve", "The rate falls and the distortion rises with β, and fewer latent dimensions are active")}

{sources.show(run, "samples", "Decoded draws of z from N(0, I), by β")}
"""
    return Written(text)


SECTIONS = (
    Section(
        "rate-distortion", rate_distortion, [RATE_DISTORTION],
        [{"experiment": "rate-distortion", "data": "mnist", "latent": 20, "epochs": 50}],
    ),
)  # fmt: skip
