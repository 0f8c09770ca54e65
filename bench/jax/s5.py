"""Times one layer of S5 or of the LRU in JAX, jitted, and prints the result as a line of JSON.

python3 s5.py --model s5 --what fwdbwd --batch 16 --h 128 --n 256 --length 1024
python3 s5.py --check    holds the models to the golden cases in float64, values and gradients

The models are written as the public JAX code writes them: jax.lax.associative_scan over the steps, of
complex numbers, vmapped over the batch; for S5 the gate half_glu1 after gelu, for the LRU full_glu.
  fwd      forward, no gradient
  fwdbwd   forward and backward to the input and all parameters
"""

import argparse
import io
import json
import tarfile
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

GOLDEN = Path(__file__).resolve().parents[2] / "internal/testutil/golden/testdata/s5.tar.gz"


def operator(i, j):
    """Of (a, b): first i, then j."""
    return j[0] * i[0], j[0] * i[1] + j[1]


def scan(a, bx, reverse=False):
    """States (L, P) of s_l = a s_{l-1} + bx_l."""
    return jax.lax.associative_scan(operator, (jnp.broadcast_to(a, bx.shape), bx), reverse=reverse)[1]


def complexes(x):
    return x[..., 0] + 1j * x[..., 1]


def s5(p, x, disc="zoh", rate=1.0, conj_sym=True, clip=False):
    """The model of S5 on one sequence x (L, H)."""
    re = jnp.clip(p["Lambda_re"], None, -1e-4) if clip else p["Lambda_re"]
    lam = re + 1j * p["Lambda_im"]
    dt = rate * jnp.exp(p["log_step"][:, 0])
    if disc == "zoh":
        a = jnp.exp(lam * dt)
        b = ((a - 1) / lam)[:, None] * complexes(p["B"])
    else:
        bl = 1 / (1 - (dt / 2) * lam)
        a = bl * (1 + (dt / 2) * lam)
        b = (bl * dt)[:, None] * complexes(p["B"])
    bx = x @ b.T
    s = scan(a, bx)
    if "C1" in p:
        y = (s @ complexes(p["C1"]).T + scan(a, bx, reverse=True) @ complexes(p["C2"]).T).real
    else:
        y = (s @ complexes(p["C"]).T).real
    return (2 if conj_sym else 1) * y + p["D"] * x


def lru(p, x):
    """The LRU on one sequence x (L, H)."""
    a = jnp.exp(-jnp.exp(p["nu_log"]) + 1j * jnp.exp(p["theta_log"]))
    b = (p["B_re"] + 1j * p["B_im"]) * jnp.exp(p["gamma_log"])[:, None]
    s = scan(a, x @ b.T)
    return (s @ (p["C_re"] + 1j * p["C_im"]).T).real + p["D"] * x


def layer(model, p, x):
    """The model and the gate behind it, of a batch (B, L, H)."""
    if model == "s5":
        g = jax.nn.gelu(jax.vmap(partial(s5, p["seq"]))(x))
        return g * jax.nn.sigmoid(g @ p["out2"] + p["bias2"])
    g = jax.nn.gelu(jax.vmap(partial(lru, p["seq"]))(x))
    return (g @ p["out1"] + p["bias1"]) * jax.nn.sigmoid(g @ p["out2"] + p["bias2"])


