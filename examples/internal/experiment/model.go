package experiment

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/models"
)

// modelConfig returns the configuration of a model, which is valid.
func (r *Recipe) modelConfig(s Shape, longest int) (cfg interface{ Validate() error }, err error) {
	stack, err := r.Stack(longest)
	if err != nil {
		return nil, err
	}
	m := r.Model
	switch s.Kind {
	case "", Classifier:
		cfg = models.ClassifierConfig{
			Vocab: s.Vocab, Features: s.Features, Padding: s.Padding, Classes: s.Classes, Stack: stack, Pool: m.Pool,
		}
	case Retrieval:
		cfg = models.RetrievalConfig{
			Vocab: s.Vocab, Features: s.Features, Padding: s.Padding, Classes: s.Classes, Stack: stack, Pool: m.Pool,
		}
	case Forecaster:
		cfg = models.ForecasterConfig{
			Features: s.Features, Horizon: s.Horizon, Outputs: s.Outputs, Stack: stack, Pool: m.Pool,
			Loss: s.Loss, Quantiles: s.Quantiles, Center: s.Center, Weighted: s.Weighted,
		}
	case LanguageModel:
		cfg = models.LanguageModelConfig{
			Vocab: s.Vocab, Stack: stack, Carry: s.Carry, Tie: s.Tie, NoBias: s.NoBias, Dropout: m.Dropout,
			DEmbed: s.DEmbed, Cutoffs: s.Cutoffs, DivVal: s.DivVal,
		}
	default:
		return nil, fmt.Errorf("want a model of kind %s, %s, %s or %s, got %q", Classifier, Retrieval, Forecaster, LanguageModel, s.Kind)
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	return cfg, nil
}

// newModel makes a model.
func (r *Recipe) newModel(s Shape, longest int) (models.Model, error) {
	cfg, err := r.modelConfig(s, longest)
	if err != nil {
		return nil, err
	}
	g, dt, seed := G.NewGraph(), r.Train.DType.Tensor(), r.Train.Seed
	switch c := cfg.(type) {
	case models.ClassifierConfig:
		return made(models.NewClassifier(g, dt, c, seed))
	case models.RetrievalConfig:
		return made(models.NewRetrieval(g, dt, c, seed))
	case models.ForecasterConfig:
		return made(models.NewForecaster(g, dt, c, seed))
	case models.LanguageModelConfig:
		m, err := models.NewLanguageModel(g, dt, c, seed)
		if err == nil && s.Answers > 0 {
			m = m.WithLogits()
		}
		return made(m, err)
	}
	return nil, fmt.Errorf("no model of a %T", cfg)
}

// made returns a model, nil after an error.
func made[M models.Model](m M, err error) (models.Model, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}
