"""Makes checkpoints with the names and shapes of the public PyTorch code of S4, in the
format of testdata/checkpoints: python checkpoints.py DIR. Models are tiny and random;
kernels are computed from dense matrices in double precision, by other formulas than
those of the public code. Needs PyTorch, NumPy, safetensors, and for two files omegaconf."""
import argparse, collections, json, math, os, pathlib, sys
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

DTYPE = torch.float64


def transform(x, name):
    return {"exp": torch.exp, "softplus": F.softplus, "relu": lambda v: F.relu(v) + 1e-4, "sigmoid": torch.sigmoid, "none": lambda v: v}[name](x)


def c(x):  # pairs to complex
    return torch.complex(x[..., 0].to(DTYPE), x[..., 1].to(DTYPE))


class Kernel(nn.Module):
    """Kernels (CH, H, L). kind: v4, v3, minimal."""

    def __init__(self, kind, h, n, ch, s=None, rank=0, l_kernel=0, dt_tie=True, disc="zoh", dt="exp", a="exp", bandlimit=None, tuned=True):
        super().__init__()
        s = s or h
        self.kind, self.h, self.n, self.s, self.rank, self.disc, self.dt_name, self.a_name, self.bandlimit = kind, h, n, s, rank, disc, dt, a, bandlimit
        self.tuned = tuned
        log_dt = torch.rand(h, 1 if dt_tie else n) * 2 - 3
        if dt == "softplus":
            log_dt = torch.log(torch.expm1(torch.exp(log_dt)))
        real = torch.randn(s, n) * 0.3 - 0.7
        if a in ("relu", "none"):
            real = real.abs() + 0.1
        imag = math.pi * torch.arange(n) + torch.rand(s, n)
        P = lambda t: nn.Parameter(t.contiguous())
        self.C = P(torch.randn(ch, h, n, 2))
        if kind == "v4":
            self.inv_dt = P(log_dt)
            self.B = P(torch.randn(1, s, n, 2))
            self.A_real, self.A_imag = P(real), P(imag)
        elif kind == "v3":
            self.log_dt = P(log_dt[:, 0])
            self.B = P(torch.randn(*((1,) if rank else ()), s, n, 2))
            if rank:
                self.inv_w_real, self.w_imag = P(real), P(-imag)
            else:
                self.A = P(torch.randn(s, n, 2))  # unused, as there
                self.inv_A_real, self.A_imag = P(real), P(-imag)
        else:
            self.C = P(torch.randn(h, n, 2))
            self.log_dt = P(log_dt[:, 0])
            self.log_A_real, self.A_imag = P(real), P(imag)
        if rank:
            self.P = P(torch.randn(rank, s, n, 2) * 0.5)
            self.register_buffer("L" if kind == "v3" else "l_kernel", torch.tensor(l_kernel if tuned else 0))
            self.l = l_kernel

    def forward(self, L):
        k = self.kind
        dt = transform((self.inv_dt if k == "v4" else self.log_dt).to(DTYPE), self.dt_name)
        if dt.dim() == 1:
            dt = dt[:, None]
        real = transform({"v4": lambda: self.A_real, "v3": lambda: self.inv_w_real if self.rank else self.inv_A_real, "minimal": lambda: self.log_A_real}[k]().to(DTYPE), self.a_name)
        imag = (-self.A_imag if k == "v4" else self.w_imag if k == "v3" and self.rank else self.A_imag).to(DTYPE)
        A = torch.complex(-real, imag)
        C = c(self.C)
        if C.dim() == 2:
            C = C[None]
        B = c(self.B).reshape(self.s, self.n) if k != "minimal" else torch.ones(self.s, self.n, dtype=C.dtype)
        v = self.h // self.s
        mask = torch.ones(self.h, self.n, dtype=DTYPE)
        if self.bandlimit is not None:
            mask = (dt * A.imag.abs().repeat(v, 1) / (2 * math.pi) < self.bandlimit / 2).to(DTYPE)
        out = torch.zeros(C.shape[0], self.h, L, dtype=DTYPE)
        for h in range(self.h):
            a, b, d = A[h % self.s], B[h % self.s], dt[h].expand(self.n)
            full = torch.cat([a, a.conj()])
            M = torch.diag(full)
            if self.rank:
                for r in range(self.rank):
                    p = c(self.P)[r, h % self.s]
                    p = torch.cat([p, p.conj()])
                    M = M - p[:, None] * p.conj()[None]
            D = torch.diag(torch.cat([d, d]).to(C.dtype))
            I = torch.eye(2 * self.n, dtype=C.dtype)
            bb = torch.cat([b, b.conj()])
            if self.disc == "bilinear" or self.rank:
                # steps of their own multiply the columns of a low-rank matrix
                back = torch.linalg.inv(I - D @ M / 2)
                dA, dB = back @ (I + D @ M / 2), back @ D @ bb
            else:
                dA = torch.diag(torch.exp(D.diagonal() * full))
                dB = (torch.exp(D.diagonal() * full) - 1) / full * bb
            cc = C[:, h]
            if self.rank:  # tuned first, then masked
                last = I - torch.matrix_power(dA, self.l)
                if not self.tuned:
                    cc = (torch.cat([cc, cc.conj()], -1) @ last)[:, : self.n]
            cc = cc * mask[h]
            cc = torch.cat([cc, cc.conj()], -1)
            if self.rank:
                cc = cc @ torch.linalg.inv(last)
            x = dB
            for l in range(L):
                out[:, h, l] = (cc @ x).real
                x = dA @ x
        return out


