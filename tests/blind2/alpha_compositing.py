"""Volume rendering along rays: densities give opacities, a cumulative product gives transmittance."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def forward(sigma, color, dt):
    alpha = 1 - np.exp(-sigma * dt)
    trans = np.cumprod(1 - alpha, axis=1)
    trans = np.concatenate([np.ones((len(sigma), 1)), trans[:, :-1]], axis=1)
    weight = trans * alpha
    rgb = (weight[:, :, None] * color).sum(axis=1)
    ctx = {"alpha": alpha, "trans": trans, "weight": weight, "color": color, "dt": dt}
    return rgb, ctx


def backward(d_rgb, ctx):
    alpha, trans, weight = ctx["alpha"], ctx["trans"], ctx["weight"]
    d_color = weight[:, :, None] * d_rgb[:, None, :]
    d_weight = (ctx["color"] * d_rgb[:, None, :]).sum(axis=2)
    d_alpha = d_weight * trans
    gathered = d_weight * weight
    behind = np.cumsum(gathered[:, ::-1], axis=1)[:, ::-1] - gathered
    d_alpha = d_alpha - behind / (1 - alpha)
    d_sigma = d_alpha * ctx["dt"] * (1 - alpha)
    return {"sigma": d_sigma, "color": d_color}
"""


def problem(rng, size=0):
    n, s = ((3, 4), (2, 6))[size]
    return {"sigma": rng.uniform(0.1, 2, size=(n, s)), "color": rng.normal(size=(n, s, 3))}, (0.3 + rng.random((n, s)),)


def dense(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["sigma"] = 12 * inputs["sigma"]
    return inputs, constants


FAMILY = Family(
    name="alpha_compositing",
    source=SOURCE,
    problem=problem,
    keys=("sigma", "color"),
    wrong=[
        Wrong(
            "samples behind left out",
            old='    d_alpha = d_alpha - behind / (1 - alpha)\n    d_sigma = d_alpha * ctx["dt"] * (1 - alpha)\n',
            new='    d_sigma = d_alpha * ctx["dt"] * (1 - alpha)\n',
            cause="A sample also hides the ones behind it, and that route is missing.",
            label="missing_term",
            line="d_alpha = d_weight * trans",
            fair=('d_sigma = d_alpha * ctx["dt"] * (1 - alpha)',),
        ),
        Wrong(
            "sums from the front",
            old="behind = np.cumsum(gathered[:, ::-1], axis=1)[:, ::-1] - gathered",
            new="behind = np.cumsum(gathered, axis=1) - gathered",
            cause="The sum should run over the samples behind, and runs over those in front.",
            label="off_by_one",
            line="behind = np.cumsum(gathered, axis=1) - gathered",
        ),
        Wrong(
            "sample itself counted as behind",
            old="behind = np.cumsum(gathered[:, ::-1], axis=1)[:, ::-1] - gathered",
            new="behind = np.cumsum(gathered[:, ::-1], axis=1)[:, ::-1]",
            cause="The sample's own share is not taken out of the sum.",
            label="off_by_one",
            line="behind = np.cumsum(gathered[:, ::-1], axis=1)[:, ::-1]",
        ),
        Wrong(
            "opacity in the place of transparency",
            old='d_sigma = d_alpha * ctx["dt"] * (1 - alpha)',
            new='d_sigma = d_alpha * ctx["dt"] * alpha',
            cause="The opacity's derivative by the density is the step times what is let through.",
            label="missing_derivative",
            line='d_sigma = d_alpha * ctx["dt"] * alpha',
        ),
        Wrong(
            "steps of equal length",
            old='d_sigma = d_alpha * ctx["dt"] * (1 - alpha)',
            new='d_sigma = d_alpha * ctx["dt"].mean() * (1 - alpha)',
            cause="Every step is taken to have the mean length.",
            label="wrong_constant",
            line='d_sigma = d_alpha * ctx["dt"].mean() * (1 - alpha)',
        ),
        Wrong(
            "division kept safe",
            old="d_alpha = d_alpha - behind / (1 - alpha)",
            new="d_alpha = d_alpha - behind / (1 - alpha + 1e-6)",
            cause="A small number is added to what is divided by, and forward knows nothing of it.",
            label="precision",
            line="d_alpha = d_alpha - behind / (1 - alpha + 1e-6)",
            effect=1e-6,
        ),
        Wrong(
            "image overwritten",
            source=apply(
                apply(SOURCE, "return rgb, ctx", 'return rgb, ctx | {"rgb": rgb}'),
                '    d_sigma = d_alpha * ctx["dt"] * (1 - alpha)\n',
                """    rest = ctx["rgb"]
    rest -= (weight[:, :, None] * ctx["color"]).sum(axis=1)
    d_sigma = d_alpha * ctx["dt"] * (1 - alpha)
""",
            ),
            cause="The returned image is kept in the cache and subtracted from in place.",
            label="overwrite",
            line='rest -= (weight[:, :, None] * ctx["color"]).sum(axis=1)',
            shows="output_changed",
        ),
    ],
    right=[
        Right(
            "sample by sample",
            old="""    gathered = d_weight * weight
    behind = np.cumsum(gathered[:, ::-1], axis=1)[:, ::-1] - gathered
    d_alpha = d_alpha - behind / (1 - alpha)
""",
            new="""    d_next = np.zeros(len(alpha))
    for i in range(alpha.shape[1] - 1, -1, -1):
        d_alpha[:, i] -= d_next * trans[:, i]
        d_next = d_next * (1 - alpha[:, i]) + d_weight[:, i] * alpha[:, i]
""",
        ),
        Right(
            "opacity cancelled",
            old='    d_alpha = d_alpha - behind / (1 - alpha)\n    d_sigma = d_alpha * ctx["dt"] * (1 - alpha)\n',
            new='    d_sigma = ctx["dt"] * (d_alpha * (1 - alpha) - behind)\n',
        ),
        Right(
            "nearly opaque samples",
            problem=dense,
            difficult=True,
        ),
    ],
)
