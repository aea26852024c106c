"""Pinhole camera: points are moved, projected with focal lengths and one radial distortion, and compared."""

import numpy as np
from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, rng):
        self.t = np.array([0.1, -0.2, 4.0]) + 0.1 * rng.normal(size=3)
        self.f = 1 + rng.random(2)
        self.k = np.array([0.3])

    def forward(self, points):
        self.p = points + self.t
        self.z = self.p[:, 2:]
        self.m = self.p[:, :2] / self.z
        self.r2 = (self.m**2).sum(axis=1, keepdims=True)
        self.scale = 1 + self.k * self.r2
        self.distorted = self.m * self.scale
        return self.f * self.distorted

    def backward(self, grad_uv):
        self.grad_f = (grad_uv * self.distorted).sum(axis=0)
        grad_d = grad_uv * self.f
        grad_scale = (grad_d * self.m).sum(axis=1, keepdims=True)
        self.grad_k = (grad_scale * self.r2).sum(axis=0)
        grad_r2 = grad_scale * self.k
        grad_m = grad_d * self.scale + 2 * grad_r2 * self.m
        grad_xy = grad_m / self.z
        grad_z = -(grad_m * self.m).sum(axis=1, keepdims=True) / self.z
        grad_points = np.hstack([grad_xy, grad_z])
        self.grad_t = grad_points.sum(axis=0)
        return grad_points
"""


def problem(rng, size=0):
    return {"points": rng.normal(size=((4, 3), (6, 3))[size])}, ()


def distant(rng, size=0):
    return {"points": rng.normal(size=(4, 3)) + np.array([0, 0, 3e4])}, ()


def make(Layer, rng, size=0):
    return Layer(rng)


FAMILY = Family(
    name="camera",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"t": "grad_t", "f": "grad_f", "k": "grad_k"},
    wrong=[
        Wrong(
            "depth's gradient without the division",
            old="grad_z = -(grad_m * self.m).sum(axis=1, keepdims=True) / self.z",
            new="grad_z = -(grad_m * self.m).sum(axis=1, keepdims=True)",
            cause="The quotient's derivative by the depth is divided by the depth once more.",
            label="missing_derivative",
            line="grad_z = -(grad_m * self.m).sum(axis=1, keepdims=True)",
        ),
        Wrong(
            "distortion not a function of the point",
            old="grad_m = grad_d * self.scale + 2 * grad_r2 * self.m",
            new="grad_m = grad_d * self.scale",
            cause="The distortion depends on the distance from the centre, and that route is missing.",
            label="missing_term",
            line="grad_m = grad_d * self.scale",
        ),
        Wrong(
            "undistorted point for the focal length",
            old="self.grad_f = (grad_uv * self.distorted).sum(axis=0)",
            new="self.grad_f = (grad_uv * self.m).sum(axis=0)",
            cause="The focal length multiplies the distorted point, and the undistorted one is used.",
            label="wrong_operand",
            line="self.grad_f = (grad_uv * self.m).sum(axis=0)",
        ),
        Wrong(
            "distortion of the first points",
            source=apply(
                apply(
                    SOURCE,
                    "        grad_d = grad_uv * self.f\n",
                    '        grad_d = grad_uv * self.f\n        self.kept = self.__dict__.get("kept", self.scale)\n',
                ),
                "grad_m = grad_d * self.scale + 2 * grad_r2 * self.m",
                "grad_m = grad_d * self.kept + 2 * grad_r2 * self.m",
            ),
            cause="The scales of the first call's points are used ever after.",
            label="state",
            line='self.kept = self.__dict__.get("kept", self.scale)',
            fair=("grad_m = grad_d * self.kept + 2 * grad_r2 * self.m",),
            shows="second_call",
        ),
        Wrong(
            "output scaled in place",
            source=apply(
                apply(
                    SOURCE,
                    "        return self.f * self.distorted\n",
                    "        self.uv = self.f * self.distorted\n        return self.uv\n",
                ),
                "        self.grad_f = (grad_uv * self.distorted).sum(axis=0)\n",
                "        self.uv /= self.f\n        self.grad_f = (grad_uv * self.distorted).sum(axis=0)\n",
            ),
            cause="The output is kept and divided by the focal lengths in place, to get the distorted point back.",
            label="overwrite",
            line="self.uv /= self.f",
            shows="output_changed",
        ),
        Wrong(
            "translation in the plane only",
            old="self.grad_t = grad_points.sum(axis=0)",
            new="self.grad_t = np.append(grad_xy.sum(axis=0), 0.0)",
            cause="The translation moves the depth as well, and its third entry gets nothing.",
            label="mask",
            line="self.grad_t = np.append(grad_xy.sum(axis=0), 0.0)",
        ),
    ],
    right=[
        Right(
            "homogeneous coordinates",
            old="""        grad_xy = grad_m / self.z
        grad_z = -(grad_m * self.m).sum(axis=1, keepdims=True) / self.z
        grad_points = np.hstack([grad_xy, grad_z])
""",
            new="""        J = np.zeros((len(self.p), 2, 3))
        J[:, 0, 0] = J[:, 1, 1] = 1 / self.z[:, 0]
        J[:, :, 2] = -self.p[:, :2] / self.z**2
        grad_points = np.einsum("ni,nij->nj", grad_m, J)
""",
        ),
        Right(
            "points far away",
            problem=distant,
            difficult=True,
        ),
    ],
)
