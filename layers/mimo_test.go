package layers_test

import (
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/ops/ssm"
)

func s5Variant(c layers.S5Config) variant {
	return variantOf(c.DModel, c, layers.NewS5, (*layers.S5).CloneTo)
}

func lruVariant(c layers.LRUConfig) variant {
	return variantOf(c.DModel, c, layers.NewLRU, (*layers.LRU).CloneTo)
}

// sharedStates are layers whose features share one state, and blocks around them.
func sharedStates() []variant {
	return []variant{
		s5Variant(layers.S5Config{DModel: 4, DState: 8}),
		s5Variant(layers.S5Config{DModel: 3, DState: 8, Blocks: 2, Full: true, Disc: ssm.Bilinear, Output: layers.OutputLecun, SSM: layers.SSM{Mixing: layers.MixHalfGLU2, Dropout: 0.2}}),
		s5Variant(layers.S5Config{DModel: 4, DState: 6, Unclipped: true, Output: layers.OutputNormal, SSM: layers.SSM{Mixing: layers.MixNone, Activation: ops.ActIdentity}}),
		s5Variant(layers.S5Config{DModel: 4, DState: 4, SSM: layers.SSM{Bottleneck: 2, Gate: 2}}),
		lruVariant(layers.LRUConfig{DModel: 4, DState: 5}),
		lruVariant(layers.LRUConfig{DModel: 3, DState: 4, RMin: 0.5, RMax: 0.9, MaxPhase: 1, SSM: layers.SSM{Mixing: layers.MixHalfGLU1}}),
		blockVariant(layers.BlockConfig{Mixer: layers.S5Config{DModel: 4, DState: 4}, PreNorm: true, NormEps: 1e-6, Dropout: 0.1}),
		blockVariant(layers.BlockConfig{Mixer: layers.LRUConfig{DModel: 3, DState: 4}, Norm: layers.BatchNorm}),
	}
}

// bidirectionalSharedStates look at the whole sequence.
func bidirectionalSharedStates() []variant {
	return []variant{
		s5Variant(layers.S5Config{DModel: 4, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		s5Variant(layers.S5Config{DModel: 3, DState: 4, Full: true, SSM: layers.SSM{Bidirectional: true, Mixing: layers.MixHalfGLU2, Activation: ops.ActSigmoid}}),
		lruVariant(layers.LRUConfig{DModel: 3, DState: 4, SSM: layers.SSM{Bidirectional: true}}),
		blockVariant(layers.BlockConfig{Mixer: layers.S5Config{DModel: 4, DState: 4, SSM: layers.SSM{Bidirectional: true}}, PreNorm: true}),
	}
}
