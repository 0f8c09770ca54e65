"""Trains the public S4D as a run of ours was trained.

python3 train.py --code DIR --data EXPORT --out OUT

EXPORT is what `go run ./results/reference export RUN EXPORT` has written of our run: its data in its
split, the examples of every step, its configuration, and its parameters before training. The public code
draws its own parameters, by --seed, unless --start says that it takes ours. OUT gets metrics.jsonl, as a
run of ours has it, and at the end result.json.
"""

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import public


def factor(step, steps, schedule):
    """Of the rates at a step, from 0, of so many: that of train.Scheduler."""
    warm_up, least = schedule.get("warm_up", 0), schedule.get("min", 0.0)
    if step < warm_up:
        return (step + 1) / warm_up
    kind = schedule.get("kind", "constant")
    if kind == "constant":
        return 1.0
    if kind != "cosine":
        raise SystemExit(f"want a schedule constant or cosine, got {kind}")
    if step >= steps - 1:
        return least
    return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - 1 - warm_up)))


class Sums:
    """Loss and accuracy of examples."""

    def __init__(self):
        self.loss, self.right, self.count = 0.0, 0, 0

    def add(self, loss, logits, y):
        self.loss += loss * len(y)
        self.right += (logits.argmax(1) == y).sum().item()
        self.count += len(y)

    def metrics(self):
        return {"loss": self.loss / self.count, "accuracy": self.right / self.count, "count": self.count}


class Run:
    """A training: what has been done, and what there is."""

    def __init__(self, code, folder, seed=0, start=False, seconds=None):
        folder = Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        torch.manual_seed(seed)
        self.model, self.optimizer = public.make(code, self.config)
        if start:
            self.model.load_state_dict(public.read_safetensors(folder / "start.safetensors"))
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.parts = {name: public.Part(folder, name) for name in ("train", "val", "test")}
        self.order = np.load(folder / "order.npy", mmap_mode="r")
        self.step, self.steps = 0, self.config["steps"]
        self.every = self.config["eval_every"] or self.config["steps_per_epoch"]
        self.seconds = self.config["seconds"] if seconds is None else seconds
        self.evals, self.paced = [], False  # times of evaluations
        self.begun = time.perf_counter()

    def elapsed(self):
        return time.perf_counter() - self.begun

    def batch(self, part, examples):
        return self.parts[part].batch(examples, self.config["padding"])

    def learn(self):
        """A step of training, as a line of metrics."""
        if self.step >= len(self.order):
            raise SystemExit(f"want examples for more than {len(self.order)} steps")
        begun = time.perf_counter()
        examples = self.order[self.step]
        x, lengths, y = self.batch("train", examples[examples >= 0])
        rate = factor(self.step, self.steps, self.config["schedule"])
        for group, peak in zip(self.optimizer.param_groups, self.peaks):
            group["lr"] = peak * rate
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.model(x, lengths)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters()]).item()
        self.optimizer.step()
        self.step += 1
        self.last = Sums()
        self.last.add(loss.item(), logits, y)
        return self.line(
            "step", begun, batch=self.last.metrics(), grad_norm=norm, sequences=len(y), lr=self.config["lr"] * rate
        )

    def line(self, kind, begun, **values):
        """A line of metrics.jsonl."""
        epoch = self.step / self.config["steps_per_epoch"]
        times = {"seconds": time.perf_counter() - begun, "elapsed": self.elapsed()}
        return {"kind": kind, "step": self.step, "epoch": epoch, **values, **times}

    def evaluate(self, part, limit=None):
        """Metrics of the first examples of a part, in batches of similar lengths."""
        self.model.eval()
        lengths, sums = self.parts[part].length[:limit or None], Sums()
        order = np.argsort(lengths, kind="stable")
        with torch.inference_mode():
            for lo in range(0, len(order), self.config["eval_batch"]):
                x, n, y = self.batch(part, order[lo : lo + self.config["eval_batch"]])
                logits = self.model(x, n)
                sums.add(F.cross_entropy(logits, y).item(), logits, y)
        self.model.train()
        return sums.metrics()

    def pace(self, evaluated, limit=None):
        """Lowers the number of steps to what the time will do for, as the Go trainer does."""
        if not self.seconds or self.elapsed() < self.seconds / 10 or self.paced and not evaluated:
            return
        self.paced = True
        step = (self.elapsed() - sum(self.evals)) / self.step
        examples = len(self.parts["val"].length[:limit or None])
        guess = step / 3 * examples / self.config["batch"]
        evaluation = max(self.evals, default=guess)
        left = 0.95 * (self.seconds - self.elapsed()) - evaluation
        fit = self.step + int(left / (step + evaluation / self.every))
        if fit < self.steps:
            self.steps = max(fit, self.step + 1, self.config["schedule"].get("warm_up", 0) + 1)


def fit(run, args, out):
    """Trains to the end, and tests what was best on the validation data."""
    best, state, since = None, None, Sums()
    with open(out / "metrics.jsonl", "w") as metrics:

        def write(line):
            metrics.write(json.dumps(line) + "\n")
            metrics.flush()

        while run.step < run.steps:
            line = run.learn()
            write(line)
            since.loss += run.last.loss
            since.right += run.last.right
            since.count += run.last.count
            evaluated = run.step % run.every == 0 or run.step >= run.steps
            if evaluated:
                begun = time.perf_counter()
                val = run.evaluate("val", args.val_limit)
                write(run.line("eval", begun, train=since.metrics(), val=val, lr=line["lr"]))
                run.evals.append(time.perf_counter() - begun)
                since = Sums()
                if best is None or val["accuracy"] > best["accuracy"]:
                    best, state = val, {k: v.clone() for k, v in run.model.state_dict().items()}
                print(f"step {run.step}/{run.steps}  validation {val['accuracy']:.4f}  {run.elapsed():.0f} s", flush=True)
            elif run.step % 10 == 0:
                print(f"step {run.step}/{run.steps}  loss {line['batch']['loss']:.4f}  {run.elapsed():.0f} s", flush=True)
            run.pace(evaluated, args.val_limit)
    seconds = run.elapsed()
    run.model.load_state_dict(state)
    result = {
        "steps": run.step, "seconds": seconds, "val": best, "test": run.evaluate("test", args.test_limit),
        "parameters": sum(p.numel() for p in run.model.parameters()), "seed": args.seed, "our_start": args.start,
        "arguments": sys.argv[1:], "threads": torch.get_num_threads(), "torch": torch.__version__, "mkl": torch.backends.mkl.is_available(),
    }
    part = out / "result.json.part"
    part.write_text(json.dumps(result, indent=2) + "\n")
    os.replace(part, out / "result.json")
    print(f"validation {best['accuracy']:.4f}, test {result['test']['accuracy']:.4f}, {seconds:.0f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", required=True, help="directory of state-spaces/s4")
    parser.add_argument("--data", required=True, help="directory of an export")
    parser.add_argument("--out", required=True, help="directory of what is written")
    parser.add_argument("--seed", type=int, default=0, help="of the parameters and the dropout")
    parser.add_argument("--start", action="store_true", help="start from our parameters")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="bound of the time; default: that of our run")
    parser.add_argument("--val-limit", type=int, default=0, help="evaluate the first examples only; 0: all")
    parser.add_argument("--test-limit", type=int, default=0, help="test the first examples only; 0: all")
    parser.add_argument("--of", help="the run of ours that the export is of, for result.json alone")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    fit(Run(args.code, args.data, args.seed, args.start, args.seconds), args, out)


if __name__ == "__main__":
    main()
