"""Checks models.py, s4nd.py, peers.py and language.py in float64 against the golden cases of this repository.

python3 check.py        exit status 0 if every relative error (L2) is at most 1e-10
"""

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import language
import models
import peers
import s4nd
import shared

GOLDEN = Path(__file__).resolve().parents[2] / "internal/testutil/golden/testdata"
TOLERANCE = 1e-10


class Case:
    """One golden case: meta.json and its arrays as tensors."""

    def __init__(self, name):
        self.name, self.meta, self.arrays = name, None, {}

    def __getitem__(self, name):
        return self.arrays[name]

    def parameter(self, kind, name):
        """An array of a module's parameter: "p_" or "g_" and so on, and its dotted name."""
        return self[kind + name.replace(".", "__")]


def read_cases(folder):
    cases = {}
    for path in sorted(folder.glob("*.tar.gz")):
        read_file(path, cases)
    return sorted(cases.values(), key=lambda case: case.name)


def read_file(path, cases):
    with tarfile.open(path) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if not member.isfile() or len(parts) < 2:
                continue
            case = cases.setdefault(parts[-2], Case(parts[-2]))
            data = tar.extractfile(member).read()
            if parts[-1] == "meta.json":
                case.meta = json.loads(data)
            elif parts[-1].endswith(".npy"):
                case.arrays[parts[-1][: -len(".npy")]] = torch.from_numpy(np.load(io.BytesIO(data)))


class Report:
    """Collects relative errors by case."""

    def __init__(self):
        self.worst = {}

    def compare(self, case, got, want):
        error = ((got - want).norm() / want.norm()).item()
        if not error <= self.worst.get(case, -1.0):  # NaN counts as worse
            self.worst[case] = error

    def print(self):
        bad = 0
        for case, error in self.worst.items():
            ok = error <= TOLERANCE
            bad += not ok
            print(f"{'ok  ' if ok else 'FAIL'} {case:32} {error:.1e}")
        print(f"{len(self.worst) - bad} passed, {bad} failed")
        return bad == 0 and len(self.worst) > 0


def leaf(value):
    return value.clone().requires_grad_()


def check_s4d_kernel(case, report):
    names = ["log_dt", "log_A_real", "A_imag", "C"]
    log_dt, log_a_real, a_imag, c = leaves = [leaf(case[name]) for name in names]
    a = torch.complex(-log_a_real.exp(), a_imag)
    k = models.s4d_kernel(log_dt.exp(), a, torch.view_as_complex(c), case["K"].shape[-1])
    report.compare(case.name, k, case["K"].reshape(k.shape))
    (k * case["W"].reshape(k.shape)).sum().backward()
    for name, value in zip(names, leaves):
        report.compare(case.name, value.grad, case["g_" + name])


def check_dplr_kernel(case, report):
    h, length = case.meta["H"], case.meta["L"]
    share = torch.arange(h) % case.meta["n_ssm"]  # feature h uses row h mod S
    names = ["log_dt", "A", "P", "B", "Ct"]
    log_dt, a, p, b, ct = leaves = [leaf(case[name]) for name in names]
    complexes = [torch.view_as_complex(v) for v in (a, p[0], b, ct[0])]
    a, p, b = (v[share] for v in complexes[:3])
    k = models.dplr_kernel(log_dt[:, 0].exp(), a, p, b, complexes[3], case.meta["L_kernel"])
    k = k[None, :, :length]
    report.compare(case.name, k, case["K"])
    (k * case["W"]).sum().backward()
    for name, value in zip(names, leaves):
        report.compare(case.name, value.grad, case["g_" + name])


def check_layer(case, layer, report, gradient):
    """gradient(name, grad) pairs our gradient of a parameter with the golden one."""
    x = leaf(case["x"])
    y = layer(x)
    report.compare(case.name, y, case["y"])
    (y * case["W"]).sum().backward()
    report.compare(case.name, x.grad, case["g_x"])
    for name, value in layer.named_parameters():
        got, want = gradient(name, value.grad)
        report.compare(case.name, got, want)


