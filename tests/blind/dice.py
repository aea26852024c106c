"""Soft Dice plus soft IoU loss on sigmoid masks, one value for each class, then their mean."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np

SMOOTH = 1.0


def forward(logits, target):
    p = 1 / (1 + np.exp(-logits))
    inter = (p * target).sum(axis=(0, 2))
    total = p.sum(axis=(0, 2)) + target.sum(axis=(0, 2))
    union = total - inter
    dice = (2 * inter + SMOOTH) / (total + SMOOTH)
    iou = (inter + SMOOTH) / (union + SMOOTH)
    loss = np.mean(1 - dice) + np.mean(1 - iou)
    return loss, (p, target, inter, total, union, dice, iou)


def backward(dloss, cache):
    p, target, inter, total, union, dice, iou = cache
    ddice = -dloss / dice.size
    diou = -dloss / iou.size
    dunion = -diou * iou / (union + SMOOTH)
    dinter = ddice * 2 / (total + SMOOTH) + diou / (union + SMOOTH) - dunion
    dtotal = -ddice * dice / (total + SMOOTH) + dunion
    dp = dinter[:, None] * target + dtotal[:, None]
    return dp * p * (1 - p)
"""


def problem(rng, size=0):
    shape = ((2, 3, 5), (3, 2, 4))[size]
    return {"logits": rng.normal(size=shape)}, ((rng.random(shape) < 0.4).astype(float),)


FAMILY = Family(
    name="dice",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "union's intersection not taken out",
            old="dinter = ddice * 2 / (total + SMOOTH) + diou / (union + SMOOTH) - dunion",
            new="dinter = ddice * 2 / (total + SMOOTH) + diou / (union + SMOOTH)",
            cause="The intersection also makes the union smaller; that path is missing.",
            label="missing_term",
            line="dinter = ddice * 2 / (total + SMOOTH) + diou / (union + SMOOTH)",
        ),
        Wrong(
            "denominator treated as constant",
            old="dtotal = -ddice * dice / (total + SMOOTH) + dunion",
            new="dtotal = dunion",
            cause="The denominator of the Dice coefficient is treated as a constant.",
            label="missing_term",
            line="dtotal = dunion",
        ),
        Wrong(
            "without the smoothing",
            old="dtotal = -ddice * dice / (total + SMOOTH) + dunion",
            new="dtotal = -ddice * dice / total + dunion",
            cause="The smoothing constant of forward's denominator is left out.",
            label="wrong_constant",
            line="dtotal = -ddice * dice / total + dunion",
        ),
        Wrong(
            "sum over the classes",
            old="ddice = -dloss / dice.size",
            new="ddice = -dloss",
            cause="Forward averages over the classes; backward does not divide by their number.",
            label="factor",
            line="ddice = -dloss",
        ),
        Wrong(
            "sigmoid forgotten",
            old="return dp * p * (1 - p)",
            new="return dp",
            cause="The gradient is that of the probabilities, not of the logits.",
            label="missing_derivative",
            line="return dp",
        ),
        Wrong(
            "three classes",
            old="diou = -dloss / iou.size",
            new="diou = -dloss / 3",
            cause="The number of classes is written as 3.",
            label="hard_coded_size",
            line="diou = -dloss / 3",
            shows="second_size",
        ),
    ],
    right=[
        Right(
            "quotient rule written out",
            old="dtotal = -ddice * dice / (total + SMOOTH) + dunion",
            new="dtotal = -ddice * (2 * inter + SMOOTH) / (total + SMOOTH) ** 2 + dunion",
        ),
        Right(
            "class by class",
            old="    dp = dinter[:, None] * target + dtotal[:, None]\n    return dp * p * (1 - p)\n",
            new="""    dlogits = np.empty_like(p)
    for c in range(p.shape[1]):
        s = p[:, c]
        dlogits[:, c] = (dinter[c] * target[:, c] + dtotal[c]) * (s - s * s)
    return dlogits
""",
        ),
    ],
)
