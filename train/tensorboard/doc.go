// Package tensorboard writes what a run does as TensorBoard reads it: event files.
//
//	train.WithHooks(tensorboard.New("runs/listops/tensorboard"))
//
// In the directory there are three runs for TensorBoard, which it draws together:
// steps has the metrics of every batch, the learning rate, the norm of the gradients
// and the pace; train and validation have at every evaluation the metrics of the
// training batches since the one before, and of the validation data.
//
// An event file is records, each a protocol buffer between its length and two
// checksums (tensorflow/core/lib/io/record_writer.h, core/util/event.proto, and
// core/framework/summary.proto).
package tensorboard