def check_s4d_layer(case, report):
    layer = models.make_layer("s4d", case.meta["H"], 2 * case.meta["N_half"], case.meta["L"])
    layer.load_state_dict({name: case.parameter("p_", name) for name in layer.state_dict()})
    check_layer(case, layer, report, lambda name, grad: (grad, case.parameter("g_", name)))


# The names and signs of S4 parameters in the golden cases.
S4_NAMES = {"log_dt": ("inv_dt", 1), "log_A_real": ("A_real", 1), "A_imag": ("A_imag", -1)}


def check_s4_layer(case, report):
    h = case.meta["H"]
    layer = models.make_layer("s4", h, case["p_layer__kernel__C"].shape[-2] * 2, case.meta["L"])
    shapes = {name: value.shape for name, value in layer.state_dict().items()}

    def golden(kind, name):
        part, _, last = name.rpartition(".")
        last, sign = S4_NAMES.get(last, (last, 1))
        path = f"{part}.{last}" if part else last
        if not path.startswith("output_linear"):
            path = "layer." + path
        return sign * case.parameter(kind, path)

    def stored(name):
        """The stored rows: (S, ...) for shared parameters, else those of our shape."""
        rows = golden("p_", name)
        tail = shapes[name][1:].numel()
        return rows.reshape(rows.numel() // tail, *shapes[name][1:])

    def spread(name):
        rows = stored(name)
        return rows[torch.arange(shapes[name][0]) % rows.shape[0]]

    def gradient(name, grad):
        rows = stored(name)
        summed = grad.reshape(-1, *rows.shape).sum(0)  # feature h uses row h mod S
        return summed, golden("g_", name).reshape(rows.shape)

    layer.load_state_dict({name: spread(name) for name in shapes})
    check_layer(case, layer, report, gradient)


def check_classifier(case, report):
    meta = case.meta

    def make():
        return models.make_layer("s4d", meta["H"], 2 * meta["N_half"], meta["L"])

    model = models.Classifier(make, meta["d_input"], meta["H"], meta["d_output"], meta["n_layers"])
    model.load_state_dict({name: case.parameter("p0_", name) for name in model.state_dict()})
    optimizer = model.optimizer()
    for step in range(meta["steps"]):
        optimizer.zero_grad(set_to_none=True)
        logits = model(case["x"])
        loss = F.cross_entropy(logits, case["target"])
        loss.backward()
        report.compare(case.name, loss, case["losses"][step])
        if step == 0:
            report.compare(case.name, logits, case["logits"])
            for name, value in model.named_parameters():
                report.compare(case.name, value.grad, case.parameter("g_", name))
        optimizer.step()
    for name, value in model.named_parameters():
        report.compare(case.name, value, case.parameter("p3_", name))


def golden_parameters(case, layer, prefix):
    """Loads the parameters of a module, and returns a function that pairs a gradient with the golden one."""

    def array(kind, name):
        return case.parameter(kind, name.removeprefix(prefix))

    layer.load_state_dict({name: array("p_", name) for name in layer.state_dict()})
    return lambda name, grad: (grad, array("g_", name))


def check_recurrent(case, report):
    meta = case.meta
    layer = peers.Recurrent(meta["kind"], meta["I"], meta["H"], num_layers=meta["layers"], bidirectional=meta["bidirectional"])
    gradient = golden_parameters(case, layer, "rnn.")
    x = leaf(case["x"].permute(2, 0, 1))
    names = ["h0", "c0"][: 1 + (meta["kind"] == "lstm")]
    states = [leaf(case[name]) for name in names]
    state = tuple(states) if len(states) == 2 else states[0]
    y, last = layer.rnn(x, state)
    report.compare(case.name, y.permute(1, 2, 0), case["y"])
    loss = (y.permute(1, 2, 0) * case["W"]).sum()
    for name, value in zip(["h_final", "c_final"], last if len(states) == 2 else [last]):
        report.compare(case.name, value, case[name])
        loss = loss + (value * case["W_" + name]).sum()
    loss.backward()
    report.compare(case.name, x.grad.permute(1, 2, 0), case["g_x"])
    for name, value in zip(names, states):
        report.compare(case.name, value.grad, case["g_" + name])
    for name, value in layer.named_parameters():
        report.compare(case.name, *gradient(name, value.grad))


def check_shared(case, report):
    """The model of S5 or of the LRU, without the gates behind it."""
    meta = case.meta
    if meta["kind"] == "lru":
        layer = shared.LRU(meta["H"], meta["P"])
    else:
        layer = shared.S5(meta["H"], 2 * meta["P"])
    with torch.no_grad():
        for name, value in layer.named_parameters():
            if not name.startswith("out."):
                value.copy_(case.parameter("p_", name))
    x = leaf(case["x"].transpose(1, 2))
    y = layer.sequence(x).transpose(1, 2)
    report.compare(case.name, y, case["y"])
    (y * case["W"]).sum().backward()
    report.compare(case.name, x.grad.transpose(1, 2), case["g_x"])
    for name, value in layer.named_parameters():
        if not name.startswith("out."):
            report.compare(case.name, value.grad, case.parameter("g_", name))


def sinusoids(length, h):
    """The positions (L, H) of a Transformer."""
    angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, h, 2) / h)
    return torch.stack([angle.sin(), angle.cos()], -1).reshape(length, h)


