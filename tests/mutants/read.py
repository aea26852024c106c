"""Causes in other words than the keys have: what edits.py says, where a reader of the mutant found it right.

The keys were written with the relations of diagnosis.py at hand. A change of the backward pass often says the same
more closely. Each of these sentences was read beside the mutant's source.
"""

READ: dict[tuple[str, str], dict[str, str]] = {
    ("batch_norm", "gamma_within_the_bracket_too"): {
        "dx": "in line 24, the derivative of centred / std by std has the factor gamma once too often",
    },
    ("batch_norm_staged", "root_without_its_inner_value"): {
        "dx": "in line 26, the derivative of np.sqrt(var + EPS) has the factor std once too often",
    },
    ("batch_norm_staged", "one_standard_deviation_for_all_features"): {
        "dx": "the gradient of std is summed over axis 0",
    },
    ("bias", "dx_summed_as_well"): {
        "dx": "the gradient of x is summed over axis 0",
    },
    ("bottleneck", "heads_exchanged"): {
        "dh": "the gradient of mean and that of log_var are exchanged",
        "dW": "the gradient of mean and that of log_var are exchanged",
        "db": "the gradient of mean and that of log_var are exchanged",
    },
    ("bottleneck", "sigma_lost"): {
        "dh": "in line 22, the derivative of np.exp(0.5 * log_var) is left out",
        "dW": "in line 22, the derivative of np.exp(0.5 * log_var) is left out",
        "db": "in line 22, the derivative of np.exp(0.5 * log_var) is left out",
    },
    ("bottleneck", "upstream_of_the_kl_summed"): {
        "dh": "the gradient of kl is summed over axis 0",
        "dW": "the gradient of kl is summed over axis 0",
        "db": "the gradient of kl is summed over axis 0",
    },
    ("convolution", "kernel_not_turned_round"): {
        "dx": 'in line 27, the derivative of np.einsum("ncij,fc->nfij", x[:, :, u : u + OH, v : v + OW], w[:, :, u, v]) by x[:, :, u : u + OH, v : v + OW] uses the passes\' w[:, :, u, v] in reverse order',
    },
    ("convolution", "overwritten_in_every_round"): {
        "dx": "the route from x to y (line 27) counts in the last pass alone",
    },
    ("convolution", "overwritten_by_every_window"): {
        "dx": "the route from x to y (line 27) counts in the first pass alone",
    },
    ("convolution", "filters_summed_separately"): {
        "dx": "the gradient of y is summed over axis 1, in this gradient alone",
    },
    ("convolution", "kernel_turned_round_in_a_mean"): {
        "dw": 'in line 27, the derivative of np.einsum("ncij,fc->nfij", x[:, :, u : u + OH, v : v + OW], w[:, :, u, v]) by w[:, :, u, v] uses the passes\' x[:, :, u : u + OH, v : v + OW] in reverse order, in this gradient alone; besides, all of it counts 1/N times',
    },
    ("dropout", "as_at_test_time"): {
        "dx": "in line 21, the derivative of x * mask / KEEP is left out",
    },
    ("dropout", "mask_turned_round"): {
        "dx": "in line 21, the derivative of x * mask is there where it should be 0, and 0 where it should be 1",
    },
    ("dropout", "mask_turned_round_and_not_divided"): {
        "dx": "in line 21, the derivative of x * mask / KEEP is taken for 1 − mask",
    },
    ("elbo", "no_sigmoid"): {
        "dWe": "in line 27, the derivative of np.logaddexp(0, logits) is taken for logits",
        "dbe": "in line 27, the derivative of np.logaddexp(0, logits) is taken for logits",
        "dWd": "in line 27, the derivative of np.logaddexp(0, logits) is taken for logits",
        "dbd": "in line 27, the derivative of np.logaddexp(0, logits) is taken for logits",
    },
    ("elbo", "mean_for_z"): {
        "dWd": "in line 26, the derivative of z @ Wd by Wd uses mean where z belongs",
    },
    ("elbo", "sigma_lost"): {
        "dWe": "in line 25, the derivative of np.exp(0.5 * log_var) is left out",
        "dbe": "in line 25, the derivative of np.exp(0.5 * log_var) is left out",
    },
    ("elbo", "mean_only_through_z"): {
        "dWe": "the route from mean to kl (line 28) is missing",
        "dbe": "the route from mean to kl (line 28) is missing",
    },
    ("elbo", "no_kl_and_divided"): {
        "dWe": "in dWe the term «reconstruction» counts 0.0909091 times: that is 1/N and the term «KL» is missing",
        "dbe": "in dbe the term «reconstruction» counts 0.0909091 times: that is 1/N and the term «KL» is missing",
    },
    ("kl", "upstream_summed"): {
        "dmean": "the gradient of kl is summed over axis 0",
        "dlog_var": "the gradient of kl is summed over axis 0",
    },
    ("max_pool", "repeated_indices_counted_once"): {
        "dx": "the route from x to windows (line 20) counts in the last use of an entry alone",
    },
    ("max_pool", "mask_forgotten"): {
        "dx": "the gradient of windows is summed over axis 2",
    },
    ("mse", "one_dloss_for_all_examples"): {
        "dprediction": "the gradient of loss is summed over axis 0",
    },
    ("relu", "mask_turned_round"): {
        "dx": "in line 13, the derivative of np.maximum(x, 0) is there where it should be 0, and 0 where it should be 1",
    },
    ("relu", "both_masks"): {
        "dx": "7 of the 35 entries of dx are wrong, at [1, 3], [2, 1], [3, 0], [3, 1], …; all others are right",
    },
    ("reparameterise", "log_var_for_sigma"): {
        "dlog_var": "in line 20, the derivative of np.exp(0.5 * log_var) is taken for log_var",
    },
    ("sigmoid", "input_for_output"): {
        "dx": "in line 16, the derivative of 1 / (1 + np.exp(-x)) is taken for x (1 − x)",
    },
    ("sigmoid", "slope_of_tanh"): {
        "dx": "in line 16, the derivative of 1 / (1 + np.exp(-x)) is taken for 1 − y²",
    },
    ("sigmoid", "single_precision"): {
        "dx": "dx agrees with the right gradient to 4e-08 of its size, but not better: single precision on the way, an added epsilon or a difference quotient look like that",
    },
    ("softmax", "diagonal_alone"): {
        "dx": "in line 20, the derivative of exps / np.sum(exps, axis=1, keepdims=True) is taken on its diagonal alone",
    },
    ("strided_convolution", "overwritten_in_every_round"): {
        "dx": "the route from x to y (line 26) counts in the last pass alone",
    },
    ("strided_convolution", "kernel_turned_round"): {
        "dx": 'in line 26, the derivative of np.einsum("ncij,fc->nfij", x[:, :, rows, columns], w[:, :, u, v]) by x[:, :, rows, columns] uses the passes\' w[:, :, u, v] in reverse order',
    },
    ("tanh", "input_for_output"): {
        "dx": "in line 16, the derivative of np.tanh(x) is taken for 1 − x²",
    },
    ("tanh", "slope_of_the_sigmoid"): {
        "dx": "in line 16, the derivative of np.tanh(x) is taken for y (1 − y)",
    },
    ("tanh", "slope_of_tan"): {
        "dx": "in line 16, the derivative of np.tanh(x) is taken for 1 + y²",
    },
    ("twice", "w_on_both_routes"): {
        "dx": "in line 19, the derivative of x + w * np.tanh(x) by x is taken for w",
    },
    ("twice", "slope_of_tanh_from_its_input"): {
        "dx": "in line 19, the derivative of np.tanh(x) is taken for 1 − x²",
    },
    ("twice", "two_wrong_factors"): {
        "dx": "in line 19, the derivative of w * np.tanh(x) by np.tanh(x) is left out",
        "dw": "in line 19, the derivative of w * np.tanh(x) by w uses x where np.tanh(x) belongs",
    },
    ("attention", "softmax_without_its_sum"): {
        "dq": "the route from s to np.exp(s) (line 20) is missing",
        "dk": "the route from s to np.exp(s) (line 20) is missing",
    },
    ("attention", "p_not_transposed"): {
        "dv": "in line 21, the derivative of p @ v by v uses the transpose of p where p belongs",
    },
    ("broadcast", "x_forgotten"): {
        "dc": "in line 20, the derivative of x * c + r by c is left out",
    },
    ("broadcast", "sums_multiplied"): {
        "dc": "the gradient of y is summed over axis 1, in this gradient alone",
    },
    ("embedding", "plus_equals"): {
        "dE": "the route from E to y (line 19) counts in the last use of an entry alone",
    },
    ("layer_norm", "gamma_forgotten_in_dx"): {
        "dx": "in line 22, the derivative of gamma * normed + beta by normed is left out",
    },
    ("mlp", "no_mask"): {
        "dW1": "in line 21, the derivative of np.maximum(h, 0) is left out",
        "db1": "in line 21, the derivative of np.maximum(h, 0) is left out",
    },
    ("mlp", "input_before_the_relu"): {
        "dW2": "in line 22, the derivative of a @ W2 by W2 uses h where a belongs",
    },
    ("mlp", "label_forgotten"): {
        "dW1": "the route from logits to np.exp(logits) (line 23) is missing",
        "db1": "the route from logits to np.exp(logits) (line 23) is missing",
        "dW2": "the route from logits to np.exp(logits) (line 23) is missing",
        "db2": "the route from logits to np.exp(logits) (line 23) is missing",
    },
    ("momentum", "step_by_the_old_v"): {
        "params": "in params the term «the old v» counts 1.25 times: that is 1/MOMENTUM and the term «the gradient» is missing, and everything else is right",
    },
    ("momentum", "average"): {
        "params": "in params the term «the gradient» counts 0.2 times: that is (1 − MOMENTUM), and everything else is right",
    },
    ("recurrent", "overwritten_in_every_step"): {
        "dW": "the route from W to x[:, t] @ W (line 19) counts in the first pass alone",
        "dU": "the route from U to states[t] @ U (line 19) counts in the first pass alone",
        "db": "the route from b to x[:, t] @ W + states[t] @ U + b (line 19) counts in the first pass alone",
    },
    ("recurrent", "new_state_for_the_old"): {
        "dU": "in line 19, the derivative of states[t] @ U by U uses np.tanh(x[:, t] @ W + states[t] @ U + b) where h belongs",
    },
    ("recurrent", "no_slope"): {
        "dx": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is left out",
        "dh": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is left out",
        "dW": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is left out",
        "dU": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is left out",
        "db": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is left out",
    },
    ("recurrent", "slope_of_the_sigmoid"): {
        "dx": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is taken for (its result) (1 − (its result))",
        "dh": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is taken for (its result) (1 − (its result))",
        "dW": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is taken for (its result) (1 − (its result))",
        "dU": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is taken for (its result) (1 − (its result))",
        "db": "in line 19, the derivative of np.tanh(x[:, t] @ W + states[t] @ U + b) is taken for (its result) (1 − (its result))",
    },
    ("residual", "no_mask"): {
        "dx": "in line 20, the derivative of np.maximum(h, 0) is left out",
        "dW": "in line 20, the derivative of np.maximum(h, 0) is left out",
        "db": "in line 20, the derivative of np.maximum(h, 0) is left out",
    },
    ("residual", "input_before_the_relu"): {
        "dV": "in line 21, the derivative of a @ V by V uses h where a belongs",
    },
    ("slope", "power_not_in_front"): {
        "dx": "the route from x to x**3 (line 24) counts 0.333333 times, as much as 1/3",
    },
    ("transposed_convolution", "filter_turned_round"): {
        "dx": 'in line 26, the derivative of np.einsum("nct,cf->nft", x, w[:, :, u]) by x uses the passes\' w[:, :, u] in reverse order',
    },
    ("transposed_convolution", "overwritten_in_every_round"): {
        "dx": "the route from x to y (line 26) counts in the last pass alone",
    },
}
