// Package torch reads the files that torch.save of PyTorch writes: the zip format,
// since version 1.6, and the legacy format before it.
//
// Both hold a pickle, a program for a stack machine that builds Python objects, and
// the elements of storages, which tensors are views of. The pickle is run by package
// gopickle, on these terms:
//
//   - It is scanned before it runs. Every argument has to lie inside the file, which
//     bounds what is allocated for it; the number of instructions and the depth of
//     marks are limited.
//   - A class is known or an error that names it. Those known are containers, tensors
//     and storages, and what training scripts keep their options in, which is kept as
//     an [Object] with its state. No code of a file is ever run.
//   - A panic of gopickle becomes an error.
//   - Storages are read by this package. Their sizes are held against the file, and
//     those of tensors against their storages, before anything is allocated.
//
// Gopickle's own reader of PyTorch files is not used: it allocates what the file
// asks for, takes a short read for a whole one, and panics on the rarer formats.
package torch