def check_transformer(case, report):
    meta = case.meta
    length = meta["L"]
    for full in False, True:
        layer = peers.Transformer(meta["E"], meta["heads"], meta["d_ff"], length, full, meta["prenorm"])
        gradient = golden_parameters(case, layer, "layer.")
        x = leaf(case["x"].transpose(1, 2))
        u = x + sinusoids(length, meta["E"]) if meta["positions"] == "sinusoidal" else x
        mask = padding = None
        if meta["causal"]:
            mask = torch.ones(length, length, dtype=torch.bool).triu(1)
        if "lengths" in case.arrays:
            padding = torch.arange(length) >= case["lengths"][:, None]
        y = layer(u, mask, padding).transpose(1, 2)
        report.compare(case.name, y, case["y"])
        (y * case["W"]).sum().backward()
        report.compare(case.name, x.grad.transpose(1, 2), case["g_x"])
        for name, value in layer.named_parameters():
            report.compare(case.name, *gradient(name, value.grad))


def check_conv1d(case, report):
    check_convolution(case, report, peers.CausalConv)
    if case.meta["depthwise"]:
        check_convolution(case, report, peers.ConvOfTaps)


def check_convolution(case, report, kind):
    meta = case.meta
    layer = kind(
        meta["C_in"], meta["C_out"], meta["kernel"], groups=meta["groups"], dilation=meta["dilation"], bias=meta["bias"]
    )
    gradient = golden_parameters(case, layer, "conv.")
    x = leaf(case["x"])
    before = leaf(case["state0"]) if meta["has_state"] else None
    y = layer(x, before)
    report.compare(case.name, y, case["y"])
    (y * case["W"]).sum().backward()
    report.compare(case.name, x.grad, case["g_x"])
    if before is not None:
        report.compare(case.name, before.grad, case["g_state0"])
    for name, value in layer.named_parameters():
        report.compare(case.name, *gradient(name, value.grad))


def check_mamba(case, report):
    meta = case.meta
    check_rows(case, report, peers.Mamba(meta["d_model"], meta["d_state"], meta["d_conv"], meta["expand"], meta["dt_rank"], meta["bias"]))


def check_retention(case, report):
    meta = case.meta
    check_rows(case, report, peers.Retention(meta["E"], meta["heads"], meta["V"], meta["chunk"]))


def check_mega(case, report):
    meta = case.meta
    layer = peers.Mega(
        meta["D"], meta["N"], meta["Z"], meta["V"], meta["chunk"], meta["causal"], meta["attention"] == "laplace",
        meta["rel_pos_bias"] == "rotary", meta["prenorm"], meta["max_positions"],
    )
    check_rows(case, report, layer, lambda name: name.replace("norm.", "norm.norm."))


