// Package models stacks layers into models that can be trained, saved and
// loaded: an encoder for tokens or features, residual blocks, and what is wanted of
// them. [Classifier] pools over the steps and scores classes; [Retrieval] does so for
// two documents with one encoder, and compares them; [LanguageModel] scores the token
// that follows each; [Forecaster] says what follows a window of a series, as numbers or
// as quantiles. All of them also step, as recurrent networks, if their mixers do.
//
//	model, err := models.NewClassifier(gorgonia.NewGraph(), tensor.Float32, models.ClassifierConfig{
//		Vocab: 256, Classes: 10, Stack: layers.StackConfig{Repeat: 4, Blocks: []layers.BlockConfig{
//			{Mixer: layers.S4DConfig{DModel: 64}, PreNorm: true},
//		}},
//	}, 1)
//	trainer, err := train.New(cfg, model, trainSet, valSet, train.WithMetrics(train.Accuracy()))
//	err = model.Save("dir") // and models.Open(graph, "dir")
//
// A [Model] of any kind is configured by a JSON-able struct, summarised by Summary,
// saved as a directory of config.json and model.safetensors, opened by [Open], copied
// by [Clone], for another sampling rate too, tuned by the names of its parameters, and
// is what package train trains. A language model's table may be its scores' too, a large
// vocabulary be in clusters, and its graphs never hold the scores of a batch;
// [PaperLanguageModel] is that of S4 on WikiText-103. [Saliency] says which steps speak for a class.
package models
