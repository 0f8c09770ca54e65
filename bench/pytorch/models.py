"""The models of the Go benchmarks in PyTorch, written from the formulas.

Sequences are (B, H, L): batch, features, steps. N is the state size, of which
N/2 conjugate pairs are stored. References:

S4   Gu, Goel, Re, "Efficiently Modeling Long Sequences with Structured State
     Spaces", 2021, arXiv:2111.00396
S4D  Gu, Gupta, Goel, Re, "On the Parameterization and Initialization of
     Diagonal State Space Models", 2022, arXiv:2206.11893
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

import peers
from s4nd import S4ND


def log_uniform_dt(h, lo=0.001, hi=0.1):
    """log_dt (H), log-uniform in [lo, hi]."""
    return torch.rand(h) * (math.log(hi) - math.log(lo)) + math.log(lo)


def normal_pairs(*shape):
    """Complex normal numbers of variance 1 as (..., 2)."""
    return torch.randn(*shape, 2) / math.sqrt(2)


def with_conjugates(v):
    """The stored half (..., N/2) and its conjugate, (..., N)."""
    return torch.cat([v, v.conj()], -1)


def s4d_discretize(dt, a):
    """Zero-order hold with B = 1: exp(dt A) and (exp(dt A) - 1)/A, (H, N/2)."""
    da = torch.exp(dt[:, None] * a)
    return da, (da - 1) / a


def s4d_kernel(dt, a, c, length):
    """K[l] = 2 Re sum_n C_n (exp(dt A_n) - 1)/A_n exp(l dt A_n), (H, L).

    dt (H) real; a, c (H, N/2) complex. S4D, section 3.3.
    """
    _, db = s4d_discretize(dt, a)
    steps = torch.arange(length, dtype=dt.dtype)
    vandermonde = torch.exp((dt[:, None] * a)[..., None] * steps)  # (H, N/2, L)
    return 2 * torch.einsum("hn,hnl->hl", c * db, vandermonde).real


def fft_nodes(length, dtype):
    """z = 2(1-w)/(1+w) and 2/(1+w) at the roots of unity w = exp(-2 pi i k/L), k <= L/2.

    At w = -1 both are large but finite, as cos and sin are rounded; their
    quotients are what enters the kernel.
    """
    k = torch.arange(length // 2 + 1, dtype=torch.float64)
    angle = -2 * math.pi / length * k
    w = torch.complex(angle.cos(), angle.sin())
    return (2 * (1 - w) / (1 + w)).to(dtype), (2 / (1 + w)).to(dtype)


def dplr_kernel(dt, a, p, b, ct, length, nodes=None):
    """The kernel (H, L) of x' = (diag(A) - P P*) x + B u, y = C x, bilinear.

    dt (H) real; a, p, b, ct (H, N/2) complex; ct is C (I - dA^L). The
    generating function at the roots of unity is a sum of four Cauchy products
    with the low rank removed by the Woodbury identity; S4, appendix C.
    """
    z, scale = nodes or fft_nodes(length, a.dtype)
    da = dt[:, None] * a
    left = torch.stack([ct, p.conj()])  # (2, H, N/2)
    right = torch.stack([b, p])
    v = left[:, None] * right[None, :]  # (2, 2, H, N/2)
    v, da = with_conjugates(v), with_conjugates(da)  # (2, 2, H, N) and (H, N)
    cauchy = (v[..., None] / (z - da[..., None])).sum(-2)  # (2, 2, H, L/2+1)
    r = dt[:, None] * cauchy
    k = r[0, 0] - r[0, 1] * r[1, 0] / (1 + r[1, 1])
    return torch.fft.irfft(scale * k, n=length)


def dplr_discretize(dt, a, p, b):
    """The bilinear discretisation of dplr_kernel's system, all (H, N/2).

    dA = diag(a') - f w^T and dB = b', on the N/2 stored dimensions and their
    conjugates, by the Woodbury identity; S4, appendix C.
    """
    d = 1 / (2 / dt[:, None] - a)
    w = p.conj() * d
    r = 1 / (1 + 2 * (w * p).sum(-1, keepdim=True).real)
    f = 4 / dt[:, None] * r * d * p
    db = 2 * (d * b - r * d * p * 2 * (w * b).sum(-1, keepdim=True).real)
    return 4 / dt[:, None] * d - 1, f, w, db


def untune(ct, diagonal, f, w, length):
    """C = ct (I - dA^L)^-1 for the dA of dplr_discretize, (H, N/2)."""
    f, w = with_conjugates(f), with_conjugates(w)
    da = torch.diag_embed(with_conjugates(diagonal)) - f[..., :, None] * w[..., None, :]
    tail = torch.eye(da.shape[-1]).to(da) - torch.linalg.matrix_power(da, length)
    c = torch.linalg.solve(tail.transpose(-1, -2), with_conjugates(ct)[..., None]).squeeze(-1)
    return c[..., : ct.shape[-1]]


def legs_dplr(n):
    """HiPPO-LegS as A, P, B (N/2), complex128: A the diagonal of the normal part."""
    i = torch.arange(n, dtype=torch.float64)
    b, p = torch.sqrt(2 * i + 1), torch.sqrt(i + 0.5)
    lower = -torch.tril(b[:, None] * b[None, :], -1) - torch.diag(i + 1)
    skew = lower + p[:, None] * p[None, :] + 0.5 * torch.eye(n, dtype=torch.float64)
    imag, vectors = torch.linalg.eigh(-1j * skew)  # ascending
    imag, vectors = imag[: n // 2], vectors[:, : n // 2]
    to_basis = vectors.conj().T
    return torch.complex(torch.full_like(imag, -0.5), imag), to_basis @ (p + 0j), to_basis @ (b + 0j)


class S4DKernel(nn.Module):
    """The diagonal kernel with the initialisation S4D-Lin."""

    def __init__(self, h, n):
        super().__init__()
        self.log_dt = nn.Parameter(log_uniform_dt(h))
        self.log_A_real = nn.Parameter(torch.full((h, n // 2), math.log(0.5)))
        self.A_imag = nn.Parameter(math.pi * torch.arange(n // 2).to(self.log_dt).repeat(h, 1))
        self.C = nn.Parameter(normal_pairs(h, n // 2))

    def dynamics(self):
        """The parameters that have their own learning rate."""
        return [self.log_dt, self.log_A_real, self.A_imag]

    def continuous(self):
        a = torch.complex(-self.log_A_real.exp(), self.A_imag)
        return self.log_dt.exp(), a, torch.view_as_complex(self.C)

    def forward(self, length):
        return s4d_kernel(*self.continuous(), length)

    def ways(self):
        """The number of ways to step."""
        return 1

    def recurrence(self, batch, way=0):
        """step(u): (B, H) -> (B, H), from state zero; by the diagonal, as public code of S4D steps too."""
        dt, a, c = self.continuous()
        da, db = s4d_discretize(dt, a)
        c = 2 * c
        x = torch.zeros(batch, *a.shape, dtype=a.dtype)

        def step(u):
            nonlocal x
            x = da * x + db * u[..., None]
            return (c * x).sum(-1).real

        return step


class S4Kernel(nn.Module):
    """The diagonal plus low rank kernel of rank 1, started as HiPPO-LegS.

    C stands for C (I - dA^L), L the length that the kernel is made for.
    """

    def __init__(self, h, n, length):
        super().__init__()
        a, p, b = legs_dplr(n)
        self.log_dt = nn.Parameter(log_uniform_dt(h))

        def copies(v):
            return nn.Parameter(v.to(self.log_dt).repeat(h, *[1] * v.dim()))

        self.log_A_real = copies(torch.log(-a.real))
        self.A_imag = copies(a.imag)
        self.P = copies(torch.view_as_real(p))
        self.B = copies(torch.view_as_real(b))
        self.C = nn.Parameter(normal_pairs(h, n // 2))
        self.length = length
        self.nodes = fft_nodes(length, torch.complex(self.log_dt, self.log_dt).dtype)

    def dynamics(self):
        """The parameters that have their own learning rate."""
        return [self.log_dt, self.log_A_real, self.A_imag, self.P, self.B]

    def continuous(self):
        a = torch.complex(-self.log_A_real.exp(), self.A_imag)
        return (self.log_dt.exp(), a) + tuple(map(torch.view_as_complex, (self.P, self.B, self.C)))

    def forward(self, length):
        return dplr_kernel(*self.continuous(), self.length, self.nodes)[..., :length]

    def ways(self):
        """The number of ways to step."""
        return 2

    def recurrence(self, batch, way=0):
        """step(u): (B, H) -> (B, H), from state zero.

        Way 0 is by the diagonal plus low rank, of N/2 states. Way PUBLIC is by dense
        matrices, (H, N, N), of the states and their conjugates.
        """
        dt, *continuous = self.continuous()
        dtype = continuous[0].dtype
        a, p, b, ct = (v.to(torch.complex128) for v in continuous)
        diagonal, f, w, db = dplr_discretize(dt.double(), a, p, b)
        c = untune(ct, diagonal, f, w, self.length)
        if way == PUBLIC:
            return dense_recurrence(batch, *(with_conjugates(v) for v in (diagonal, f, w, db, c)), dtype)
        diagonal, f, w, db, c = (v.to(dtype) for v in (diagonal, f, 2 * w, db, 2 * c))
        x = torch.zeros(batch, *db.shape, dtype=dtype)

        def step(u):
            nonlocal x
            x = diagonal * x - f * (w * x).sum(-1, keepdim=True).real + db * u[..., None]
            return (c * x).sum(-1).real

        return step


# PUBLIC is the way to step S4 that its authors' public code has as its default.
PUBLIC = 1


def dense_recurrence(batch, diagonal, f, w, db, c, dtype):
    """step(u): (B, H) -> (B, H) by the matrices diag(diagonal) - f w^T, all (H, N), from state zero."""
    da = (torch.diag_embed(diagonal) - f[..., :, None] * w[..., None, :]).to(dtype)
    db, c = db.to(dtype), c.to(dtype)
    x = torch.zeros(batch, *db.shape, dtype=dtype)

    def step(u):
        nonlocal x
        x = torch.einsum("hij,bhj->bhi", da, x) + torch.einsum("hi,bh->bhi", db, u.to(dtype))
        return torch.einsum("hi,bhi->bh", c, x).real

    return step


class FreeKernel(nn.Module):
    """A weight for each feature and lag, (H, L)."""

    def __init__(self, h, length):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(h, length) / math.sqrt(length))

    def forward(self, length):
        return self.kernel[:, :length]


def fft_conv(u, k):
    """y[l] = sum_{j <= l} k[j] u[l-j], (B, H, L)."""
    length = u.shape[-1]
    product = torch.fft.rfft(u, n=2 * length) * torch.fft.rfft(k, n=2 * length)
    return torch.fft.irfft(product, n=2 * length)[..., :length]


class TiedDropout(nn.Module):
    """Dropout of whole sequences: one mask (B, H, 1) for all steps."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p
        return x * (torch.rand(*x.shape[:2], 1) < keep).to(x) / keep


class Layer(nn.Module):
    """Kernel, convolution, skip D, GELU, dropout, linear map to 2H and GLU."""

    def __init__(self, kernel, h, dropout=0.0):
        super().__init__()
        self.kernel = kernel
        self.D = nn.Parameter(torch.randn(h))
        self.activation = nn.GELU()
        self.dropout = TiedDropout(dropout)
        self.output_linear = nn.Sequential(nn.Conv1d(h, 2 * h, 1), nn.GLU(dim=1))

    def input(self, batch, length):
        return torch.randn(batch, len(self.D), length)

    def forward(self, u):
        y = fft_conv(u, self.kernel(u.shape[-1])) + self.D[:, None] * u
        return self.output_linear(self.dropout(self.activation(y)))

    def ways(self):
        """The number of ways to step."""
        return self.kernel.ways()

    def recurrences(self, batch):
        return [self.recurrence(batch, way) for way in range(self.ways())]

    def recurrence(self, batch, way=0):
        """step(u): (B, H) -> (B, H), from state zero."""
        step_kernel = self.kernel.recurrence(batch, way)
        conv = self.output_linear[0]
        weight = conv.weight.squeeze(-1)

        def step(u):
            y = self.activation(step_kernel(u) + self.D * u)
            return F.glu(F.linear(y, weight, conv.bias), dim=-1)

        return step


class Block(nn.Module):
    """norm(x + dropout(layer(x))), with layer normalisation over H."""

    def __init__(self, layer, h, dropout):
        super().__init__()
        self.layer = layer
        self.norm = nn.LayerNorm(h)
        self.dropout = TiedDropout(dropout)

    def forward(self, x):
        x = x + self.dropout(self.layer(x))
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


class Classifier(nn.Module):
    """(B, L, features) -> (B, classes): encoder, blocks, mean over the steps, decoder."""

    def __init__(self, make_layer, features, h, classes, blocks, dropout=0.0):
        super().__init__()
        self.encoder = nn.Linear(features, h)
        self.blocks = nn.ModuleList(Block(make_layer(), h, dropout) for _ in range(blocks))
        self.decoder = nn.Linear(h, classes)

    def forward(self, x):
        x = self.encoder(x).transpose(1, 2)  # (B, H, L)
        for block in self.blocks:
            x = block(x)
        return self.decoder(x.mean(-1))

    def optimizer(self, lr=0.01, weight_decay=0.01, dynamics_lr=0.001):
        """AdamW; the state space dynamics have their own rate and no decay."""
        dynamics = [p for block in self.blocks for p in block.layer.kernel.dynamics()]
        own = set(map(id, dynamics))
        rest = [p for p in self.parameters() if id(p) not in own]
        return torch.optim.AdamW(
            [{"params": rest}, {"params": dynamics, "lr": dynamics_lr, "weight_decay": 0.0}],
            lr=lr,
            weight_decay=weight_decay,
        )


def make_layer(kind, h, n, length, dropout=0.0):
    """A layer by its name: "s4d", "s4", "longconv", "s4nd" or one of peers.py."""
    if kind in peers.KINDS:
        return peers.make_layer(kind, h, length)
    if kind == "s4nd":
        return S4ND(h, n, length, s4d_kernel)
    make_kernel = {"s4d": lambda: S4DKernel(h, n), "s4": lambda: S4Kernel(h, n, length), "longconv": lambda: FreeKernel(h, length)}
    return Layer(make_kernel[kind](), h, dropout)
