"""The public S4D, from a directory of its code, and the arrays that the Go program exports.

The code is state-spaces/s4 as it is: models/s4/s4d.py is a module, and example.py a script that
trains when it is imported, of which the model and the optimiser are taken.
"""

import ast
import io
import json
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn


def definitions(code, lr, **kernel):
    """S4Model and setup_optimizer of example.py, whose layers have a kernel of such options."""
    sys.path.insert(0, str(code))
    from models.s4.s4d import S4D

    tree = ast.parse(Path(code, "example.py").read_text())
    names = ["S4Model", "setup_optimizer"]
    tree.body = [node for node in tree.body if getattr(node, "name", None) in names]
    if len(tree.body) != len(names):
        raise SystemExit(f"{code}/example.py: want {' and '.join(names)}")
    scope = {
        "torch": torch, "nn": nn, "optim": torch.optim, "args": SimpleNamespace(lr=lr),
        "S4D": partial(S4D, **kernel), "dropout_fn": nn.Dropout1d,
    }
    exec(compile(tree, "example.py", "exec"), scope)
    return [scope[name] for name in names]


def make(code, config):
    """The public model for an exported configuration, and its AdamW with a factor of its rates by step."""
    S4Model, setup_optimizer = definitions(
        code, config["lr"], d_state=config["d_state"], dt_min=config["dt_min"], dt_max=config["dt_max"]
    )

    class Tokens(S4Model):
        """S4Model with an embedding, and the mean over the steps before a sequence's padding."""

        def __init__(self, vocab, padding, **rest):
            super().__init__(1, **rest)
            self.encoder = nn.Embedding(vocab, rest["d_model"], padding_idx=padding)

        def forward(self, x, lengths):
            x = self.encoder(x).transpose(1, 2)
            for layer, norm, dropout in zip(self.s4_layers, self.norms, self.dropouts):
                x = norm((dropout(layer(x)[0]) + x).transpose(1, 2)).transpose(1, 2)
            counts = torch.arange(x.shape[2]) < lengths[:, None]
            return self.decoder((x * counts[:, None]).sum(2) / lengths[:, None])

    class Features(S4Model):
        """S4Model of sequences of one length."""

        def forward(self, x, lengths):
            return super().forward(x.to(self.encoder.weight.dtype))

    rest = dict(d_output=config["classes"], d_model=config["d_model"], n_layers=config["layers"], dropout=config["dropout"])
    if config["vocab"]:
        model = Tokens(config["vocab"], config["padding"], **rest)
    else:
        model = Features(config["features"], **rest)
    model.to(getattr(torch, config["dtype"]))
    with redirect_stdout(io.StringIO()):  # it prints its groups
        optimizer, _ = setup_optimizer(model, config["lr"], config["weight_decay"], 1)
    check_groups(model, optimizer, config["parameters"])
    return model, optimizer


def check_groups(model, optimizer, parameters):
    """Rates and decays of the public optimiser are those that ours has."""
    want = {name: (p["lr"], p["weight_decay"]) for name, p in parameters.items()}
    names = {id(p): name for name, p in model.named_parameters()}
    got = {names[id(p)]: (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}
    wrong = [f"{name}: {got.get(name)}, ours {want.get(name)}" for name in sorted(got.keys() | want.keys()) if got.get(name) != want.get(name)]
    if wrong:
        raise SystemExit("rates and decays differ:\n" + "\n".join(wrong))


def read_safetensors(path):
    """The tensors of a file, by name."""
    data = Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, t in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        lo, hi = t["data_offsets"]
        dtype = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "U8": np.uint8}[t["dtype"]]
        values = np.frombuffer(data[8 + size + lo : 8 + size + hi], dtype).reshape(t["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


class Part:
    """The examples of an exported part of the data."""

    def __init__(self, folder, name):
        self.x = np.load(folder / f"{name}_x.npy", mmap_mode="r")
        self.length = np.load(folder / f"{name}_length.npy")
        self.y = np.load(folder / f"{name}_y.npy")
        self.start = np.concatenate([[0], np.cumsum(self.length, dtype=np.int64)])

    def __len__(self):
        return len(self.y)

    def batch(self, examples, padding=0):
        """x (B, L, features) or (B, L), lengths (B) and classes (B) of some examples."""
        lengths = self.length[examples]
        x = np.full((len(examples), lengths.max(), *self.x.shape[1:]), padding or 0, self.x.dtype)
        for row, (i, n) in enumerate(zip(examples, lengths)):
            x[row, :n] = self.x[self.start[i] : self.start[i] + n]
        return torch.from_numpy(x), torch.from_numpy(lengths), torch.from_numpy(self.y[examples].astype(np.int64))
