#!/usr/bin/env python3
"""Prints exact values of the functions of internal/vec, correctly rounded.

    pip install mpmath
    ./golden.py 250 > ../../../vec/testdata/functions.csv

The argument is the number of arguments x of the functions; they are spread over
the range in which the functions are neither 0 nor constant, more of them near 0.
Half of them are numbers of float32.
"""

import random
import struct
import sys
from mpmath import mp, mpf, erf, erfc, exp, log, pi, sqrt, tanh

mp.dps = 400  # enough for 1 + x, x > 1e-300


def normal(x):
    return erfc(-x / sqrt(mpf(2))) / 2


def sigmoid(x):
    return 1 / (1 + exp(-x))


def cubic(x):
    return sqrt(2 / pi) * (x + mpf("0.044715") * x**3)


def slope(x):
    return sqrt(2 / pi) * (1 + 3 * mpf("0.044715") * x**2)


FUNCTIONS = {
    "exp": exp,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "erf": erf,
    "gelu": lambda x: x * normal(x),
    "geluGrad": lambda x: normal(x) + x * exp(-x * x / 2) / sqrt(2 * pi),
    "geluTanh": lambda x: x * sigmoid(2 * cubic(x)),
    "geluTanhGrad": lambda x: sigmoid(2 * cubic(x)) * (1 + 2 * x * slope(x) * sigmoid(-2 * cubic(x))),
    "silu": lambda x: x * sigmoid(x),
    "siluGrad": lambda x: sigmoid(x) * (1 + x * sigmoid(-x)),
    "softplus": lambda x: log(1 + exp(x)),
}


def rounded(y):
    """y as a hexadecimal float64, subnormal numbers rounded once."""
    if y == 0:
        return "0x0p+0"
    exponent = max(int(mp.floor(mp.log(abs(y), 2))), -1022) - 52
    n = int(mp.nint(y / mpf(2) ** exponent))
    if abs(n) * mpf(2) ** exponent >= mpf(2) ** 1024:
        return "inf" if n > 0 else "-inf"
    return (n * 2.0**exponent if exponent > -1074 else n * 5e-324).hex()


def arguments(n):
    rng = random.Random(1)
    x = [0.0, 0.75, -0.75, 0.7517915241935, -0.7517915241935, 1.2784645427610738, -1.2784645427610738]
    while len(x) < n:
        x.append(rng.choice((
            lambda: rng.uniform(-1.5, 1.5),
            lambda: rng.uniform(-6, 6),
            lambda: rng.uniform(-20, 20),
            lambda: rng.uniform(-110, 95),
            lambda: rng.uniform(-750, 710),
            lambda: rng.choice((-1, 1)) * 10 ** rng.uniform(-12, 1),
            lambda: rng.choice((-1, 1)) * 10 ** rng.uniform(-310, -12),
        ))())
    return [single(v) if i % 2 else v for i, v in enumerate(x)]


def single(x):
    """x rounded to float32, if that is not 0."""
    return struct.unpack("f", struct.pack("f", x))[0] or x


def main():
    print(",".join(["x"] + list(FUNCTIONS)))
    for x in sorted(arguments(int(sys.argv[1]))):
        print(",".join([x.hex()] + [rounded(f(mpf(x))) for f in FUNCTIONS.values()]))


main()
