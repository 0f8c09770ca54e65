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

# generate COMMAND OUT writes OUT/COMMAND_LEVEL_amd64.{s,go} for every LEVEL.
generate() {
	local name=$1 out=$2 level
	for level in avx2 avx512; do
		(cd "$name" && GOFLAGS=-mod=readonly GOWORK=off go run . -level "$level" -pkg "$(basename "$out")" \
			-out "../../../../$out/${name}_${level}_amd64.s" \
			-stubs "../../../../$out/${name}_${level}_amd64.go")
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
