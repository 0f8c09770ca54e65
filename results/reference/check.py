"""Holds the public S4D to a run of ours, from the same parameters and batches.

python3 check.py --code DIR --data EXPORT --run RUN

RUN is ours, and EXPORT what the Go program has written of it. Without dropout it compares the loss of
every step; the gradients of the first one, which stand in RUN's checkpoint if it has one step only, and
the law of the parameters that either side draws; and the parameters after the last step. With dropout, of
a run at a rate of almost 0, it compares losses and norms of gradients on average. The exit status is 0 if
all are within the tolerances.
"""

import argparse
import json
import math
from pathlib import Path

import torch

import public
from train import Run

# Relative, of gradients L2 of each parameter. In float32 the gradients of the public code, of dt above all,
# are further from those in float64 than ours: see README.md.
TOLERANCES = {
    "float64": {"loss of step 1": 1e-12, "losses": 1e-9, "gradients": 1e-9, "parameters": 1e-8},
    "float32": {"loss of step 1": 1e-5, "losses": 1e-4, "gradients": 1e-3, "parameters": 1e-2},
}
CONSTANT = 1e-5  # absolute, of what both sides start with, in float32 at least
DEVIATIONS = 5  # of mean and deviation of what is drawn, in standard errors
DRAWS = 2  # of the masks of every batch


class Report:
    """Prints what has been compared, and counts what is too large."""

    def __init__(self):
        self.bad = 0

    def compare(self, what, error, tolerance):
        ok = error <= tolerance  # NaN is not
        self.bad += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {what:52} {error:.1e} (at most {tolerance:g})")


def difference(got, want):
    return ((got - want).norm() / want.norm().clamp_min(1e-30)).item()


def steps(folder):
    """Lines of metrics of the steps of our run."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == "step"]


def check_steps(run, want, report, tolerance):
    """Losses of all steps."""
    worst = 0.0
    for step, line in enumerate(want, 1):
        loss = line["batch"]["loss"]
        error = abs(run.learn()["batch"]["loss"] - loss) / loss
        if step == 1:
            report.compare("loss of step 1", error, tolerance["loss of step 1"])
        worst = max(worst, error)
    report.compare(f"worst loss of {len(want)} steps", worst, tolerance["losses"])


def ours(run, tensors, prefix, name):
    """A tensor of ours with the shape and the sign of the public parameter name."""
    p = run.config["parameters"][name]
    value = tensors[prefix + p["ours"]].reshape(run.model.state_dict()[name].shape)
    return -value if p["negated"] else value


def check_gradients(run, checkpoint, report, tolerance):
    """The first moments of AdamW after one step are a tenth of the gradients."""
    for name, parameter in run.model.named_parameters():
        want = 10 * ours(run, checkpoint, "train:optimizer.m.", name)
        report.compare(f"gradient of {name}", difference(parameter.grad, want), tolerance["gradients"])


def deviation_error(draws, n, m):
    """The standard error of the difference of the deviations of n and of m draws of one law, by the fourth
    moment of draws of it: for a normal law 1 / sqrt(2) of that of the means, for a uniform one 1 / sqrt(5)."""
    centred = draws - draws.mean()
    kurtosis = (centred.pow(4).mean() / centred.pow(2).mean().pow(2)).item()
    return draws.std().item() * math.sqrt((kurtosis - 1) / 4 * (1 / n + 1 / m))


def check_law(code, config, start, report):
    """Mean and deviation of every parameter that is drawn, over a few draws of the public code, and the
    values of what is not. A pair of conjugate states may be stored by either of the two: A_imag has no sign."""
    drawn = {}
    for seed in range(4):
        torch.manual_seed(seed)
        model, _ = public.make(code, config)
        for name, value in model.state_dict().items():
            drawn.setdefault(name, []).append(value.flatten().double())
    for name, draws in drawn.items():
        ours, theirs = start[name].flatten().double(), torch.cat(draws)
        if torch.equal(draws[0], draws[1]):
            apart = (ours - draws[0]).abs() if not name.endswith("A_imag") else (ours.abs() - draws[0].abs()).abs()
            report.compare(f"start of {name}", apart.max().item(), CONSTANT)
            continue
        error = theirs.std().item() * math.sqrt(1 / len(ours) + 1 / len(theirs))
        report.compare(f"mean of {name}, standard errors", abs((ours.mean() - theirs.mean()).item()) / error, DEVIATIONS)
        error = deviation_error(theirs, len(ours), len(theirs))
        report.compare(f"deviation of {name}, standard errors", abs((ours.std() - theirs.std()).item()) / error, DEVIATIONS)


def check_parameters(run, start, end, report, tolerance):
    """How far the parameters after the last step are apart, to the way that ours went, by kind."""
    apart, way = {}, {}
    for name, value in run.model.state_dict().items():
        kind = ".".join(part for part in name.split(".") if not part.isdigit())
        want = ours(run, end, "", name)
        apart[kind] = apart.get(kind, 0.0) + (value - want).pow(2).sum().item()
        way[kind] = way.get(kind, 0.0) + (want - start[name]).pow(2).sum().item()
    for kind in apart:
        report.compare(f"parameters {kind}", math.sqrt(apart[kind] / way[kind]), tolerance)


def check_dropout(code, folder, want, report):
    """Loss and norm of the gradients of the batches of a run, under masks that each side draws: means over
    the batches, each against the same of the other side, and deviations."""
    draws = []
    for seed in range(DRAWS):
        run = Run(code, folder, start=True, seed=seed)
        lines = [run.learn() for _ in want]
        draws.append([[line["batch"]["loss"], line["grad_norm"]] for line in lines])
    theirs = torch.tensor(draws, dtype=torch.float64)  # (draws, batches, 2)
    mine = torch.tensor([[line["batch"]["loss"], line["grad_norm"]] for line in want], dtype=torch.float64)
    apart = mine - theirs.mean(0)
    for i, name in enumerate(["loss", "norm"]):
        a, b = mine[:, i], theirs[:, :, i].flatten()
        print(f"     {name}: ours {a.mean():.4f}, deviation {a.std():.4f}; public {b.mean():.4f}, {b.std():.4f}")
        error = (apart[:, i].std() / math.sqrt(len(a))).item()
        report.compare(f"mean of the {name}, standard errors", abs(apart[:, i].mean().item()) / error, DEVIATIONS)
        error = deviation_error(b, len(a), len(b))
        report.compare(f"deviation of the {name}, standard errors", abs((a.std() - b.std()).item()) / error, DEVIATIONS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", required=True, help="directory of state-spaces/s4")
    parser.add_argument("--data", required=True, help="directory of an export")
    parser.add_argument("--run", required=True, help="directory of our run")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder, export, report = Path(args.run), Path(args.data), Report()
    want = steps(folder)
    config = json.loads((export / "config.json").read_text())
    if config["dropout"] > 0:
        check_dropout(args.code, export, want, report)
    else:
        run, tolerance = Run(args.code, export, start=True), TOLERANCES[config["dtype"]]
        start = public.read_safetensors(export / "start.safetensors")
        check_steps(run, want, report, tolerance)
        if len(want) == 1:
            check_gradients(run, public.read_safetensors(folder / "last-1.safetensors"), report, tolerance)
            check_law(args.code, config, start, report)
        end = public.read_safetensors(folder / "model/model.safetensors")
        check_parameters(run, start, end, report, tolerance["parameters"])
    print("all within the tolerances" if report.bad == 0 else f"{report.bad} too large")
    raise SystemExit(report.bad > 0)


if __name__ == "__main__":
    main()
