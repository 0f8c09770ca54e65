"""The gated attention of Mega in PyTorch, causal and in chunks, without its casts and kernels for CUDA.

Sequences are (B, L, H). The moving average is a convolution by FFT, as published.
"""

import torch
import torch.nn.functional as F
from torch import nn

CHUNK = 128
LAPLACE = 0.707107, 0.282095  # mean and deviation


class Average(nn.Module):
    """The multi-dimensional damped moving average, with the names of the public implementation."""

    def __init__(self, h, n, directions):
        super().__init__()
        shape = directions * h, n, 1
        self.directions = directions
        self.delta, self.alpha = nn.Parameter(0.2 * torch.randn(shape)), nn.Parameter(0.2 * torch.randn(shape))
        self.beta = nn.Parameter((1.0 - 2 * (torch.arange(n) % 2))[:, None] + 0.02 * torch.randn(shape))
        self.gamma, self.omega = nn.Parameter(torch.randn(shape[:2])), nn.Parameter(torch.randn(h))

    def coefficients(self):
        p = torch.sigmoid(self.delta)
        return 1 - p * torch.sigmoid(self.alpha), p * self.beta, self.gamma * self.gamma.shape[-1] ** -0.5

    def forward(self, x):
        """x (B, H, L)."""
        length = x.shape[-1]
        q, b, g = self.coefficients()
        powers = torch.exp(torch.arange(length) * torch.log(q))
        kernels = torch.einsum("dnl,dn->dl", b * powers, g).chunk(self.directions)
        spectrum = torch.fft.rfft(x, 2 * length)
        product = torch.fft.rfft(kernels[0], 2 * length)
        if self.directions == 2:
            product = product + torch.fft.rfft(kernels[1], 2 * length).conj()
        y = torch.fft.irfft(spectrum * product, 2 * length)[..., :length]
        return F.silu(y + self.omega[:, None] * x)

    def step(self, state, x):
        """x (B, H); state (B, H, N) is changed in place."""
        q, b, g = self.coefficients()
        state.mul_(q[..., 0]).add_(b[..., 0] * x[..., None])
        return F.silu((state * g).sum(-1) + self.omega * x)


class Bias(nn.Module):
    """A number for each relative position, or the product of two turned vectors."""

    def __init__(self, positions, z, rotary):
        super().__init__()
        self.rotary = rotary
        if rotary:
            self.alpha, self.beta = (nn.Parameter(0.02 * torch.randn(1, z)) for _ in range(2))
        else:
            self.rel_pos_bias = nn.Parameter(0.02 * torch.randn(2 * positions - 1))

    def forward(self, n):
        at = torch.arange(n)
        if not self.rotary:
            return self.rel_pos_bias[(len(self.rel_pos_bias) - 1) // 2 + at - at[:, None]]
        pairs = self.alpha.shape[1] // 2
        angle = at[:, None] * 10000 ** (-torch.arange(pairs) / pairs)

        def turned(v):
            a, b = v.chunk(2, -1)
            return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)

        return turned(self.alpha) @ turned(self.beta).T


class Mega(nn.Module):
    """The layer, with the names of the public implementation; the norm is nn.LayerNorm."""

    def __init__(self, h, n=16, z=None, v=None, chunk=CHUNK, causal=True, laplace=False, rotary=False, prenorm=False, positions=None):
        super().__init__()
        z, v = z or (h + 3) // 4 * 2, v or 2 * h
        self.h, self.sizes, self.chunk = h, [h, z, v, h], chunk
        self.causal, self.laplace, self.prenorm = causal, laplace, prenorm
        self.move = Average(h, n, 1 if causal else 2)
        self.norm = nn.LayerNorm(h)
        self.v_proj, self.mx_proj, self.h_proj = nn.Linear(h, v), nn.Linear(h, 2 * h + z + v), nn.Linear(v, h)
        self.gamma, self.beta = nn.Parameter(0.02 * torch.randn(2, z)), nn.Parameter(torch.zeros(2, z))
        self.rel_pos_bias = Bias(positions or chunk, z, rotary)

    def input(self, batch, length):
        return torch.randn(batch, length, self.h)

    def weights(self, scores, seen):
        if not self.laplace:
            return torch.softmax(scores, -1)
        mean, deviation = LAPLACE
        weights = 0.5 * (1 + torch.erf((scores - mean) / (deviation * 2**0.5)))
        return weights if seen is None else weights * seen

    def attend(self, q, k, v):
        """One chunk, or many: q, k (.., n, Z), v (.., n, V)."""
        n, seen = q.shape[-2], None
        number = q.new_full((n, 1), n)
        if self.causal:
            seen = torch.ones(n, n, dtype=torch.bool).tril()
            number = seen.sum(-1, keepdim=True)
        scale = 1 / number if self.laplace else q.shape[-1] ** -0.5
        scores = q @ k.transpose(-1, -2) * scale + self.rel_pos_bias(n)
        if self.causal and not self.laplace:
            scores = scores.masked_fill(~seen, -torch.inf)
        return self.weights(scores, seen) @ v

    def parts(self, x, mx):
        u, z, r, hx = self.mx_proj(mx).split(self.sizes, -1)
        z, r = F.silu(z), F.silu(r)
        q, k = (z[..., None, :] * self.gamma + self.beta).unbind(-2)
        return u, q, k, F.silu(self.v_proj(x)), r, hx

    def finish(self, x, u, h, r, hx):
        h = F.silu(hx + self.h_proj(h * r))
        y = torch.addcmul(x, torch.sigmoid(u), h - x)
        return y if self.prenorm else self.norm(y)

    def forward(self, x):
        length = x.shape[1]
        n = length if self.chunk < 0 else min(self.chunk, length)
        xn = self.norm(x) if self.prenorm else x
        mx = self.move(xn.transpose(1, 2)).transpose(1, 2)
        u, q, k, v, r, hx = self.parts(xn, mx)
        whole = length // n * n
        parts = [self.attend(*(y[:, :whole].unflatten(1, (-1, n)) for y in (q, k, v))).flatten(1, 2)]
        if whole < length:
            parts.append(self.attend(*(y[:, whole:] for y in (q, k, v))))
        return self.finish(x, u, torch.cat(parts, 1), r, hx)

    def recurrences(self, batch):
        weight = self.v_proj.weight
        state = torch.zeros(batch, self.h, self.move.gamma.shape[1], dtype=weight.dtype)
        keys, values = (torch.zeros(batch, self.chunk, d, dtype=weight.dtype) for d in self.sizes[1:3])
        bias, at = self.rel_pos_bias(self.chunk), 0

        def step(x):
            nonlocal at
            xn = self.norm(x) if self.prenorm else x
            u, q, k, v, r, hx = self.parts(xn, self.move.step(state, xn))
            keys[:, at], values[:, at] = k, v
            n = at + 1
            scale = 1 / n if self.laplace else q.shape[-1] ** -0.5
            scores = (keys[:, :n] @ q[..., None])[..., 0] * scale + bias[at, :n]
            h = (self.weights(scores, None)[:, None] @ values[:, :n])[:, 0]
            at = n % self.chunk
            return self.finish(x, u, h, r, hx)

        return [step]
