"""The block of Mamba in PyTorch, as far as it runs on a CPU: its public fast path is for CUDA alone.

Sequences are (B, L, H). The selective scan goes through chunks, each by doubling, and computes a
chunk again for its gradients: a loop over single steps is slower, and the whole sequence at once
does not fit in memory.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

CHUNK = 32


def scan_chunk(state, dt, x, b, c, a):
    """Outputs (T, B, D) and the last state (B, D, N) of T steps: dt, x (T, B, D), b, c (T, B, N)."""
    decay = torch.exp(dt[..., None] * a)
    states = (dt * x)[..., None] * b[:, :, None]
    states = torch.cat([states[:1] + decay[:1] * state, states[1:]])
    span = 1
    while span < len(states):
        states = torch.cat([states[:span], states[span:] + decay[span:] * states[:-span]])
        decay = torch.cat([decay[:span], decay[span:] * decay[:-span]])
        span *= 2
    return (states * c[:, :, None]).sum(-1), states[-1]


def selective_scan(dt, x, b, c, a):
    """The scan of whole sequences, from zero: (L, B, D) and (L, B, N)."""
    state = x.new_zeros(*x.shape[1:], a.shape[-1])
    outputs = []
    for chunk in zip(*(v.split(CHUNK) for v in (dt, x, b, c))):
        y, state = checkpoint(scan_chunk, state, *chunk, a, use_reentrant=False)
        outputs.append(y)
    return torch.cat(outputs), state


class SelectiveScan(nn.Module):
    """The scan alone, with step sizes of about 0.02, D and a gate. All it reads has a gradient."""

    def __init__(self, h, n=16):
        super().__init__()
        self.sizes = h, h, n, n
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, n + 1)).repeat(h, 1))
        self.D = nn.Parameter(torch.ones(h))
        self.bias = nn.Parameter(torch.full((h,), -4.0))

    def input(self, batch, length):
        self.others = [torch.randn(length, batch, n, requires_grad=True) for n in self.sizes]
        return torch.randn(length, batch, self.sizes[0])

    def forward(self, x):
        for v in self.others:
            v.grad = None
        delta, z, b, c = self.others
        y, _ = selective_scan(F.softplus(delta + self.bias), x, b, c, -torch.exp(self.A_log))
        return (y + self.D * x) * F.silu(z)


class Mamba(nn.Module):
    """The block, with the names of the public implementation."""

    def __init__(self, h, n=16, kernel=4, expand=2, rank=None, bias=False):
        super().__init__()
        d, rank = expand * h, rank or math.ceil(h / 16)
        self.h, self.sizes = h, [rank, n, n]
        self.in_proj = nn.Linear(h, 2 * d, bias=bias)
        self.conv1d = nn.Conv1d(d, d, kernel, groups=d)
        self.x_proj = nn.Linear(d, rank + 2 * n, bias=False)
        self.dt_proj = nn.Linear(rank, d)
        self.out_proj = nn.Linear(d, h, bias=bias)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, n + 1)).repeat(d, 1))
        self.D = nn.Parameter(torch.ones(d))
        dt = torch.exp(torch.empty(d).uniform_(math.log(0.001), math.log(0.1)))
        with torch.no_grad():
            self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))

    def input(self, batch, length):
        return torch.randn(batch, length, self.h)

    def operands(self, x):
        """What a scan of x (.., D), behind the convolution, depends on."""
        r, b, c = self.x_proj(x).split(self.sizes, -1)
        return F.softplus(self.dt_proj(r)), x, b, c, -torch.exp(self.A_log)

    def forward(self, u):
        x, z = self.in_proj(u).chunk(2, -1)
        x = F.silu(self.conv1d(F.pad(x.transpose(1, 2), (self.conv1d.kernel_size[0] - 1, 0))))
        x = x.permute(2, 0, 1).contiguous()
        y, _ = selective_scan(*self.operands(x))
        y = (y + self.D * x).transpose(0, 1)
        return self.out_proj(y * F.silu(z))

    def recurrences(self, batch):
        weight, kernel = self.conv1d.weight[:, 0], self.conv1d.kernel_size[0]
        window = torch.zeros(batch, len(weight), kernel, dtype=weight.dtype)
        state = torch.zeros(batch, *self.A_log.shape, dtype=weight.dtype)

        def step(u):
            nonlocal state
            x, z = self.in_proj(u).chunk(2, -1)
            window.copy_(window.roll(-1, -1))
            window[..., -1] = x
            x = F.silu((window * weight).sum(-1) + self.conv1d.bias)
            dt, x, b, c, a = self.operands(x)
            state = torch.exp(dt[..., None] * a) * state + (dt * x)[..., None] * b[:, None]
            y = (state * c[:, None]).sum(-1) + self.D * x
            return self.out_proj(y * F.silu(z))

        return [step]
