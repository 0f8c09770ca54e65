"""PyTorch's own layers, which S4 is compared with: LSTM, GRU, Transformer, convolution and so on.

Each maps sequences of H features to as many, in the layout that PyTorch runs fastest:
input(batch, length) gives one. recurrences(batch) lists ways to go through a sequence step
by step, (B, H) to (B, H), each from its start; bench.py takes the fastest.
"""

import contextlib

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import shared
from ckconv import CKConv
from hippornn import HiPPORNN
from mamba import Mamba, SelectiveScan
from mega import Mega
from retention import Retention

HEADS = 8
RETAINING = 4  # heads of retention
FF = 4  # features inside the feed-forward network, of those outside
KERNEL = 4  # taps of the convolution


class Recurrent(nn.Module):
    """nn.LSTM or nn.GRU of one layer; sequences are (L, B, H)."""

    def __init__(self, kind, inputs, h, **more):
        super().__init__()
        layer, self.cell = {"lstm": (nn.LSTM, nn.LSTMCell), "gru": (nn.GRU, nn.GRUCell)}[kind]
        self.rnn = layer(inputs, h, **more)

    def input(self, batch, length):
        return torch.randn(length, batch, self.rnn.input_size)

    def forward(self, x, state=None):
        return self.rnn(x, state)[0]

    def recurrences(self, batch):
        return [self.cell_step(batch), self.sequence_step()]

    def cell_step(self, batch):
        """The cell: LSTMCell or GRUCell."""
        cell = self.cell(self.rnn.input_size, self.rnn.hidden_size)
        for name in "weight_ih", "weight_hh", "bias_ih", "bias_hh":
            setattr(cell, name, getattr(self.rnn, name + "_l0"))
        state = None

        def step(u):
            nonlocal state
            state = cell(u, state)
            return state[0] if isinstance(state, tuple) else state

        return step

    def sequence_step(self):
        """The layer, on a sequence of one step."""
        state = None

        def step(u):
            nonlocal state
            y, state = self.rnn(u[None], state)
            return y[0]

        return step


class Transformer(nn.Module):
    """nn.TransformerEncoderLayer with GELU; sequences are (B, L, H).

    full says that attention holds all weights (L, L), which PyTorch otherwise avoids. As a
    recurrence it is causal, and has a cache of the keys and values of the last window steps.
    """

    def __init__(self, h, heads, ff, window, full=False, prenorm=False):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(h, heads, ff, 0.0, "gelu", batch_first=True, norm_first=prenorm)
        self.window, self.full = window, full

    def input(self, batch, length):
        return torch.randn(batch, length, self.layer.linear1.in_features)

    def forward(self, x, mask=None, padding=None):
        with sdpa_kernel(SDPBackend.MATH) if self.full else contextlib.nullcontext():
            return self.layer(x, mask, padding)

    def recurrences(self, batch):
        return [self.step(batch, attend) for attend in ATTEND]

    def step(self, batch, attend, full=False):
        """A step from the start or, full, behind as many as the cache holds."""
        layer = self.layer
        attention = layer.self_attn
        heads, size = attention.num_heads, attention.head_dim
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        shape = (batch, heads, self.window, size)
        keys, values = ((torch.randn if full else torch.zeros)(shape, dtype=weight.dtype) for _ in range(2))
        seen = self.window if full else 0

        def mix(x):
            nonlocal seen
            q, k, v = F.linear(x, weight, bias).view(batch, 3, heads, 1, size).unbind(1)
            slot = seen % self.window  # the oldest, if all are taken
            keys[:, :, slot : slot + 1] = k
            values[:, :, slot : slot + 1] = v
            seen += 1
            n = min(seen, self.window)
            return attention.out_proj(attend(q, keys[:, :, :n], values[:, :, :n]).reshape(batch, -1))

        def feed_forward(x):
            return layer.linear2(F.gelu(layer.linear1(x)))

        def step(u):
            if layer.norm_first:
                u = u + mix(layer.norm1(u))
                return u + feed_forward(layer.norm2(u))
            u = layer.norm1(u + mix(u))
            return layer.norm2(u + feed_forward(u))

        return step


