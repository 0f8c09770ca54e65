package experiment

import (
	"context"
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data"
)

// Rated is the parts of the data at another sampling rate than the model is trained
// at.
type Rated struct {
	// Rate is relative to that of the training: 0.5 is every second sample.
	Rate float64
	data.Splits[task.Dataset]
}

// testRates measures the trained model at the other sampling rates that the data are
// there at: as it is, with another time step.
func (r *training) testRates(ctx context.Context, test *report.Test) error {
	if len(r.data.Rates) == 0 {
		return nil
	}
	for _, at := range r.data.Rates {
		slow, err := atRate(r.model, at.Rate)
		if err != nil {
			fmt.Fprintf(r.out, "no test at %g of the sampling rate: %v\n", at.Rate, err)
			continue
		}
		m, err := evaluateOnce(ctx, slow, at.Test, ratedConfig(r.Train, at.Rate), r.data.Metrics)
		if err != nil {
			return explain(ctx, err, "in the test at another rate; the training is finished, and -resume repeats the test")
		}
		test.Rates = append(test.Rates, report.RateTest{Rate: at.Rate, Metrics: m})
		fmt.Fprintf(r.out, "test at %g of the sampling rate, nothing trained for it: %s, loss %.4f\n", at.Rate, values(r.data.Metrics, m), m.Loss)
	}
	return test.Save(r.options.out)
}

// atRate returns a copy of a model, with the same parameters, for sequences of another
// sampling rate.
func atRate(m models.Model, rate float64) (models.Model, error) {
	return models.Clone(m, G.NewGraph(), layers.AtRate(1/rate))
}

// ratedConfig returns the configuration for sequences that are as much shorter.
func ratedConfig(c train.Config, rate float64) train.Config {
	buckets := make([]int, len(c.Buckets))
	for i, n := range c.Buckets {
		buckets[i] = int(math.Ceil(float64(n) * rate))
	}
	c.Buckets = buckets
	return c
}

// evaluateOnce returns the metrics of a model on data, with the batches that a training
// with the configuration evaluates.
func evaluateOnce(ctx context.Context, m models.Model, ds task.Dataset, c train.Config, metrics []train.Metric) (train.Metrics, error) {
	c.CheckpointDir, c.Overwrite, c.Rules = "", false, nil
	tr, err := train.New(c, m, ds, nil, train.WithMetrics(metrics...))
	if err != nil {
		return train.Metrics{}, err
	}
	defer tr.Close()
	return tr.Evaluate(ctx, ds)
}