def check_rows(case, report, layer, array=lambda name: name):
    """A layer of sequences (B, L, H). array gives the name that a parameter has in a case."""
    layer.load_state_dict({name: case.parameter("p_", array(name)) for name in layer.state_dict()})
    x = leaf(case["x"])
    y = layer(x.transpose(1, 2)).transpose(1, 2)
    report.compare(case.name, y, case["y"])
    (y * case["W"]).sum().backward()
    report.compare(case.name, x.grad, case["g_x"])
    for name, value in layer.named_parameters():
        report.compare(case.name, value.grad, case.parameter("g_", array(name)))


def check_hippo_rnn(case, report):
    layer = peers.HiPPORNN(case.meta["I"], case.meta["H"], case.meta["N"], case.meta["L"])
    with torch.no_grad():
        for name, value in layer.named_parameters():
            value.copy_(case["p_" + name.replace(".", "__")])
    x = case["x"].permute(2, 0, 1).clone().requires_grad_()
    y = layer(x)
    report.compare(case.name, y.permute(1, 2, 0), case["y"])
    (y.permute(1, 2, 0) * case["W"]).sum().backward()
    report.compare(case.name, x.grad.permute(1, 2, 0), case["g_x"])
    for name, value in layer.named_parameters():
        report.compare(case.name, value.grad, case["g_" + name.replace(".", "__")])


def check_images(case, report):
    """A convolution of images with a product of kernels."""
    u, k1, k2, d = (leaf(case[name]) for name in ("u", "k1", "k2", "D"))
    y = s4nd.nd_conv(u, k1, k2, d[0])
    report.compare(case.name, y, case["y"])
    (y * case["W"]).sum().backward()
    for name, value in ("u", u), ("k1", k1), ("k2", k2), ("D", d):
        report.compare(case.name, value.grad, case["g_" + name])


def check_image_kernels(report):
    """The kernels along an axis are those of S4D, but for B and the direction."""
    torch.manual_seed(1)
    one, two = models.S4DKernel(3, 8), s4nd.AxisKernel(3, 8, models.s4d_kernel)
    with torch.no_grad():
        one.log_dt.copy_(two.log_dt)
        for direction in range(2):
            one.C.copy_(two.C[direction])
            report.compare(f"s4nd kernel {direction + 1} = s4d", two(20)[direction], one(20))


def check_ckconv(case, report):
    meta = case.meta
    layer = peers.CKConv(meta["C_in"], meta["C_out"], meta["hidden"], meta["omega_0"], meta["L"])
    sign = case["p_kernel_net__0__weight_v"][..., 0].sign()

    def array(prefix, name):
        if name == "kernel_net.0.weight":  # of one input: a direction is a sign
            return case[prefix + "_kernel_net__0__weight_g"][..., 0] * sign
        return case[prefix + "_" + name.replace(".", "__")]

    with torch.no_grad():
        for name, value in layer.named_parameters():
            value.copy_(array("p", name).reshape(value.shape))
    x = case["x"].clone().requires_grad_()
    y = layer(x)
    report.compare(case.name, y, case["y"])
    (y * case["W"]).sum().backward()
    report.compare(case.name, x.grad, case["g_x"])
    for name, value in layer.named_parameters():
        report.compare(case.name, value.grad, array("g", name).reshape(value.shape))


def check_free_kernel(report):
    """The convolution with a free kernel is the sum of its products."""
    torch.manual_seed(1)
    h, length = 3, 50
    kernel = models.make_layer("longconv", h, 0, length).kernel(length)
    x = torch.randn(2, h, length)
    with torch.no_grad():
        want = F.conv1d(F.pad(x, (length - 1, 0)), kernel.flip(-1)[:, None], groups=h)
        report.compare("longconv = sum of products", models.fft_conv(x, kernel), want)


def check_steps(kind, report):
    """A peer stepped through a sequence gives what it gives for the sequence, whichever way it steps."""
    torch.manual_seed(1)
    batch, h, length = 3, 16, 50
    layer = peers.make_layer(kind, h, length)
    x = layer.input(batch, length)
    axis = {"lstm": 0, "gru": 0, "hippo-rnn": 0, "s5": 1, "lru": 1, "transformer": 1, "feedforward": 1, "conv1d": 2, "mamba": 1, "retention": 1, "mega": 1}[kind]
    with torch.no_grad():
        if kind == "transformer":
            want = layer(x, torch.ones(length, length, dtype=torch.bool).triu(1))
        else:
            want = layer(x)
        for way, step in enumerate(layer.recurrences(batch)):
            steps = torch.stack([step(x.select(axis, i)) for i in range(length)], axis)
            report.compare(f"{kind} recurrence {way + 1} = sequence", steps, want)


