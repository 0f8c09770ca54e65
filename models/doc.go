// Package models stacks layers into models that can be trained, saved and
// loaded: an encoder for tokens or features, residual blocks, pooling and a
// decoder.
//
// A model is configured by a JSON-able struct, summarised by Summary, saved as
// a directory of config.json and model.safetensors, and is what package train
// trains.
package models
