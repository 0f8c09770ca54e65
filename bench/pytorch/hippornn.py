"""The recurrent network with a HiPPO memory, LegS: Gu, Dao, Ermon, Rudra, Re 2020, arXiv:2008.07669.

Sequences are (L, B, H). The memory is of one signal, and is updated before the state, which is gated, as
in the public code; so are the matrices of the steps, which are made for a number of them beforehand.
"""

import torch
from torch import nn


def matrices(n, length):
    """The update of LegS at the steps 1, 2 and so on, with the bilinear rule: (L, N, N), (L, N)."""
    r = (2 * torch.arange(n, dtype=torch.float64) + 1).sqrt()
    a = -torch.tril(r[:, None] * r[None, :], -1) - torch.diag(torch.arange(1, n + 1, dtype=torch.float64))
    eye = torch.eye(n, dtype=torch.float64)
    t = torch.arange(1, length + 1, dtype=torch.float64)[:, None, None]
    left = eye - a / (2 * t)
    ab = torch.linalg.solve_triangular(left, eye + a / (2 * t), upper=False)
    bb = torch.linalg.solve_triangular(left, (r / t[:, 0]).unsqueeze(-1), upper=False)[..., 0]
    dtype = torch.get_default_dtype()
    return ab.to(dtype), bb.to(dtype)


class Gate(nn.Module):
    def __init__(self, inputs, h):
        super().__init__()
        self.W_g = nn.Linear(inputs, h)

    def forward(self, u):
        return torch.sigmoid(self.W_g(u))


class HiPPORNN(nn.Module):
    def __init__(self, inputs, h, n, length):
        super().__init__()
        self.inputs, self.h, self.n = inputs, h, n
        self.W_uxh = nn.Linear(inputs + h, 1)
        self.W_hxm = nn.Linear(inputs + n, h)
        self.W_gxm = Gate(inputs + n, h)
        for name, value in zip(("A", "B"), matrices(n, length)):
            self.register_buffer(name, value, persistent=False)

    def input(self, batch, length):
        return torch.randn(length, batch, self.inputs)

    def start(self, batch):
        return torch.zeros(batch, self.h), torch.zeros(batch, self.n)

    def step(self, x, h, m, t):
        """Step t, counted from 0, from the state h and the memory m."""
        f = self.W_uxh(torch.cat([x, h], -1))
        if t == 0:
            m = torch.cat([f, torch.zeros(x.shape[0], self.n - 1)], -1)
        else:
            m = m @ self.A[t - 1].T + f * self.B[t - 1]
        u = torch.cat([x, m], -1)
        g = self.W_gxm(u)
        return (1 - g) * h + g * torch.tanh(self.W_hxm(u)), m

    def forward(self, x):
        h, m = self.start(x.shape[1])
        out = []
        for t, u in enumerate(x):
            h, m = self.step(u, h, m, t)
            out.append(h)
        return torch.stack(out)

    def recurrences(self, batch):
        """One way: a step, the last of which is repeated when there are no more matrices."""
        h, m = self.start(batch)
        t = 0

        def step(u):
            nonlocal h, m, t
            h, m = self.step(u, h, m, min(t, len(self.A)))
            t += 1
            return h

        return [step]
