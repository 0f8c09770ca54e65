package main

import (
	"fmt"
	"strconv"
)

// benchmark is a measurement that both sides can make.
type benchmark struct {
	name    string
	pkg     string   // Go package below the module, and
	goName  string   // benchmark in it
	pyTorch []string // arguments of bench/pytorch/bench.py
}

// benchmarks lists what is compared.
func benchmarks() []benchmark {
	models := []struct{ title, flag string }{{"S4D", "s4d"}, {"S4", "s4"}}
	var all []benchmark
	for _, m := range models {
		for _, s := range []struct{ b, h, n, l int }{{16, 128, 64, 1024}, {16, 128, 64, 4096}, {8, 64, 64, 16384}} {
			all = append(all, benchmark{
				name:    fmt.Sprintf("%s layer, forward and backward, B %d H %d N %d L %d", m.title, s.b, s.h, s.n, s.l),
				pkg:     "layers",
				goName:  fmt.Sprintf("Benchmark%s/B%d_H%d_N%d_L%d/fwdbwd", m.title, s.b, s.h, s.n, s.l),
				pyTorch: arguments(m.flag, "fwdbwd", s.b, s.h, s.n, s.l),
			})
		}
	}
	for _, m := range models {
		all = append(all, benchmark{
			name:    fmt.Sprintf("%s training step, 4 blocks, B 50 H 128 N 64 L 1024", m.title),
			pkg:     "models",
			goName:  fmt.Sprintf("BenchmarkTrainStep/%s/B50_H128_N64_L1024_x4", m.flag),
			pyTorch: append(arguments(m.flag, "train", 50, 128, 64, 1024), "--blocks=4", "--dropout=0.1"),
		})
	}
	for _, m := range models {
		for _, b := range []int{1, 16} {
			all = append(all, benchmark{
				name:    fmt.Sprintf("%s recurrent step, B %d H 128 N 64", m.title, b),
				pkg:     "layers",
				goName:  fmt.Sprintf("BenchmarkStep/%s/B%d_H128_N64", m.flag, b),
				pyTorch: arguments(m.flag, "step", b, 128, 64, 1024),
			})
		}
	}
	return append(all, peers()...)
}

// peers lists layers of PyTorch's own beside those here.
func peers() []benchmark {
	var all []benchmark
	layer := func(title, goName, model string, b, l int) {
		all = append(all, benchmark{
			name:    fmt.Sprintf("%s layer, forward and backward, B %d H 128 L %d", title, b, l),
			pkg:     "layers",
			goName:  fmt.Sprintf("Benchmark%s/B%d_H128_L%d/fwdbwd", goName, b, l),
			pyTorch: arguments(model, "fwdbwd", b, 128, 0, l),
		})
	}
	step := func(title, model string, l int, past string) {
		for _, b := range []int{1, 16} {
			all = append(all, benchmark{
				name:    fmt.Sprintf("%s recurrent step, B %d H 128%s", title, b, past),
				pkg:     "layers",
				goName:  fmt.Sprintf("BenchmarkStep/%s/B%d_H128", model, b),
				pyTorch: arguments(model, "step", b, 128, 0, l),
			})
		}
	}
	layer("LSTM", "LSTM", "lstm", 16, 1024)
	layer("GRU", "GRU", "gru", 16, 1024)
	layer("HiPPO-RNN (LegS, N 128)", "HiPPORNN", "hippo-rnn", 16, 1024)
	layer("S5 (N 256)", "S5", "s5", 16, 1024)
	layer("LRU (N 128)", "LRU", "lru", 16, 1024)
	layer("Transformer", "Transformer", "transformer", 16, 1024)
	layer("Transformer", "Transformer", "transformer", 2, 4096)
	layer("Transformer (PyTorch: with all weights (L, L))", "Transformer", "transformer_full", 2, 4096)
	layer("Feed-forward", "FeedForward", "feedforward", 16, 1024)
	layer("Depthwise convolution", "Conv1D", "conv1d", 16, 1024)
	layer("Depthwise convolution (PyTorch: a sum of taps)", "Conv1D", "conv1d_taps", 16, 1024)
	layer("Long convolution", "LongConv", "longconv", 16, 1024)
	all = append(all, benchmark{
		name: "Selective scan (N 16), forward and backward, B 16 D 128 L 4096", pkg: "ops/selective",
		goName: "BenchmarkScan/D128_N16_L4096/fwdbwd", pyTorch: arguments("scan", "fwdbwd", 16, 128, 16, 4096),
	})
	layer("Mamba", "Mamba", "mamba", 16, 1024)
	layer("Retention", "Retention", "retention", 16, 1024)
	all = append(all, benchmark{
		name: "S4ND layer (N 64), forward and backward, B 16 H 128 L 32 x 32", pkg: "layers",
		goName: "BenchmarkS4ND/B16_H128_L1024/fwdbwd", pyTorch: arguments("s4nd", "fwdbwd", 16, 128, 64, 1024),
	})
	layer("Mega attention", "Mega", "mega", 16, 1024)
	all = append(all, benchmark{
		name:    "CKConv layer, forward and backward, B 16 H 32 L 1024",
		pkg:     "layers",
		goName:  "BenchmarkCKConv/B16_H32_L1024/fwdbwd",
		pyTorch: arguments("ckconv", "fwdbwd", 16, 32, 0, 1024),
	})
	step("LSTM", "lstm", 64, "")
	step("GRU", "gru", 64, "")
	step("HiPPO-RNN (LegS, N 128)", "hippo-rnn", 64, "")
	step("S5 (N 256)", "s5", 64, "")
	step("LRU (N 128)", "lru", 64, "")
	step("Transformer", "transformer", 4096, ", 4096 in the cache")
	step("Feed-forward", "feedforward", 64, "")
	step("Depthwise convolution", "conv1d", 64, "")
	step("Mamba", "mamba", 64, "")
	step("Retention", "retention", 64, "")
	step("Mega attention", "mega", 64, ", a chunk of 128")
	return all
}

func arguments(model, what string, b, h, n, l int) []string {
	return []string{
		"--model=" + model, "--what=" + what,
		"--batch=" + strconv.Itoa(b), "--h=" + strconv.Itoa(h), "--n=" + strconv.Itoa(n), "--length=" + strconv.Itoa(l),
	}
}
