"""Writes mfcc.json: coefficients of torchaudio.transforms.MFCC in float64.

    python mfcc.py > mfcc.json

Each case is samples of a chirp and the coefficients (frames, coefficients). The
parameters of the first are those of the S4 papers' code.
"""
import json
import math

import torch
import torchaudio

torch.set_default_dtype(torch.float64)


def case(rate, n, coefficients, window, mels):
    t = torch.arange(n) / rate
    x = 0.5 * torch.sin(2 * math.pi * (100 * t + 0.2 * rate * t * t)) + 0.1 * torch.cos(2 * math.pi * 50 * t)
    x = x.float().double()
    f = torchaudio.transforms.MFCC(
        sample_rate=rate, n_mfcc=coefficients, log_mels=True, melkwargs={"n_fft": window, "n_mels": mels})
    return {"rate": rate, "coefficients": coefficients, "window": window, "mels": mels,
            "samples": x.tolist(), "want": f(x).T.tolist()}


print(json.dumps([case(16000, 1000, 20, 200, 64), case(8000, 333, 13, 128, 20), case(16000, 101, 20, 200, 64)]))
