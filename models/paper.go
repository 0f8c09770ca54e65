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
