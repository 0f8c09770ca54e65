package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

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
	// BandLimited says that there is nothing in them that the rate cannot hold.
	BandLimited bool
	data.Splits[task.Dataset]
}

// at returns the parts of the data at a sampling rate, band-limited or not.
func (d *Data) at(rate float64, limited bool) (data.Splits[task.Dataset], error) {
	if rate == 1 && !limited {
		return d.Splits, nil
	}
	rates := []string{"1"}
	for _, r := range d.Rates {
		if r.Rate == rate && r.BandLimited == limited {
			return r.Splits, nil
		}
		if t := fmt.Sprint(r.Rate); !slices.Contains(rates, t) {
			rates = append(rates, t)
		}
	}
	if limited {
		return data.Splits[task.Dataset]{}, fmt.Errorf("-band-limited: want a task and a -rate below 1 that have such data, got -rate %g", rate)
	}
	return data.Splits[task.Dataset]{}, fmt.Errorf("-rate: want one of the sampling rates that the data are there at, %s, got %g", strings.Join(rates, ", "), rate)
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
			if !at.BandLimited { // said once of a rate
				fmt.Fprintf(r.out, "no test at %g of the sampling rate: %v\n", at.Rate, err)
			}
			continue
		}
		m, err := r.evaluateAt(ctx, slow, at)
		if err != nil {
			return Explain(ctx, err, "in the test at another rate; the training is finished and saved, and -resume repeats the test")
		}
		measured := report.RateTest{Rate: at.Rate, BandLimited: at.BandLimited, Metrics: m}
		test.Rates = append(test.Rates, measured)
		fmt.Fprintf(r.out, "test at %s, nothing trained for it: %s, loss %.4f\n", measured, values(r.data.Metrics, m), m.Loss)
	}
	return test.Save(r.options.out)
}

// evaluateAt returns the metrics of a model on the test data at a sampling rate.
func (r *training) evaluateAt(ctx context.Context, m models.Model, at Rated) (train.Metrics, error) {
	e, err := train.NewEvaluator(m, r.data.Metrics...)
	if err != nil {
		return train.Metrics{}, err
	}
	defer e.Close()
	cfg := train.LoaderConfig{BatchSize: r.evalBatch(), Buckets: ratedBuckets(r.Train.Buckets, at.Rate)}
	return e.Evaluate(ctx, at.Test, cfg)
}

// evalBatch returns how many sequences an evaluation reads at a time.
func (r *Recipe) evalBatch() int {
	for _, n := range []int{r.Train.EvalBatchSize, r.Train.MicroBatch} {
		if n > 0 {
			return n
		}
	}
	return r.Train.BatchSize
}

// atRate returns a copy of a model, with the same parameters, for sequences of another
// sampling rate.
func atRate(m models.Model, rate float64) (models.Model, error) {
	if rate == 1 {
		return m, nil
	}
	return models.Clone(m, G.NewGraph(), layers.AtRate(1/rate))
}

// ratedBuckets returns the lengths of batches of sequences that are as much shorter.
func ratedBuckets(lengths []int, rate float64) []int {
	var out []int
	for _, n := range lengths {
		out = append(out, int(math.Ceil(float64(n)*rate)))
	}
	return out
}
