"""S4ND in PyTorch: images (B, H, L1, L2), given as sequences of their rows (B, H, L1 L2).

Nguyen et al. 2022, arXiv:2210.06583, bidirectional, computed as the public code does: by two-dimensional
transforms of the images, padded to twice their size, and the outer product of the spectra of the kernels
of the two axes.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


def nd_conv(u, k1, k2, d):
    """The convolution of u (B, H, L1, L2) with the product of the kernels (2, H, L1) and (2, H, L2), and d (H)."""
    l1, l2 = u.shape[-2:]
    k1, k2 = both_ways(k1, l1), both_ways(k2, l2)
    spectrum = torch.fft.fft(k1, k1.shape[-1])[..., None] * torch.fft.rfft(k2, k2.shape[-1])[:, None]  # (H, n1, n2/2 + 1)
    size = (k1.shape[-1], k2.shape[-1])
    y = torch.fft.irfft2(torch.fft.rfft2(u, s=size) * spectrum, s=size)[..., :l1, :l2]
    return y + d[:, None, None] * u


def both_ways(k, length):
    """The kernels (2, H, Lk) of both directions as one periodic one: that of the second begins at lag -1."""
    if k.shape[0] == 1:
        return F.pad(k[0], (0, length))
    return F.pad(k[0], (0, length)) + F.pad(k[1].flip(-1), (length, 0))


class AxisKernel(nn.Module):
    """The kernels of both directions along an axis: diagonal, with B, started as S4D-Lin."""

    def __init__(self, h, n, kernel):
        super().__init__()
        self.kernel = kernel  # of dt, A, C and a length
        self.log_dt = nn.Parameter(torch.rand(h) * (math.log(0.1) - math.log(0.001)) + math.log(0.001))
        self.log_A_real = nn.Parameter(torch.full((h, n // 2), math.log(0.5)))
        self.A_imag = nn.Parameter(math.pi * torch.arange(n // 2).to(self.log_dt).repeat(h, 1))
        self.B = nn.Parameter(torch.view_as_real(torch.ones(h, n // 2, dtype=torch.complex64)).to(self.log_dt))
        self.C = nn.Parameter(torch.randn(2, h, n // 2, 2) / math.sqrt(2))

    def forward(self, length):
        a = torch.complex(-self.log_A_real.exp(), self.A_imag)
        c = torch.view_as_complex(self.B) * torch.view_as_complex(self.C)
        dt = self.log_dt.exp()
        return self.kernel(dt.repeat(2), a.repeat(2, 1), c.flatten(0, 1), length).unflatten(0, (2, -1))


class S4ND(nn.Module):
    """Kernels, convolution, skip D, GELU, linear map to 2H and GLU, for square images."""

    def __init__(self, h, n, length, kernel):
        super().__init__()
        self.side = math.isqrt(length)
        self.kernels = nn.ModuleList([AxisKernel(h, n, kernel) for _ in range(2)])
        self.D = nn.Parameter(torch.randn(h))
        self.activation = nn.GELU()
        self.output_linear = nn.Sequential(nn.Conv1d(h, 2 * h, 1), nn.GLU(dim=1))

    def input(self, batch, length):
        return torch.randn(batch, len(self.D), length)

    def forward(self, u):
        image = u.unflatten(-1, (self.side, self.side))
        y = nd_conv(image, *(kernel(self.side) for kernel in self.kernels), self.D)
        return self.output_linear(self.activation(y.flatten(-2)))