class DSSKernel(nn.Module):
    def __init__(self, h, n, ch, version, sep=True):
        super().__init__()
        self.version = version
        self.log_dt = nn.Parameter(torch.rand(h, 2) * 2 - 3 if sep else torch.rand(h) * 2 - 3)
        re, im = -0.5 + 0.4 * torch.randn(n), math.pi * torch.arange(1, n + 1).float()
        if "exp" in version:
            self.Lambda_log_neg_re = nn.Parameter(re.abs().log())
            if "im" in version:
                self.Lambda_log_im = nn.Parameter(im.log())
            else:
                self.Lambda_im = nn.Parameter(im)
        else:
            self.Lambda = nn.Parameter(torch.stack([re, im], -1))
        self.W = nn.Parameter(torch.randn(ch, h, n, 2))

    def forward(self, L):
        v = self.version
        if "exp" in v:
            im = self.Lambda_log_im.to(DTYPE).exp() if "im" in v else self.Lambda_im.to(DTYPE)
            lam = torch.complex(-self.Lambda_log_neg_re.to(DTYPE).exp(), im)
        else:
            lam = c(self.Lambda)
            if "clip" in v:
                lam = torch.complex(lam.real.clip(max=1e-4), lam.imag)
        dt = self.log_dt.to(DTYPE).exp()
        if dt.dim() == 1:
            dt = dt[:, None].expand(-1, 2)
        z = torch.complex(dt[:, :1] * lam.real, dt[:, 1:] * lam.imag)
        W = c(self.W)
        powers = z[..., None] * torch.arange(L)
        if v == "softmax":
            grows = (lam.real > 0).to(DTYPE)
            S = (powers - (z * grows * (L - 1))[..., None]).exp()
            x = S.sum(-1) * lam  # softmax over the steps, scaled by 1/Lambda
            W = W / x
        else:
            S = powers.exp()
            if "no-scale" not in v:
                W = W * (z.exp() - 1) / lam
        return torch.einsum("chn,hnl->chl", W, S).real


