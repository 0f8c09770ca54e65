// Package statespaces reads and writes checkpoints of the public PyTorch code of S4:
// state-spaces/s4, versions 3 and 4, with its minimal S4D, and the DSS of
// ag1988/dss, inside the blocks and models that those build around them.
//
//	c, err := statespaces.Read("model.pt")              // .pt, .ckpt, .safetensors
//	m, err := c.Model(g, statespaces.PreNorm(true))     // a models.Classifier
//	err = m.Save("dir")
//
// or, into a model that is there,
//
//	report, err := c.Load(m)
//
// and back, to what load_state_dict of the public module takes:
//
//	layout, err := c.Layout()                           // or that of LayoutOf
//	err = layout.Write("model.safetensors", m)
//
// # Names
//
// A checkpoint is a state dict, or a dict that has one under state_dict,
// model_state_dict, model, net or module. The wrappings "model.", "module." and
// "_orig_mod." (of Lightning, DataParallel and torch.compile) are seen through. Of two
// kinds of model,
//
//	example             sequence model                      here
//	encoder.*           encoder.0.*                         encoder.*
//	s4_layers.I.*       model.layers.I.layer.*              blocks.I.layer.*
//	norms.I.*           model.layers.I.norm.norm.*          blocks.I.norm.*
//	                    model.norm.norm.*                   blocks.norm.*
//	decoder.*           decoder.0.output_transform.*        decoder.*
//
// the layers may be, with dt, A, B, C, P and D as [layers.S4], [layers.S4D] and
// [layers.DSS] have them,
//
//	S4, S4D version 4   layer.kernel: inv_dt, A_real, A_imag, B, C, P, l_kernel; layer.D
//	S4 version 3        kernel.kernel: log_dt, inv_w_real, w_imag, B, C, P, L; D
//	S4D version 3       kernel.kernel: log_dt, inv_A_real, A_imag, B, C; D
//	minimal S4D         kernel: log_dt, log_A_real, A_imag, C; D
//	DSS                 kernel: log_dt, W, Lambda or Lambda_log_neg_re and Lambda_im or Lambda_log_im; D
//	all                 output_linear
//
// Axes of length 1 come and go, and all but version 4 store Im A rather than -Im A.
// Every tensor has to be one of these, or the error says which is not.
//
// # What names and shapes do not say
//
// Whether blocks normalise before or after their layer, the discretisation of S4D, the
// transforms of dt and A, the version of DSS, activation and pooling are options of the
// training scripts. They are looked up in the hyper parameters of a checkpoint, by the
// names that state-spaces/s4 gives them, or set by [With]. Where neither says, they are
// the defaults of the public modules, which [Inspection] lists; but prenorm has to be
// said wherever the names do not show it.
package statespaces
