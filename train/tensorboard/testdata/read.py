"""Reads event files with TensorBoard and compares them with metrics.jsonl.

    python read.py EVENTS METRICS

fails with a message where a scalar, a text or a histogram is not what it should be.
"""
import json
import math
import os
import sys

from tensorboard.backend.event_processing import event_accumulator


def load(directory):
    everything = {k: 0 for k in event_accumulator.DEFAULT_SIZE_GUIDANCE}
    run = event_accumulator.EventAccumulator(directory, size_guidance=everything)
    run.Reload()
    return run


def number(x):
    return float(x)  # numbers that JSON has not are text


def compare(run, name, lines, of):
    tags = set(run.Tags()["scalars"])
    want = {}
    for line in lines:
        for tag, value in of(line).items():
            want.setdefault(tag, []).append((line["step"], number(value)))
    assert tags == set(want), f"{name}: tags {sorted(tags)}, want {sorted(want)}"
    for tag, points in want.items():
        got = [(e.step, e.value) for e in run.Scalars(tag)]
        assert [s for s, _ in got] == [s for s, _ in points], f"{name}: {tag}: steps {[s for s, _ in got]}, want {[s for s, _ in points]}"
        for (step, a), (_, b) in zip(got, points):
            same = math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-30) or math.isnan(a) and math.isnan(b)
            assert same, f"{name}: {tag} at step {step}: {a}, want {b}"
    return sum(map(len, want.values()))


def metrics(m):
    return {k: v for k, v in m.items() if k != "count"}


def of_step(line):
    return metrics(line["batch"]) | {
        "optimizer/learning_rate": line["lr"],
        "optimizer/gradient_norm": line["grad_norm"],
        "pace/epoch": line["epoch"],
        "pace/samples_per_second": line["sequences"] / line["seconds"],
    }


events, path = sys.argv[1:]
lines = [json.loads(line) for line in open(path)]
steps = [line for line in lines if line["kind"] == "step"]
evals = [line for line in lines if line["kind"] == "eval"]
runs = {name: load(os.path.join(events, name)) for name in ("steps", "train", "validation")}
n = compare(runs["steps"], "steps", steps, of_step)
n += compare(runs["train"], "train", evals, lambda line: metrics(line["train"]))
n += compare(runs["validation"], "validation", evals, lambda line: metrics(line["val"]))

texts = {tag: runs["steps"].Tensors(tag) for tag in runs["steps"].Tags()["tensors"]}
assert set(texts) == {"command", "training", "model"}, sorted(texts)
for tag, found in texts.items():
    assert len(found) == 1, f"text {tag}: {len(found)} times"
    assert runs["steps"].SummaryMetadata(tag).plugin_data.plugin_name == "text", tag
    assert found[0].tensor_proto.string_val[0].decode().startswith("    "), tag

names = runs["train"].Tags()["histograms"]
assert names and all(name.startswith("parameters/") for name in names), names
for name in names:
    found = runs["train"].Histograms(name)
    assert [h.step for h in found] == [0] + [line["step"] for line in evals], f"{name}: {[h.step for h in found]}"
    for h in found:
        v = h.histogram_value
        assert sum(v.bucket) == v.num and v.bucket_limit[-1] == v.max, name
print(f"TensorBoard read {n} scalars, {len(texts)} texts and {len(names)} histograms back")