class Conv(nn.Module):
    """FFTConv: kernel, D."""

    def __init__(self, kernel, h, channels, bidirectional, flat=False):
        super().__init__()
        self.kernel, self.bi = kernel, bidirectional
        self.D = nn.Parameter(torch.randn(h) if flat else torch.randn(channels, h))

    def conv(self, u):
        L = u.shape[-1]
        k = self.kernel(L)
        D = self.D.to(DTYPE).reshape(-1, u.shape[1])
        fwd, rev = (k.chunk(2) if self.bi else (k, None))
        lag = torch.arange(L)[:, None] - torch.arange(L)[None]
        T = torch.where(lag >= 0, fwd[..., lag.clip(min=0)], torch.zeros((), dtype=DTYPE))
        if self.bi:  # the second kernel starts one step ahead
            T = T + torch.where(lag < 0, rev[..., (-lag - 1).clip(min=0)], torch.zeros((), dtype=DTYPE))
        y = torch.einsum("chlm,bhm->bchl", T, u) + D[None, :, :, None] * u[:, None]
        return y.flatten(1, 2)


class Nested(nn.Module):  # kernel.kernel
    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def forward(self, L):
        return self.kernel(L)


class Layer(nn.Module):
    """x (B, H, L). kind: v4, v3, minimal, dss."""

    def __init__(self, kind, h, n=4, channels=1, bidirectional=False, act="gelu", glu=True, version="softmax", sep=True, **kw):
        super().__init__()
        kernels = channels * (2 if bidirectional else 1)
        k = DSSKernel(h, n, kernels, version, sep) if kind == "dss" else Kernel(kind, h, n, kernels, **kw)
        out = 2 * h if glu else h
        if kind == "v4":
            self.layer = Conv(k, h, channels, bidirectional)
            self.output_linear = nn.Sequential(nn.Linear(channels * h, out), nn.Identity())
        else:
            conv = Conv(Nested(k) if kind == "v3" else k, h, channels, bidirectional, kind == "minimal")
            self.D, self.kernel = conv.D, conv.kernel
            self.bi = bidirectional
            lin = nn.Conv1d(channels * h, out, 1)
            self.output_linear = nn.Sequential(lin, nn.Identity()) if glu else lin
        self.act, self.glu = act, glu

    conv = Conv.conv

    def forward(self, x):
        y = (self.layer.conv if hasattr(self, "layer") else self.conv)(x)
        y = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu}[self.act](y)
        lin = self.output_linear[0] if isinstance(self.output_linear, nn.Sequential) else self.output_linear
        w = lin.weight.to(DTYPE).reshape(lin.weight.shape[:2])
        y = torch.einsum("oh,bhl->bol", w, y) + lin.bias.to(DTYPE)[:, None]
        if self.glu:
            a, b = y.chunk(2, 1)
            y = a * torch.sigmoid(b)
        return y


def norm(m, x):  # x (B, H, L)
    if isinstance(m, nn.BatchNorm1d):
        stat = lambda v: v.to(DTYPE)[:, None]
        return (x - stat(m.running_mean)) / (stat(m.running_var) + m.eps).sqrt() * stat(m.weight) + stat(m.bias)
    return F.layer_norm(x.transpose(1, 2), x.shape[1:2], m.weight.to(DTYPE), m.bias.to(DTYPE)).transpose(1, 2)


class Model(nn.Module):
    def __init__(self, layers, h, d_in=3, classes=5, prenorm=True, batch=False, tokens=0):
        super().__init__()
        self.encoder = nn.Embedding(tokens, h) if tokens else nn.Linear(d_in, h)
        self.s4_layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList([(nn.BatchNorm1d if batch else nn.LayerNorm)(h) for _ in layers])
        self.decoder = nn.Linear(h, classes)
        self.prenorm, self.last, self.pool = prenorm, None, "mean"

    def forward(self, x):
        e = self.encoder
        x = e.weight.to(DTYPE)[x] if isinstance(e, nn.Embedding) else x.to(DTYPE) @ e.weight.to(DTYPE).T + e.bias.to(DTYPE)
        x = x.transpose(1, 2)
        for l, m in zip(self.s4_layers, self.norms):
            x = x + l(norm(m, x)) if self.prenorm else norm(m, x + l(x))
        if self.last is not None:
            x = norm(self.last, x)
        x = x.mean(-1) if self.pool == "mean" else x[..., -1]
        return x @ self.decoder.weight.to(DTYPE).T + self.decoder.bias.to(DTYPE)


