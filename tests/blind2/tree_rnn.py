"""Recursive network over a binary tree: each node combines its two children."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def forward(leaves, W, b, tree):
    values = {}

    def visit(node):
        if isinstance(node, int):
            return leaves[node]
        left, right = visit(node[0]), visit(node[1])
        children = np.concatenate([left, right])
        h = np.tanh(W @ children + b)
        values[node] = (children, h)
        return h

    return visit(tree), (leaves, W, tree, values)


def backward(grad, cache):
    leaves, W, tree, values = cache
    gleaves, gW, gb = np.zeros(leaves.shape), np.zeros(W.shape), np.zeros(len(W))
    d = leaves.shape[1]

    def visit(node, g):
        if isinstance(node, int):
            gleaves[node] += g
            return
        children, h = values[node]
        gz = g * (1 - h**2)
        gW[...] += np.outer(gz, children)
        gb[...] += gz
        gc = W.T @ gz
        visit(node[0], gc[:d])
        visit(node[1], gc[d:])

    visit(tree, grad)
    return gleaves, gW, gb
"""


def problem(rng, size=0):
    n, d, tree = ((4, 3, ((0, 1), ((2, 0), 3))), (3, 2, (((0, 1), 2), (2, 1))))[size]
    inputs = {"leaves": rng.normal(size=(n, d)), "W": rng.normal(size=(d, 2 * d)), "b": rng.normal(size=d)}
    return inputs, (tree,)


FAMILY = Family(
    name="tree_rnn",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "leaf used twice",
            old="gleaves[node] += g",
            new="gleaves[node] = g",
            cause="A leaf that occurs twice in the tree keeps only the gradient of its last place.",
            label="accumulate",
            line="gleaves[node] = g",
        ),
        Wrong(
            "children exchanged",
            old="        visit(node[0], gc[:d])\n        visit(node[1], gc[d:])\n",
            new="        visit(node[0], gc[d:])\n        visit(node[1], gc[:d])\n",
            cause="The left child gets the right child's gradient and the other way round.",
            label="swapped_returns",
            line="visit(node[0], gc[d:])",
            fair=("visit(node[1], gc[:d])",),
        ),
        Wrong(
            "root's weights only",
            old="gW[...] += np.outer(gz, children)",
            new="gW[...] = np.outer(gz, children)",
            cause="The weights' gradient is overwritten at each node.",
            label="accumulate",
            line="gW[...] = np.outer(gz, children)",
        ),
        Wrong(
            "derivative only at the root",
            old="gc = W.T @ gz",
            new="gc = W.T @ g",
            cause="The gradient of the children is handed on without the tanh's derivative.",
            label="missing_derivative",
            line="gc = W.T @ g",
        ),
        Wrong(
            "right subtree skipped",
            old="        visit(node[1], gc[d:])\n",
            new="        if isinstance(node[0], int) or isinstance(node[1], int):\n"
            "            visit(node[1], gc[d:])\n",
            cause="Where both children are subtrees, only the left one is visited.",
            label="missing_term",
            line="if isinstance(node[0], int) or isinstance(node[1], int):",
            fair=(
                "visit(node[1], gc[d:])",
                "gleaves[node] += g",
            ),
        ),
        Wrong(
            "node counter outside",
            source=apply(
                apply(
                    SOURCE,
                    "import numpy as np\n",
                    """import numpy as np

store = {}
""",
                ),
                "    gleaves, gW, gb = np.zeros(leaves.shape), np.zeros(W.shape), np.zeros(len(W))\n",
                "    gleaves, gb = np.zeros(leaves.shape), np.zeros(len(W))\n"
                '    gW = store.setdefault("gW", np.zeros(W.shape))\n',
            ),
            cause="A second call still has the weights' gradient of the first in the same array.",
            label="state",
            line='gW = store.setdefault("gW", np.zeros(W.shape))',
            fair=("gW[...] += np.outer(gz, children)",),
            shows="second_call",
        ),
    ],
    right=[
        Right(
            "stack in place of the recursion",
            old="""    def visit(node, g):
        if isinstance(node, int):
            gleaves[node] += g
            return
        children, h = values[node]
        gz = g * (1 - h**2)
        gW[...] += np.outer(gz, children)
        gb[...] += gz
        gc = W.T @ gz
        visit(node[0], gc[:d])
        visit(node[1], gc[d:])

    visit(tree, grad)
    return gleaves, gW, gb
""",
            new="""    stack = [(tree, grad)]
    while stack:
        node, g = stack.pop()
        if isinstance(node, int):
            gleaves[node] += g
            continue
        children, h = values[node]
        gz = g * (1 - h**2)
        gW += np.outer(gz, children)
        gb += gz
        gc = gz @ W
        stack += [(node[0], gc[:d]), (node[1], gc[d:])]
    return gleaves, gW, gb
""",
        ),
        Right(
            "gradients returned by the recursion",
            old="""    def visit(node, g):
        if isinstance(node, int):
            gleaves[node] += g
            return
        children, h = values[node]
        gz = g * (1 - h**2)
        gW[...] += np.outer(gz, children)
        gb[...] += gz
        gc = W.T @ gz
        visit(node[0], gc[:d])
        visit(node[1], gc[d:])

    visit(tree, grad)
    return gleaves, gW, gb
""",
            new="""    def visit(node, g):
        if isinstance(node, int):
            return [(node, g)], 0 * gW, 0 * gb
        children, h = values[node]
        gz = g - g * h**2
        gc = gz @ W
        (l1, W1, b1), (l2, W2, b2) = (visit(c, part) for c, part in zip(node, (gc[:d], gc[d:])))
        return l1 + l2, W1 + W2 + np.outer(gz, children), b1 + b2 + gz

    parts, gW, gb = visit(tree, grad)
    for leaf, g in parts:
        gleaves[leaf] += g
    return gleaves, gW, gb
""",
        ),
    ],
)
