package models

import "github.com/gorgonia-s4/s4/layers"

// PaperStack returns the blocks of the language model of Gu, Goel, Re 2022, "Efficiently
// Modeling Long Sequences with Structured State Spaces", arXiv:2111.00396, appendix D.3.3:
// repeat times S4, S4 and a feed-forward network, each with a layer norm before it and a
// dropout everywhere. lMax is the length of a window.
func PaperStack(dModel, repeat, lMax int, dropout float64) layers.StackConfig {
	s4 := layers.S4Config{DModel: dModel, LMax: lMax, SSM: layers.SSM{Dropout: dropout}}
	ff := layers.FeedForwardConfig{DModel: dModel, Dropout: dropout}
	block := func(m layers.MixerConfig) layers.BlockConfig {
		return layers.BlockConfig{Mixer: m, PreNorm: true, Dropout: dropout}
	}
	return layers.StackConfig{Repeat: repeat, Blocks: []layers.BlockConfig{block(s4), block(s4), block(ff)}}
}

// PaperLanguageModel configures the language model of that paper for WikiText-103: the
// vocabulary of all 267,735 types, sorted by frequency, in four clusters with tied weights
// and projections, 16 times the three blocks of 1024 features, and a dropout of 0.25; about
// 249 million parameters. Windows have up to lMax steps, 8192 in the paper. It differs in
// where the embedding is dropped from: the paper does it before a row is projected, and
// this behind; and likewise for the last hidden vector, which is dropped from before it is
// projected.
func PaperLanguageModel(lMax int) LanguageModelConfig {
	return LanguageModelConfig{
		Vocab: 267735, Stack: PaperStack(1024, 16, lMax, 0.25), Dropout: 0.25,
		Tie: true, Cutoffs: []int{19997, 39997, 199997}, DivVal: 4,
	}
}