def shake(m):
    with torch.no_grad():
        for n, p in m.named_parameters():
            if "norm" in n or "last" in n:
                p += 0.2 * torch.randn_like(p)
        for n, b in m.named_buffers():
            if "running_mean" in n:
                b += 0.3 * torch.randn_like(b)
            if "running_var" in n:
                b += torch.rand_like(b)
            if "num_batches" in n:
                b += 17


def sequence(sd, n):  # the names of the sequence model
    out = collections.OrderedDict()
    for k, v in sd.items():
        p = k.split(".")
        if p[0] == "s4_layers":
            k = "model.layers." + p[1] + ".layer." + ".".join(p[2:])
        elif p[0] == "norms":
            k = "model.layers." + p[1] + ".norm.norm." + p[2]
        elif p[0] == "last":
            k = "model.norm.norm." + p[1]
        elif p[0] == "encoder":
            k = "encoder.0." + p[1]
        elif p[0] == "decoder":
            k = "decoder.0.output_transform." + p[1]
        out[k] = v
    return out


def main(root):
    def write(name, m, wrap=None, ext="pt", tokens=0, L=24, save={}, half=False, **meta):
        d = os.path.join(root, name)
        os.makedirs(d, exist_ok=True)
        shake(m)
        if half:
            m.half() if half == "half" else m.bfloat16()
        with torch.no_grad():
            x = torch.randint(0, tokens, (3, L)) if tokens else torch.randn(3, L, 3)
            y = m(x)
        sd = m.state_dict()
        np.save(d + "/x.npy", x.numpy() if tokens else x.numpy().astype(np.float32))
        np.save(d + "/y.npy", y.numpy().astype(np.float32))
        obj = wrap(sd) if wrap else sd
        if ext == "safetensors":
            from safetensors.torch import save_file
            save_file(obj, d + "/model.safetensors")
        else:
            torch.save(obj, f"{d}/model.{ext}", **save)
        json.dump(meta, open(d + "/meta.json", "w"), indent=1)

    def make(kind, layers=2, h=8, kw={}, **mkw):
        torch.manual_seed(len(str(kw)) + 31 * len(kind))
        return Model([Layer(kind, h, **kw) for _ in range(layers)], h, **mkw)

    pre = lambda m: m.prenorm
    m = make("v3", kw=dict(rank=1, l_kernel=24, s=2, bidirectional=True), prenorm=False)
    write("v3_s4_bidirectional", m, prenorm=False, layer="S4 version 3, n_ssm 2, bidirectional")
    m = make("v3", kw=dict(rank=2, l_kernel=40, s=1, channels=2, a="softplus"))
    write("v3_s4_rank2", m, lambda sd: {"net": {"module." + k: v for k, v in sd.items()}, "acc": 93.2, "epoch": 7}, prenorm=True, layer="S4 version 3, rank 2, n_ssm 1, channels 2", options={"real_transform": "softplus"})
    m = make("v3", kw=dict(disc="bilinear"), prenorm=False)
    write("v3_s4d", m, prenorm=False, layer="S4D version 3, bilinear")
    m = make("v3", kw=dict(disc="zoh", a="relu", s=4), batch=True)
    write("v3_s4d_batchnorm", m, save=dict(_use_new_zipfile_serialization=False), prenorm=True, layer="S4D version 3, zoh, BatchNorm", options={"real_transform": "relu"})
    for v in ("softmax", "exp", "exp-no-scale", "exp-re-im", "clip", "clip-no-scale"):
        m = make("dss", layers=1, kw=dict(version=v, sep=v != "exp", bidirectional=v == "clip", glu=v != "softmax"), prenorm=v == "exp")
        write("dss_" + v, m, prenorm=m.prenorm, layer="DSS " + v, options={} if v == "exp-re-im" else {"version": v})
    m = make("v4", kw=dict(disc="bilinear", dt="softplus", dt_tie=False, s=1), tokens=11, batch=True)
    m.last, m.pool = nn.BatchNorm1d(8), "last"
    hyper = {"model": {"prenorm": True, "norm": "batch", "dropout": 0.1, "layer": {"disc": "bilinear", "dt_transform": "softplus", "dropout": None, "l_max": 24}}, "decoder": {"_name_": "sequence", "mode": "last"}, "train": {"seed": 1}}
    write("v4_sequence", m, lambda sd: {"state_dict": sequence(sd, 2), "hyper_parameters": hyper, "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}], "epoch": 2, "callbacks": {}}, "ckpt", tokens=11, layer="S4Block diag in a sequence model: everything is in the hyper parameters")
    m = make("v3", kw=dict(rank=1, l_kernel=24), prenorm=False)
    write("v3_sequence_postnorm", m, lambda sd: {"state_dict": sequence(sd, 2)}, "ckpt", layer="S4 version 3 in a sequence model, postnorm")
    m = make("v4", kw=dict(rank=1, l_kernel=24, s=4, dt="softplus", a="sigmoid", bidirectional=True, channels=2))
    write("v4_s4_channels", m, lambda sd: {"_orig_mod." + k: v for k, v in sd.items()}, prenorm=True, layer="S4Block dplr, n_ssm 4, bidirectional, channels 2, dt softplus", options={"real_transform": "sigmoid"})
    m = make("v4", kw=dict(rank=1, l_kernel=16, dt_tie=True, act="relu"), prenorm=False)
    write("v4_s4_short", m, ext="safetensors", L=16, prenorm=False, layer="S4Block dplr", options={"activation": "relu"})
    m = make("v4", kw=dict(rank=1, l_kernel=24, tuned=False, bandlimit=0.6))
    write("v4_s4_untuned", m, prenorm=True, layer="S4Block dplr, not yet tuned, bandlimit", options={"l_max": 24, "bandlimit": 0.6})
    m = make("v4", kw=dict(disc="zoh", bandlimit=0.5, glu=False, act="silu"))
    write("v4_s4d_bandlimit", m, prenorm=True, layer="S4Block diag, zoh", options={"bandlimit": 0.5, "activation": "silu", "final_act": "id"})
    m = make("minimal", h=6, kw=dict(n=3), prenorm=False)
    write("minimal_half", m, half="half", prenorm=False, layer="standalone S4D")
    m = make("minimal", layers=3, h=5, kw=dict(n=1), prenorm=True, tokens=7)
    write("minimal_bfloat16", m, half="bfloat16", tokens=7, prenorm=True, layer="standalone S4D")
    m = make("minimal", layers=1, kw={}, prenorm=True)
    write("minimal_double", m.double(), lambda sd: {"model": sd, "acc": 1.0}, prenorm=True, layer="standalone S4D")
    m = make("minimal", layers=1, kw={}, prenorm=True)
    view = lambda sd: {k: (torch.view_as_complex(v) if k.endswith("kernel.C") else v.T.contiguous().T if v.dim() == 2 else v) for k, v in sd.items()}
    write("minimal_views", m, view, prenorm=True, layer="standalone S4D, C complex, weights column-major")

    try:
        from omegaconf import OmegaConf
    except ImportError:
        return
    m = make("minimal", layers=1, kw={}, prenorm=True)
    conf = OmegaConf.create({"model": {"prenorm": True, "layer": {"dropout": "${model.dropout}", "lr": 0.1}, "dropout": 0.0}, "decoder": {"mode": "pool"}, "list": [1, "a", None]})
    write("minimal_omegaconf", m, lambda sd: {"state_dict": {"model." + k: v for k, v in sd.items()}, "hyper_parameters": conf, "hparams_name": "config"}, "ckpt", layer="standalone S4D: prenorm is in the hyper parameters")
    m = make("minimal", layers=1, kw={}, prenorm=False)
    write("minimal_argparse", m, lambda sd: {"model": sd, "args": argparse.Namespace(prenorm=False, lr=0.1, where=pathlib.PosixPath("x")), "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}, save=dict(_use_new_zipfile_serialization=False), layer="standalone S4D: prenorm is in args")


main(sys.argv[1])
