package layers_test

import (
	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/ops"
)

func conv1dVariant(c layers.Conv1DConfig) variant {
	return variantOf(c.In, c, layers.NewConv1D, (*layers.Conv1D).CloneTo)
}

func tcnVariant(c layers.TCNConfig) variant {
	return variantOf(c.In, c, layers.NewTCN, (*layers.TCN).CloneTo)
}

func convNetVariant(c layers.ConvNetConfig) variant {
	return variantOf(c.DModel, c, layers.NewConvNet, (*layers.ConvNet).CloneTo)
}

func longConvVariant(c layers.LongConvConfig) variant {
	return variantOf(c.DModel, c, layers.NewLongConv, (*layers.LongConv).CloneTo)
}

func ckConvVariant(c layers.CKConvConfig) variant {
	return variantOf(c.In, c, layers.NewCKConv, (*layers.CKConv).CloneTo)
}

func ckBlockVariant(c layers.CKBlockConfig) variant {
	return variantOf(c.In, c, layers.NewCKBlock, (*layers.CKBlock).CloneTo)
}

// convolutions are the members of the family that are convolutions and have a
// state.
func convolutions() []variant {
	return []variant{
		conv1dVariant(layers.Conv1DConfig{In: 3, Out: 3, Kernel: 3}),
		conv1dVariant(layers.Conv1DConfig{In: 4, Out: 4, Kernel: 4, Groups: 4, Dilation: 3}),
		conv1dVariant(layers.Conv1DConfig{In: 4, Out: 4, Kernel: 2, Groups: 2, NoBias: true, WeightNorm: true}),
		tcnVariant(layers.TCNConfig{In: 3, Out: 3, Kernel: 2, Levels: 3, Dropout: 0.2}),
		tcnVariant(layers.TCNConfig{In: 2, Out: 2, Kernel: 3, Levels: 2, DilationBase: 3, NoWeightNorm: true, Activation: ops.ActSigmoid}),
		convNetVariant(layers.ConvNetConfig{DModel: 3, Activation: ops.ActGELU}),
		convNetVariant(layers.ConvNetConfig{DModel: 3, Depth: 1, Kernel: 4, Norm: layers.BatchNorm, Activation: ops.ActSigmoid, Dropout: 0.2}),
		convNetVariant(layers.ConvNetConfig{DModel: 2, Depth: 3, Norm: layers.NoNorm, Activation: ops.ActTanh}),
		longConvVariant(layers.LongConvConfig{DModel: 3, LMax: familyLength}),
		longConvVariant(layers.LongConvConfig{DModel: 4, LMax: 9, SSM: layers.SSM{Channels: 2, Bottleneck: 2, Gate: 1, Dropout: 0.1}}),
		ckConvVariant(layers.CKConvConfig{In: 3, Out: 3, Hidden: 4, LMax: familyLength, Omega0: 5}),
		ckConvVariant(layers.CKConvConfig{In: 2, Out: 2, Hidden: 3, LMax: 9, NoBias: true, SIREN: true}),
		ckBlockVariant(layers.CKBlockConfig{In: 3, Out: 3, Hidden: 3, LMax: 9, Omega0: 5, Dropout: 0.2}),
		blockVariant(layers.BlockConfig{Mixer: layers.Conv1DConfig{In: 4, Out: 4, Kernel: 3, Groups: 2}, PreNorm: true, Dropout: 0.1}),
		blockVariant(layers.BlockConfig{Mixer: layers.TCNConfig{In: 3, Out: 3, Kernel: 3, Levels: 2, Activation: ops.ActSiLU}, Norm: layers.NoNorm, NoResidual: true}),
		blockVariant(layers.BlockConfig{Mixer: layers.ConvNetConfig{DModel: 3, Activation: ops.ActSiLU}, Norm: layers.BatchNorm}),
		blockVariant(layers.BlockConfig{Mixer: layers.LongConvConfig{DModel: 3, LMax: 12}, PreNorm: true}),
	}
}

// aheadConvolutions are those that look ahead.
func aheadConvolutions() []variant {
	return []variant{
		conv1dVariant(layers.Conv1DConfig{In: 3, Out: 3, Kernel: 3, Same: true}),
		conv1dVariant(layers.Conv1DConfig{In: 2, Out: 2, Kernel: 5, Groups: 2, Dilation: 2, Same: true}),
		convNetVariant(layers.ConvNetConfig{DModel: 3, Same: true, Activation: ops.ActSigmoid}),
		convNetVariant(layers.ConvNetConfig{DModel: 3, Same: true, Norm: layers.BatchNorm}),
		longConvVariant(layers.LongConvConfig{DModel: 2, LMax: 8, SSM: layers.SSM{Bidirectional: true}}),
		longConvVariant(layers.LongConvConfig{DModel: 2, LMax: 8, SSM: layers.SSM{Bidirectional: true, OffByOne: true}}),
		blockVariant(layers.BlockConfig{Mixer: layers.ConvNetConfig{DModel: 3, Same: true}, PreNorm: true}),
	}
}
