// Package models stacks layers into models that can be trained, saved and
// loaded: an encoder for tokens or features, residual blocks, and what is wanted of
// them. [Classifier] pools over the steps and scores classes; [LanguageModel] scores
// the token that follows each, and steps.
//
// A model is configured by a JSON-able struct, summarised by Summary, saved as
// a directory of config.json and model.safetensors, and is what package train
// trains.
package models
