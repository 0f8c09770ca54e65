package conformance

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"sort"
	"strings"
	"testing"
	"text/tabwriter"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/internal/testutil/golden"
)

var goldenSet = flag.String("golden", "", "directory or .tar.gz of golden cases (default: those that come with the module)")

const (
	// tol64 bounds the relative error in float64.
	tol64 = 1e-10
	// tol32 bounds the relative error in float32 where a case does not store the
	// reference's own.
	tol32 = 1e-5
)

// errNotImplemented says that a case is of a kind, or a variant of a kind,
// that the module does not have.
var errNotImplemented = errors.New("not implemented")

// outcome collects the errors of one case.
type outcome struct {
	c     *golden.Case
	worst map[tensor.Dtype]float64 // relative error, by dtype
	fails []string
}

// compare records the error of one result. bound32 is what float32 may be off
// by; 0 means tol32.
func (o *outcome) compare(dt tensor.Dtype, what string, got, want []float64, bound32 float64) {
	e := testutil.RelErr(got, want)
	o.worst[dt] = max(o.worst[dt], e)
	tol := tol64
	if dt == tensor.Float32 {
		tol = bound32
		if tol == 0 {
			tol = tol32
		}
	}
	if !(e <= tol) {
		o.fails = append(o.fails, fmt.Sprintf("%s: %s %v: relative error %.3g > %.3g", o.c.Name, what, dt, e, tol))
	}
}

// against compares a result with an array of the case.
func (o *outcome) against(dt tensor.Dtype, array string, got []float64, bound32 float64) error {
	a, err := o.c.Array(array)
	if err != nil {
		return err
	}
	o.compare(dt, array, got, a.F, bound32)
	return nil
}

// runner runs one case in one dtype. float64Only kinds are mathematics that
// exists in float64 alone.
type runner struct {
	run         func(o *outcome, dt tensor.Dtype) error
	float64Only bool
}

var runners = map[string]runner{
	"diag_init":            {runDiagInit, true},
	"diag_init_normalized": {runDiagInit, true},
	"s4d_kernel":           {runS4DKernel, false},
	"s4d_minimal_kernel":   {runS4DMinimalKernel, false},
	"fftconv":              {runConv, false},
	"recurrence":           {runRecurrence, false},
	"layer":                {runLayer, false},
	"model":                {runModel, false},
}

// row is one line of the table.
type row struct {
	ran, failed, skipped int
	worst                map[tensor.Dtype]float64
}

func TestGolden(t *testing.T) {
	cases, err := golden.Default()
	if *goldenSet != "" {
		cases, err = golden.Open(*goldenSet)
	}
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]*row{}
	ran := 0
	for _, c := range cases {
		r := rows[c.Kind]
		if r == nil {
			r = &row{worst: map[tensor.Dtype]float64{}}
			rows[c.Kind] = r
		}
		o, err := runCase(c)
		switch {
		case errors.Is(err, errNotImplemented):
			r.skipped++
			continue
		case err != nil:
			o.fails = append(o.fails, fmt.Sprintf("%s: %v", c.Name, err))
		}
		r.ran++
		ran++
		for dt, e := range o.worst {
			r.worst[dt] = max(r.worst[dt], e)
		}
		if len(o.fails) > 0 {
			r.failed++
			for _, f := range o.fails {
				t.Error(f)
			}
		}
	}
	printTable(rows)
	if ran == 0 {
		t.Error("no case was run")
	}
}

func runCase(c *golden.Case) (*outcome, error) {
	o := &outcome{c: c, worst: map[tensor.Dtype]float64{}}
	r, ok := runners[c.Kind]
	if !ok {
		return o, errNotImplemented
	}
	if err := r.run(o, tensor.Float64); err != nil {
		return o, err
	}
	if r.float64Only {
		return o, nil
	}
	return o, r.run(o, tensor.Float32)
}

func printTable(rows map[string]*row) {
	kinds := make([]string, 0, len(rows))
	var missing []string
	for k, r := range rows {
		kinds = append(kinds, k)
		if r.skipped > 0 {
			missing = append(missing, fmt.Sprintf("%s (%d)", k, r.skipped))
		}
	}
	sort.Strings(kinds)
	sort.Strings(missing)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "kind\tcases\trun\tfailed\tnot run\tworst float64\tworst float32\t")
	for _, k := range kinds {
		r := rows[k]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t\n", k, r.ran+r.skipped, r.ran, r.failed, r.skipped,
			errorText(r.worst, tensor.Float64), errorText(r.worst, tensor.Float32))
	}
	_ = w.Flush()
	if len(missing) > 0 {
		fmt.Println("not run, because nothing implements them yet:", strings.Join(missing, ", "))
	}
}

func errorText(worst map[tensor.Dtype]float64, dt tensor.Dtype) string {
	e, ok := worst[dt]
	if !ok {
		return "-"
	}
	if math.IsInf(e, 0) {
		return "not finite"
	}
	return fmt.Sprintf("%.2g", e)
}
