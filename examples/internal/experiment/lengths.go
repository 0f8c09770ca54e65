package experiment

import (
	"context"
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
)

// testLengths measures the trained model on the test data of other lengths.
func (r *training) testLengths(ctx context.Context, test *report.Test) error {
	if len(r.data.Lengths) == 0 {
		return nil
	}
	for _, ds := range r.data.Lengths {
		longest := longestIn(ds)
		m, err := models.Clone(r.model, G.NewGraph(), layers.ForLength(longest))
		if err != nil {
			fmt.Fprintf(r.out, "no test with %d steps: %v\n", longest, err)
			continue
		}
		got, err := r.evaluateOn(ctx, m, ds, longest)
		if err != nil {
			return Explain(ctx, err, "in the test of other lengths; the training is finished and saved, and -resume repeats the test")
		}
		test.Lengths = append(test.Lengths, report.LengthTest{Length: longest, Metrics: got})
		fmt.Fprintf(r.out, "test with %d steps: %s, loss %.4f\n", longest, values(r.data.Metrics, got), got.Loss)
	}
	return test.Save(r.options.out)
}

// evaluateOn returns the metrics of a model on data of up to so many steps, in batches
// that have no more steps in all than those of the training, if a sequence has not.
func (r *training) evaluateOn(ctx context.Context, m models.Model, ds task.Dataset, longest int) (train.Metrics, error) {
	e, err := train.NewEvaluator(m, r.data.Metrics...)
	if err != nil {
		return train.Metrics{}, err
	}
	defer e.Close()
	rows := r.evalBatch()
	if n := longestIn(r.data.Train); longest > n {
		rows = max(1, rows*n/longest)
	}
	return e.Evaluate(ctx, ds, train.LoaderConfig{BatchSize: rows})
}
