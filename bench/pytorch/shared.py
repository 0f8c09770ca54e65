"""S5 and the LRU: one diagonal recurrence that all features share, between two linear maps.

Sequences are (B, L, H). S5: Smith, Warrington, Linderman 2022, arXiv:2208.04933, with zero-order hold;
LRU: Orvieto et al. 2023, arXiv:2303.06349. Behind the recurrence are the gates of the public code: gelu
(its tanh form), then for S5 half_glu1, for the LRU full_glu.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

STATES = {"s5": 256, "lru": 128}  # of S5 half are stored
CHUNK = 32  # steps that a product of matrices takes at once


def scan(a, x):
    """s_l = a s_{l-1} + x_l of complex x (B, L, P) and a (P).

    Inside a chunk of steps a state is a product with the powers of a, as a triangular matrix for each
    state; from chunk to chunk there is a loop.
    """
    batch, length, p = x.shape
    t = min(CHUNK, length)
    chunks = -(-length // t)
    x = F.pad(x, (0, 0, 0, chunks * t - length)).view(batch, chunks, t, p)
    steps = torch.arange(t)
    lag = steps[:, None] - steps[None, :]
    powers = torch.where(lag >= 0, a[:, None, None] ** lag.clamp(min=0), 0)  # (P, t, t)
    inner = torch.einsum("pij,bcjp->bcip", powers, x)
    last, carries = torch.zeros_like(inner[:, 0, 0]), []
    leap = a**t
    for c in range(chunks):
        carries.append(last)
        last = leap * last + inner[:, c, -1]
    carry = torch.stack(carries, 1)[:, :, None]
    return (inner + a ** (steps[:, None] + 1) * carry).view(batch, chunks * t, p)[:, :length]


class Shared(nn.Module):
    """What both have in common."""

    def input(self, batch, length):
        return torch.randn(batch, length, self.D.shape[0])

    def sequence(self, x):
        """The recurrence with the linear maps around it, and D."""
        a, b, c = self.discrete()
        return self.gain * (scan(a, x.to(b.dtype) @ b.T) @ c.T).real + self.D * x

    def forward(self, x):
        return self.gated(self.sequence(x))

    def recurrences(self, batch):
        a, b, c = (v.detach() for v in self.discrete())
        parts = torch.cat([b.real, b.imag]).T.contiguous()  # (H, 2P)
        out = (self.gain * torch.cat([c.real, -c.imag], 1)).T.contiguous()  # (2P, H)

        def stepper(read, write):
            state = torch.zeros(batch, a.shape[0], dtype=a.dtype)

            def step(u):
                nonlocal state
                state = a * state + read(u)
                return self.gated(write(state) + self.D * u)

            return step

        return [
            stepper(lambda u: u.to(b.dtype) @ b.T, lambda s: self.gain * (s @ c.T).real),
            stepper(lambda u: torch.complex(*(u @ parts).chunk(2, -1)), lambda s: torch.cat([s.real, s.imag], -1) @ out),
        ]


class S5(Shared):
    gain = 2

    def __init__(self, h, n):
        super().__init__()
        p = n // 2
        self.Lambda_re, self.Lambda_im = nn.Parameter(torch.full((p,), -0.5)), nn.Parameter(-math.pi * torch.arange(p).to(torch.get_default_dtype()))
        self.B, self.C = nn.Parameter(torch.randn(p, h, 2) / math.sqrt(2 * n)), nn.Parameter(torch.randn(h, p, 2) / math.sqrt(n))
        self.log_step = nn.Parameter(torch.rand(p, 1) * math.log(100) + math.log(0.001))
        self.D = nn.Parameter(torch.randn(h))
        self.out = nn.Linear(h, h)

    def discrete(self):
        a = torch.complex(self.Lambda_re.clamp(max=-1e-4), self.Lambda_im)
        ab = torch.exp(a * self.log_step[:, 0].exp())
        return ab, ((ab - 1) / a)[:, None] * torch.view_as_complex(self.B), torch.view_as_complex(self.C)

    def gated(self, y):
        g = F.gelu(y, approximate="tanh")
        return g * torch.sigmoid(self.out(g))


class LRU(Shared):
    gain = 1

    def __init__(self, h, n):
        super().__init__()
        decay = -torch.log(torch.rand(n).clamp(1e-6, 1 - 1e-6)) / 2
        self.nu_log, self.theta_log = nn.Parameter(decay.log()), nn.Parameter(torch.log(6.28 * torch.rand(n).clamp(min=1e-6)))
        self.gamma_log = nn.Parameter(torch.log(-torch.expm1(-2 * decay)) / 2)
        for name, shape, std in ("B", (n, h), (2 * h) ** -0.5), ("C", (h, n), n**-0.5):
            for part in "_re", "_im":
                self.register_parameter(name + part, nn.Parameter(std * torch.randn(shape)))
        self.D = nn.Parameter(torch.randn(h))
        self.out = nn.Linear(h, 2 * h)

    def discrete(self):
        a = torch.exp(torch.complex(-self.nu_log.exp(), self.theta_log.exp()))
        return a, torch.complex(self.B_re, self.B_im) * self.gamma_log.exp()[:, None], torch.complex(self.C_re, self.C_im)

    def gated(self, y):
        return F.glu(self.out(F.gelu(y, approximate="tanh")), -1)


def make_layer(kind, h):
    return {"s5": S5, "lru": LRU}[kind](h, STATES[kind])