def parameters(model, h, n, rng):
    """Parameters that start about as the papers say, in float32."""
    normal = lambda *shape, std=1.0: (std * rng.standard_normal(shape)).astype(np.float32)
    if model == "s5":
        p = n // 2
        seq = {
            "Lambda_re": np.full(p, -0.5, np.float32), "Lambda_im": (-np.pi * np.arange(p)).astype(np.float32),
            "B": normal(p, h, 2, std=(2 * n) ** -0.5), "C": normal(h, p, 2, std=n**-0.5), "D": normal(h),
            "log_step": rng.uniform(np.log(0.001), np.log(0.1), (p, 1)).astype(np.float32),
        }
        return {"seq": seq, "out2": normal(h, h, std=h**-0.5), "bias2": np.zeros(h, np.float32)}
    decay = -0.5 * np.log(rng.uniform(1e-6, 1, n))
    seq = {
        "nu_log": np.log(decay).astype(np.float32), "theta_log": np.log(rng.uniform(1e-6, 6.28, n)).astype(np.float32),
        "gamma_log": (0.5 * np.log(-np.expm1(-2 * decay))).astype(np.float32), "D": normal(h),
        "B_re": normal(n, h, std=(2 * h) ** -0.5), "B_im": normal(n, h, std=(2 * h) ** -0.5),
        "C_re": normal(h, n, std=n**-0.5), "C_im": normal(h, n, std=n**-0.5),
    }
    out = {f"out{i}": normal(h, h, std=h**-0.5) for i in (1, 2)} | {f"bias{i}": np.zeros(h, np.float32) for i in (1, 2)}
    return {"seq": seq} | out


def cases():
    """The golden cases of the file: (meta, arrays)."""
    found = {}
    with tarfile.open(GOLDEN) as tar:
        for member in tar:
            case, _, name = member.name.partition("/")
            if not member.isfile():
                continue
            data = tar.extractfile(member).read()
            meta, arrays = found.setdefault(case, ({}, {}))
            if name == "meta.json":
                meta.update(json.loads(data))
            else:
                arrays[name.removesuffix(".npy")] = np.load(io.BytesIO(data))
    return found


def check():
    """Holds output and gradients to 1e-10 of the golden cases without a state of their own."""
    jax.config.update("jax_enable_x64", True)
    ran = 0
    for name, (meta, arrays) in sorted(cases().items()):
        if meta["kind"] not in ("s5_layer", "lru") or meta.get("irregular") or "state0" in arrays or meta.get("C_init") == "complex_normal":
            continue
        p = {k[2:]: v for k, v in arrays.items() if k.startswith("p_")}
        model = lru
        if meta["kind"] == "s5_layer":
            model = partial(s5, disc=meta["disc"], rate=meta["step_rescale"], conj_sym=meta["conj_sym"], clip=meta["clip_eigs"])

        def loss(p, x):
            y = jax.vmap(partial(model, p))(x)
            return (y * arrays["W"].swapaxes(1, 2)).sum(), y

        (_, y), (gp, gx) = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(p, arrays["x"].swapaxes(1, 2))
        pairs = [(y.swapaxes(1, 2), arrays["y"]), (gx.swapaxes(1, 2), arrays["g_x"])] + [(g, arrays["g_" + k]) for k, g in gp.items()]
        for got, want in pairs:
            error = np.linalg.norm(np.asarray(got) - want) / np.linalg.norm(want)
            if not error < 1e-10:
                raise SystemExit(f"{name}: off by {error:.3g}")
        ran += 1
    print(f"{ran} cases agree")


def measure(run, seconds):
    """Mean time of run in seconds, after a warm-up."""
    for _ in range(2):
        run()
    count, start = 0, time.perf_counter()
    while True:
        run()
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return elapsed / count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--model", choices=["s5", "lru"], default="s5")
    parser.add_argument("--what", choices=["fwd", "fwdbwd"], default="fwdbwd")
    for name, default in ("batch", 16), ("h", 128), ("n", 256), ("length", 1024):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    if args.check:
        return check()
    rng = np.random.default_rng(0)
    p = jax.tree.map(jnp.asarray, parameters(args.model, args.h, args.n, rng))
    x, gy = (jnp.asarray(rng.standard_normal((args.batch, args.length, args.h)), jnp.float32) for _ in range(2))
    f = partial(layer, args.model)
    if args.what == "fwdbwd":
        f = jax.grad(lambda p, x: (layer(args.model, p, x) * gy).sum(), argnums=(0, 1))
    f = jax.jit(f)
    count = sum(v.size for v in jax.tree.leaves(p))
    seconds = measure(lambda: jax.block_until_ready(f(p, x)), args.seconds)
    print(json.dumps({"jax": jax.__version__, "model": args.model, "what": args.what, "seconds": seconds, "params": count}))


if __name__ == "__main__":
    main()
