"""The convolution with continuous kernels: Romero et al. 2022, arXiv:2102.02611. Sequences are (B, H, L).

The kernels are a network with sines of positions; its first layer, of one input, has no weight norm. The
convolution is by the real transform of PyTorch, and a product of matrices for each frequency.
"""

import torch
import torch.nn.functional as F
from torch import nn


class NormedLinear(nn.Module):
    """A linear map whose weights are norms times directions."""

    def __init__(self, inputs, outputs, bound):
        super().__init__()
        self.weight_v = nn.Parameter((2 * torch.rand(outputs, inputs) - 1) * inputs**-0.5)
        self.weight_g = nn.Parameter(self.weight_v.detach().norm(dim=1))
        self.bias = nn.Parameter((2 * torch.rand(outputs) - 1) * bound)

    def forward(self, x):
        return F.linear(x, self.weight_v * (self.weight_g / self.weight_v.norm(dim=1))[:, None], self.bias)


class First(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.weight = nn.Parameter(2 * torch.rand(outputs, 1) - 1)
        self.bias = nn.Parameter(2 * torch.rand(outputs) - 1)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class CKConv(nn.Module):
    def __init__(self, inputs, outputs, hidden, omega, length):
        super().__init__()
        self.inputs, self.outputs, self.omega = inputs, outputs, omega
        self.kernel_net = nn.ModuleDict({"0": First(hidden), "4": NormedLinear(hidden, hidden, 1), "8": NormedLinear(hidden, outputs * inputs, 0)})
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("positions", torch.linspace(1, -1, length)[:, None], persistent=False)  # by lag

    def input(self, batch, length):
        return torch.randn(batch, self.inputs, length)

    def kernel(self):
        h = torch.sin(self.omega * self.kernel_net["0"](self.positions))
        h = torch.sin(self.omega * self.kernel_net["4"](h))
        return self.kernel_net["8"](h).T.reshape(self.outputs, self.inputs, -1)

    def forward(self, x):
        length = x.shape[-1]
        n = 2 * length
        spectra = torch.einsum("bil,oil->bol", torch.fft.rfft(x, n), torch.fft.rfft(self.kernel()[..., :length], n))
        return torch.fft.irfft(spectra, n)[..., :length] + self.bias[:, None]
