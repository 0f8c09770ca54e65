#!/usr/bin/env bash
# Writes every assembly file of this module, and its Go stubs, from the
# generators in _gen. Their output is checked in; it must not change when this
# script runs:
#
#	internal/asm/generate.sh && git diff --exit-code
#
# A generator is a one-file command in _gen, which takes what it shares with the
# others from _gen/simd. A new one is added here with the directory it writes to.
set -euo pipefail
cd "$(dirname "$0")/_gen"

# generate COMMAND OUT writes OUT/COMMAND_LEVEL_ARCH.{s,go} for every LEVEL of an ARCH.
generate() {
	local name=$1 out=$2 level
	for level in avx2_amd64 avx512_amd64 neon_arm64; do
		(cd "$name" && GOFLAGS=-mod=readonly GOWORK=off go run . -level "${level%_*}" -pkg "$(basename "$out")" \
			-out "../../../../$out/${name}_${level}.s" \
			-stubs "../../../../$out/${name}_${level}.go")
	done
}

generate bfloat16 internal/bfloat16
generate gemm internal/gemm
generate vec internal/vec
generate fft internal/fft
generate dplr internal/dplr
generate attention ops/attention
generate cauchy ops/cauchy
generate scan ops/scan
generate selective ops/selective
generate vandermonde ops/vandermonde