def check_recurrence(kind, report):
    """A layer stepped through a sequence gives what its convolution gives, whichever way it steps."""
    torch.manual_seed(1)
    batch, h, n, length = 3, 4, 64, 50
    layer = models.make_layer(kind, h, n, length)
    x = torch.randn(batch, h, length)
    with torch.no_grad():
        for way, step in enumerate(layer.recurrences(batch)):
            steps = torch.stack([step(x[..., i]) for i in range(length)], -1)
            report.compare(f"{kind} recurrence {way + 1} = convolution", steps, layer(x))


def check_writing(kind, report):
    """A language model that reads token by token gives what it gives for the sequence."""
    torch.manual_seed(1)
    batch, length = 3, 50
    model = language.LanguageModel(kind, 20, 16, 8, 2, length)
    ids = torch.randint(20, (batch, length))
    with torch.no_grad():
        for way in range(model.ways()):
            step = model.recurrence(batch, way)
            steps = torch.stack([step(ids[:, i]) for i in range(length)], 1)
            report.compare(f"{kind} language model {way + 1} = sequence", steps, model(ids))


def main():
    torch.set_default_dtype(torch.float64)
    report = Report()
    for case in read_cases(GOLDEN):
        meta = case.meta
        if meta["kind"] == "s4d_minimal_kernel":
            check_s4d_kernel(case, report)
        elif meta["kind"] == "dplr_kernel" and (meta["rank"], meta["channels"], meta["rate"]) == (1, 1, 1):
            check_dplr_kernel(case, report)
        elif case.name.startswith("layer_s4d_min"):
            check_s4d_layer(case, report)
        elif case.name in ("layer_s4block_dplr_a", "layer_s4block_dplr_b"):
            check_s4_layer(case, report)
        elif meta["kind"] == "model":
            check_classifier(case, report)
        elif meta["kind"] in ("lstm", "gru") and "lengths" not in case.arrays:
            check_recurrent(case, report)
        elif meta["kind"] == "lru" and "state0" not in case.arrays:
            check_shared(case, report)
        elif case.name == "s5_layer_0_zoh_H4_P3_L20":
            check_shared(case, report)
        elif meta["kind"] == "transformer_layer" and "rotary" not in meta["positions"]:
            check_transformer(case, report)
        elif meta["kind"] == "conv1d" and meta["padding"] == "causal" and meta["stride"] == 1:
            check_conv1d(case, report)
        elif meta["kind"] == "ckconv" and meta["sr_change"] == 1:
            check_ckconv(case, report)
        elif case.name == "hippo_rnn_0_code_legs_bilinear_M1_N6_L12":
            check_hippo_rnn(case, report)
        elif meta["kind"] == "mamba_block" and not meta["residual"]:
            check_mamba(case, report)
        elif meta["kind"] == "retention" and meta["norm"] == "rms" and meta["scores"] == "plain" and not meta["has_state"]:
            check_retention(case, report)
        elif meta["kind"] == "s4nd_conv2d" and (meta.get("trank", 1), meta.get("channels", 1)) == (1, 1):
            check_images(case, report)
        elif meta["kind"] == "mega_layer":
            check_mega(case, report)
    check_free_kernel(report)
    check_image_kernels(report)
    for kind in "s4d", "s4":
        check_recurrence(kind, report)
    for kind in "lstm", "gru", "hippo-rnn", "s5", "lru", "transformer", "feedforward", "conv1d", "mamba", "retention", "mega":
        check_steps(kind, report)
    for kind in "s4", "s4d", "transformer":
        check_writing(kind, report)
    sys.exit(0 if report.print() else 1)


if __name__ == "__main__":
    main()
