"""Angular margin loss: cosines of embeddings and class vectors, a margin on the true class's angle, and a scale."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def unit(a):
    norm = np.sqrt((a * a).sum(axis=1, keepdims=True))
    return a / norm, norm


def unit_backward(du, u, norm):
    return (du - u * (u * du).sum(axis=1, keepdims=True)) / norm


def forward(emb, W, labels, s, m):
    e, e_norm = unit(emb)
    w, w_norm = unit(W)
    cos = e @ w.T
    rows = np.arange(len(emb))
    theta = np.arccos(cos[rows, labels])
    logits = s * cos
    logits[rows, labels] = s * np.cos(theta + m)
    logits = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[rows, labels])
    return loss, {"e": e, "en": e_norm, "w": w, "wn": w_norm, "theta": theta, "p": p, "labels": labels, "s": s, "m": m}


def backward(dloss, c):
    rows = np.arange(len(c["e"]))
    dlogits = c["p"] * dloss[:, None]
    dlogits[rows, c["labels"]] -= dloss
    dcos = c["s"] * dlogits
    ratio = np.sin(c["theta"] + c["m"]) / np.sin(c["theta"])
    dcos[rows, c["labels"]] *= ratio
    de = dcos @ c["w"]
    dw = dcos.T @ c["e"]
    demb = unit_backward(de, c["e"], c["en"])
    dW = unit_backward(dw, c["w"], c["wn"])
    return {"emb": demb, "W": dW}
"""


def problem(rng, size=0):
    n, d, k = ((4, 4, 4), (3, 5, 3))[size]
    return {"emb": rng.normal(size=(n, d)), "W": rng.normal(size=(k, d))}, (rng.integers(k, size=n), 3.0, 0.3)


FAMILY = Family(
    name="arc_face",
    source=SOURCE,
    problem=problem,
    keys=("emb", "W"),
    wrong=[
        Wrong(
            "margin ignored",
            old='    dcos[rows, c["labels"]] *= ratio\n    de = dcos @ c["w"]\n',
            new='    de = dcos @ c["w"]\n',
            cause="The true class's cosine goes through the angle and the margin, and that derivative is missing.",
            label="missing_derivative",
            line='dcos = c["s"] * dlogits',
            fair=('de = dcos @ c["w"]',),
        ),
        Wrong(
            "ratio upside down",
            old='ratio = np.sin(c["theta"] + c["m"]) / np.sin(c["theta"])',
            new='ratio = np.sin(c["theta"]) / np.sin(c["theta"] + c["m"])',
            cause="The two sines of the ratio are exchanged.",
            label="wrong_operand",
            line='ratio = np.sin(c["theta"]) / np.sin(c["theta"] + c["m"])',
        ),
        Wrong(
            "class vectors as they are",
            old='dW = unit_backward(dw, c["w"], c["wn"])',
            new="dW = dw",
            cause="The class vectors are normalised in forward, and that is not differentiated.",
            label="missing_derivative",
            line="dW = dw",
        ),
        Wrong(
            "scale squared",
            old='de = dcos @ c["w"]',
            new='de = c["s"] * dcos @ c["w"]',
            cause="The scale is applied to the gradient a second time.",
            label="extra_term",
            line='de = c["s"] * dcos @ c["w"]',
        ),
        Wrong(
            "margin on all classes",
            old='dcos[rows, c["labels"]] *= ratio',
            new="dcos *= ratio[:, None]",
            cause="The margin is on the true class only, and every column is multiplied.",
            label="mask",
            line="dcos *= ratio[:, None]",
        ),
        Wrong(
            "margin twice, class vectors' length",
            source=apply(
                apply(
                    SOURCE,
                    'ratio = np.sin(c["theta"] + c["m"]) / np.sin(c["theta"])',
                    'ratio = np.sin(c["theta"] + 2 * c["m"]) / np.sin(c["theta"])',
                ),
                'dW = unit_backward(dw, c["w"], c["wn"])',
                'dW = unit_backward(dw, c["w"], 1.0)',
            ),
            cause="The ratio has the margin twice, and the class vectors' gradient is not divided by their length.",
            label="two_mistakes",
            line='ratio = np.sin(c["theta"] + 2 * c["m"]) / np.sin(c["theta"])',
            fair=('dW = unit_backward(dw, c["w"], 1.0)',),
        ),
    ],
    right=[
        Right(
            "through the angle",
            old='    ratio = np.sin(c["theta"] + c["m"]) / np.sin(c["theta"])\n    dcos[rows, c["labels"]] *= ratio\n',
            new="""    dtheta = -c["s"] * np.sin(c["theta"] + c["m"]) * dlogits[rows, c["labels"]]
    cosine = np.cos(c["theta"])
    dcos[rows, c["labels"]] = -dtheta / np.sqrt(1 - cosine**2)
""",
        ),
        Right(
            "one-hot",
            old='    dlogits = c["p"] * dloss[:, None]\n    dlogits[rows, c["labels"]] -= dloss\n',
            new='    onehot = np.eye(c["p"].shape[1])[c["labels"]]\n'
            '    dlogits = (c["p"] - onehot) * dloss.reshape(-1, 1)\n',
        ),
    ],
)
