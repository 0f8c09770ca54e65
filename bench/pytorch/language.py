"""Language models: the mixers of models.py and peers.py in the frame of the Go ones.

Tokens go through an embedding, blocks of a mixer and a feed-forward network, both with a
norm in front and a residual around, a norm, and a linear map to a score for each token.
"""

import torch
import torch.nn.functional as F
from torch import nn

import models
import peers

HEADS = 4


class Mixer(nn.Module):
    """x + layer(norm(x)) of (B, L, H), for a layer of models.py, which takes (B, H, L)."""

    def __init__(self, layer, h):
        super().__init__()
        self.layer, self.norm = layer, nn.LayerNorm(h)

    def forward(self, x):
        return x + self.layer(self.norm(x).transpose(1, 2)).transpose(1, 2)

    def ways(self):
        return self.layer.ways()

    def recurrence(self, batch, way, full):
        step = self.layer.recurrence(batch, way)
        return lambda u: u + step(self.norm(u))


class FeedForward(nn.Module):
    """x + layer(norm(x)), for a feed-forward network."""

    def __init__(self, h):
        super().__init__()
        self.layer, self.norm = peers.FeedForward(h, peers.FF * h), nn.LayerNorm(h)

    def forward(self, x):
        return x + self.layer(self.norm(x))

    def ways(self):
        return 1

    def recurrence(self, batch, way, full):
        return self.forward


class Causal(peers.Transformer):
    """A layer of a Transformer that does not see what follows."""

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
        return self.layer(x, src_mask=mask, is_causal=True)

    def ways(self):
        return len(peers.ATTEND)

    def recurrence(self, batch, way, full):
        return self.step(batch, peers.ATTEND[way], full)


class LanguageModel(nn.Module):
    """Tokens (B, L) to scores (B, L, vocab) of the tokens that follow.

    kind is "s4", "s4d" or "transformer". length is that of the sequences, and of the
    cache of a Transformer.
    """

    def __init__(self, kind, vocab, h, n, blocks, length):
        super().__init__()
        self.encoder = nn.Embedding(vocab, h)
        self.blocks = nn.ModuleList()
        for _ in range(blocks):
            if kind == "transformer":
                self.blocks.append(Causal(h, HEADS, peers.FF * h, length, prenorm=True))
            else:
                self.blocks.extend([Mixer(models.make_layer(kind, h, n, length), h), FeedForward(h)])
        self.norm = nn.LayerNorm(h)
        self.decoder = nn.Linear(h, vocab)

    def forward(self, ids):
        x = self.encoder(ids)
        for block in self.blocks:
            x = block(x)
        return self.decoder(self.norm(x))

    def loss(self, ids, target):
        return F.cross_entropy(self(ids).flatten(0, 1), target.flatten())

    def optimizer(self, lr=0.001, weight_decay=0.01):
        """AdamW; the state space dynamics have no decay."""
        layers = [block.layer for block in self.blocks]
        dynamics = [p for layer in layers if hasattr(layer, "kernel") for p in layer.kernel.dynamics()]
        own = set(map(id, dynamics))
        rest = [p for p in self.parameters() if id(p) not in own]
        groups = [{"params": rest}] + [{"params": dynamics, "weight_decay": 0.0}] * bool(dynamics)
        return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay)

    def ways(self):
        """The number of ways to write."""
        return max(block.ways() for block in self.blocks)

    def recurrence(self, batch, way=0, full=False):
        """step(ids): (B) -> (B, vocab), from the start or, full, with full caches."""
        steps = [block.recurrence(batch, way, full) for block in self.blocks]

        def step(ids):
            x = self.encoder(ids)
            for block in steps:
                x = block(x)
            return self.decoder(self.norm(x))

        return step
