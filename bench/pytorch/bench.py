"""Times one benchmark of models.py, peers.py or language.py and prints the result as a line of JSON.

python3 bench.py --model s4d --what fwdbwd --batch 16 --h 128 --n 64 --length 1024

  fwd      one layer, forward, no gradient
  fwdbwd   one layer, forward and backward to the input and all parameters
  train    a step of training of a classifier: forward, backward, AdamW
  step     one step of one layer as a recurrence, in the fastest of its ways,
           behind --length steps
  language a step of training of a language model of --vocab tokens
  generate a token of each row of such a model, the most likely one, in the
           fastest of its ways or, --public, S4 as its authors' public code
           steps by default; the cache of a Transformer holds --length steps

Without --what it prints what PyTorch this is.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F

import language
import models
import peers


def peak_bytes():
    """The peak of resident memory of this process; 0 if the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def layer_forward(args):
    layer = models.make_layer(args.model, args.h, args.n, args.length).eval()
    x = layer.input(args.batch, args.length)

    return layer, lambda: layer(x)


def layer_backward(args):
    layer = models.make_layer(args.model, args.h, args.n, args.length)
    x = layer.input(args.batch, args.length).requires_grad_()
    gy = torch.randn_like(x)

    def run():
        layer.zero_grad(set_to_none=True)
        x.grad = None
        layer(x).backward(gy)

    return layer, run


def train_step(args):
    def make():
        return models.make_layer(args.model, args.h, args.n, args.length, args.dropout)

    model = models.Classifier(make, 1, args.h, 10, args.blocks, args.dropout).train()
    optimizer = model.optimizer()
    x = torch.randn(args.batch, args.length, 1)
    target = torch.randint(10, (args.batch,))

    def run():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), target).backward()
        optimizer.step()

    return model, run


def recurrent_step(args):
    layer = models.make_layer(args.model, args.h, args.n, args.length).eval()
    u = torch.randn(args.batch, args.h)
    with torch.inference_mode():
        steps = layer.recurrences(args.batch)
        times = []
        for step in steps:
            for _ in range(args.length):
                step(u)
            times.append(measure(lambda: step(u), min(args.seconds, 0.2))[0])
    step = steps[times.index(min(times))]
    return layer, lambda: step(u)


def language_model(args):
    return language.LanguageModel(args.model, args.vocab, args.h, args.n, args.blocks, args.length)


def language_step(args):
    model = language_model(args).train()
    optimizer = model.optimizer()
    ids, target = (torch.randint(args.vocab, (args.batch, args.length)) for _ in range(2))

    def run():
        optimizer.zero_grad(set_to_none=True)
        model.loss(ids, target).backward()
        optimizer.step()

    return model, run


def generate(args):
    model = language_model(args).eval()

    def writer(way):
        step = model.recurrence(args.batch, way, full=True)
        ids = torch.zeros(args.batch, dtype=torch.int64)

        def write():
            nonlocal ids
            ids = step(ids).argmax(-1)

        return write

    with torch.inference_mode():
        if args.public:
            return model, writer(models.PUBLIC)
        # One after the other: two caches may be more than the memory.
        times = [measure(writer(way), min(args.seconds, 0.5))[0] for way in range(model.ways())]
        return model, writer(times.index(min(times)))


BENCHMARKS = {
    "fwd": layer_forward,
    "fwdbwd": layer_backward,
    "train": train_step,
    "step": recurrent_step,
    "language": language_step,
    "generate": generate,
}


def measure(run, seconds):
    """Mean time of run in seconds, after a warm-up, and the number of runs."""
    for _ in range(2):
        run()
    count, start = 0, time.perf_counter()
    while True:
        run()
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return elapsed / count, count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["s4d", "s4", "longconv", "s4nd", *peers.KINDS], default="s4d")
    parser.add_argument("--what", choices=sorted(BENCHMARKS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--h", type=int, default=128)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--public", action="store_true", help="step as the public code of S4 does by default")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long to measure")
    args = parser.parse_args()

    result = {
        "torch": torch.__version__,
        "mkl": torch.backends.mkl.is_available(),
        "start_bytes": peak_bytes(),
    }
    if args.what:
        torch.set_num_threads(args.threads)
        torch.set_flush_denormal(True)
        torch.manual_seed(1)
        module, run = BENCHMARKS[args.what](args)
        with torch.inference_mode(args.what in ("fwd", "step", "generate")):
            result["seconds"], result["runs"] = measure(run, args.seconds)
        result["params"] = sum(p.numel() for p in module.parameters())
        result["peak_bytes"] = peak_bytes()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