def attend_plainly(q, k, v):
    """Attention in two products with a softmax between them."""
    weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1)
    return weights @ v


ATTEND = [F.scaled_dot_product_attention, attend_plainly]


class FeedForward(nn.Module):
    """Two linear maps and GELU between them, of (B, L, H)."""

    def __init__(self, h, ff):
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(h, ff), nn.Linear(ff, h)

    def input(self, batch, length):
        return torch.randn(batch, length, self.linear1.in_features)

    def forward(self, x):
        return self.linear2(F.gelu(self.linear1(x)))

    def recurrences(self, batch):
        return [self]


class CausalConv(nn.Module):
    """nn.Conv1d with zeros, or the steps before, on the left; sequences are (B, H, L)."""

    def __init__(self, inputs, outputs, kernel, **more):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, **more)
        self.before = (kernel - 1) * self.conv.dilation[0]

    def input(self, batch, length):
        return torch.randn(batch, self.conv.in_channels, length)

    def forward(self, x, before=None):
        return self.valid(F.pad(x, (self.before, 0)) if before is None else torch.cat([before, x], -1))

    def valid(self, x):
        """The convolution of (B, H, L + before) to (B, H, L)."""
        return self.conv(x)

    def recurrences(self, batch):
        """Steps of a depthwise convolution."""
        weight, bias = self.conv.weight, self.conv.bias
        taps, features = weight[:, 0], self.conv.in_channels

        def zeros(n):
            return torch.zeros(batch, features, n, dtype=weight.dtype)

        def joined():
            before = zeros(self.before)

            def step(u):
                nonlocal before
                window = torch.cat([before, u[..., None]], -1)
                before = window[..., 1:]
                return (window * taps).sum(-1) + bias

            return step

        def rolled():
            window = zeros(self.before + 1)

            def step(u):
                window.copy_(window.roll(-1, -1))
                window[..., -1] = u
                return (window * taps).sum(-1) + bias

            return step

        def convolved():
            before = zeros(self.before)

            def step(u):
                nonlocal before
                window = torch.cat([before, u[..., None]], -1)
                before = window[..., 1:]
                return self.conv(window)[..., 0]

            return step

        return [joined(), rolled(), convolved()]


class ConvOfTaps(CausalConv):
    """A depthwise convolution of few taps as their sum, which may be faster than nn.Conv1d."""

    def valid(self, x):
        weight, bias = self.conv.weight, self.conv.bias
        length = x.shape[-1] - self.before
        step = self.conv.dilation[0]
        return sum(weight[:, 0, k, None] * x[..., k * step : k * step + length] for k in range(weight.shape[-1])) + bias[:, None]


def make_layer(kind, h, length):
    """A layer by its name, of h features. length is that of a Transformer's cache."""
    if kind in ("lstm", "gru"):
        return Recurrent(kind, h, h)
    if kind in shared.STATES:
        return shared.make_layer(kind, h)
    if kind == "conv1d":
        return CausalConv(h, h, KERNEL, groups=h)
    if kind == "conv1d_taps":
        return ConvOfTaps(h, h, KERNEL, groups=h)
    if kind == "feedforward":
        return FeedForward(h, FF * h)
    if kind == "scan":
        return SelectiveScan(h)
    if kind == "mamba":
        return Mamba(h)
    if kind == "ckconv":
        return CKConv(h, h, 32, 30.0, length)
    if kind == "hippo-rnn":
        return HiPPORNN(h, h, h, length)
    if kind == "mega":
        return Mega(h)
    if kind == "retention":
        return Retention(h, RETAINING)
    return Transformer(h, HEADS, FF * h, length, full=kind == "transformer_full")


KINDS = ["lstm", "gru", "hippo-rnn", "s5", "lru", "transformer", "transformer_full", "feedforward", "conv1d", "conv1d_taps", "ckconv", "scan", "mamba", "retention", "mega"]
