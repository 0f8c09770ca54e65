"""The retention of RetNet in PyTorch, chunk by chunk, as torchscale computes it but for what its norm cancels.

Sequences are (B, L, H). What a chunk's steps see of each other is computed for all chunks at once,
what was before by a loop over the chunks.
"""

import torch
import torch.nn.functional as F
from torch import nn

CHUNK = 128


def turn(x, angle):
    """x (.., d) with its pairs (2i, 2i+1) turned by angle (.., d/2)."""
    a, b = x[..., ::2], x[..., 1::2]
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)


class Retention(nn.Module):
    """The layer, with the names of torchscale."""

    def __init__(self, h, heads, values=None, chunk=CHUNK):
        super().__init__()
        values = values or 2 * h
        self.h, self.heads, self.chunk, self.width, self.eps = h, heads, chunk, values, 1e-6
        for name, out, inputs in ("q", h, h), ("k", h, h), ("v", values, h), ("g", values, h), ("out", h, values):
            setattr(self, name + "_proj", nn.Linear(inputs, out, bias=False))
        pairs = h // heads // 2
        self.register_buffer("theta", 10000 ** -torch.linspace(0, 1, pairs, dtype=torch.float64), persistent=False)
        self.register_buffer("gamma", 1 - 2 ** (-5 - torch.arange(heads, dtype=torch.float64)), persistent=False)

    def input(self, batch, length):
        return torch.randn(batch, length, self.h)

    def projections(self, x, position):
        """q and k, turned, and v, by heads: (.., heads, L, d). position is (L) or one number."""
        def apart(v):
            return v.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

        angle = (position[..., None] * self.theta).to(x.dtype)
        q, k = apart(self.q_proj(x)), apart(self.k_proj(x)) * (self.h // self.heads) ** -0.5
        return turn(q, angle), turn(k, angle), apart(self.v_proj(x))

    def finish(self, x, o):
        """The output of what the heads return, o (.., width)."""
        o = o.unflatten(-1, (self.heads, -1))
        o = (o * torch.rsqrt(o.square().mean(-1, keepdim=True) + self.eps)).flatten(-2)
        return self.out_proj(F.silu(self.g_proj(x)) * o)

    def forward(self, x):
        length, n = x.shape[1], min(self.chunk, x.shape[1])
        more = -length % n
        q, k, v = (F.pad(y, (0, 0, 0, more)).unflatten(2, (-1, n)) for y in self.projections(x, torch.arange(length)))
        at = torch.arange(n)
        lag = at[:, None] - at
        power = self.gamma[:, None, None] ** lag.clamp(min=0) * (lag >= 0)
        up = (self.gamma[:, None] ** (at + 1)).to(x.dtype)[:, None, :, None]
        down = (self.gamma[:, None] ** (n - 1 - at)).to(x.dtype)[:, None, :, None]
        inner = (q @ k.transpose(-1, -2) * power.to(x.dtype)[:, None]) @ v
        added = (k * down).transpose(-1, -2) @ v
        whole = (self.gamma**n).to(x.dtype)[:, None, None]
        states = [torch.zeros_like(added[:, :, 0])]
        for i in range(added.shape[2] - 1):
            states.append(whole * states[-1] + added[:, :, i])
        o = inner + (q * up) @ torch.stack(states, 2)
        o = o.flatten(2, 3)[:, :, :length].transpose(1, 2).flatten(-2)
        return self.finish(x, o)

    def recurrences(self, batch):
        weight = self.v_proj.weight
        state = torch.zeros(batch, self.heads, self.h // self.heads, self.width // self.heads, dtype=weight.dtype)
        gamma = self.gamma.to(weight.dtype)[:, None, None]
        position = torch.zeros(1, dtype=torch.float64)

        def step(u):
            q, k, v = (y.squeeze(-2) for y in self.projections(u[:, None], position))
            position.add_(1)
            state.mul_(gamma).add_(k[..., None] * v[..., None, :])
            o = (q[..., None, :] @ state).flatten(-3)
            return self.finish(u, o)

        return [step]
