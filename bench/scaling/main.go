// Command scaling measures what it costs to train on several ranks, and says what that
// would be on many machines:
//
//	go run ./bench/scaling -out runs/scaling
//
// It measures, each in processes of its own and one after the other,
//
//   - the sum of the gradients (train.GroupReducer) of models of 10,000 to 300 million
//     parameters, as float32 and as bfloat16, and an exchange of short messages, on
//     ranks that are goroutines of one process and, if there are mpirun, a C compiler
//     and the libraries of Open MPI, on ranks of MPI, through shared memory and through
//     TCP over the loopback;
//   - a step of training of classifiers of S4 layers by one rank with one thread and
//     with all, and by as many ranks with a thread each as there are processors: with as
//     many rows on each rank (weak scaling), and with as many in all (strong scaling).
//
// To the sums it fits a cost model of two numbers, the latency of a message and the time
// of a byte (cost.go), to the steps a line, and shows how far both are from what was
// measured. With the -latency and -bandwidth of a network, which are not measured, and
// machines like this one, it then computes the steps of as many as -machines.
//
// It writes samples.csv, every measurement, scaling.md, which is printed too, and
// scaling.png to -out. With -draw it measures nothing and writes them from the
// samples.csv that is there. On two cores all takes about five minutes; the machine
// should do nothing else.
//
// The processes that measure are this program with -measure. A transport alone is
//
//	go build -tags mpi -o scaling ./bench/scaling
//	mpirun -np 2 --bind-to none --mca btl self,tcp ./scaling -measure tcp -out runs/scaling
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/gorgonia-s4/s4/internal/option"
)

// options are the command line.
type options struct {
	out        string
	ranks      []int
	parameters []float64
	memory     float64 // GB
	time       time.Duration
	bucket     float64 // MiB
	steps      int
	rows       int
	models     []string
	length     int

	latency   time.Duration
	bandwidth float64 // Gbit/s
	machines  int

	draw    bool
	measure string // a transport
}

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		ctx := option.UntilInterrupt()
		if o.measure != "" {
			err = measure(ctx, o)
		} else {
			err = scale(ctx, o)
		}
	}
	option.Exit("scaling", err)
}

func parse(args []string) (options, error) {
	o := options{ranks: []int{2, 4}, parameters: []float64{1e4, 1e5, 1e6, 1e7, 1e8, 3e8}, models: []string{"small", "image"}}
	f := flag.NewFlagSet("scaling", flag.ContinueOnError)
	f.StringVar(&o.out, "out", "runs/scaling", "folder of the results")
	option.Ints(f, "ranks", &o.ranks, "comma-separated `numbers` of ranks that add up gradients")
	option.Floats(f, "parameters", &o.parameters, "comma-separated `numbers` of parameters of the models whose gradients are added up")
	f.Float64Var(&o.memory, "memory", 8, "`GB` that all ranks together may take: models that need more are left out")
	f.DurationVar(&o.time, "time", 300*time.Millisecond, "of a measurement of a sum, which is made three times at least, or once if it takes seconds")
	f.Float64Var(&o.bucket, "bucket", 4, "`MiB` of a bucket")
	f.IntVar(&o.steps, "steps", 6, "measured steps of training of each kind")
	f.IntVar(&o.rows, "rows", 8, "sequences of a rank's step, a multiple of 4")
	option.Strings(f, "models", &o.models, "comma-separated `models` whose steps are measured: small, of which also those of several ranks, and image")
	f.IntVar(&o.length, "length", 1024, "steps of a sequence")
	f.DurationVar(&o.latency, "latency", 30*time.Microsecond, "of a message between machines, for the projection")
	f.Float64Var(&o.bandwidth, "bandwidth", 10, "of the network in `Gbit/s` each way, for the projection")
	f.IntVar(&o.machines, "machines", 64, "most machines of the projection")
	f.BoolVar(&o.draw, "draw", false, "measure nothing: write the report of the samples in -out")
	f.StringVar(&o.measure, "measure", "", "measure one `transport` and add to the samples in -out: alone or process, or under mpirun a name that says how it was called, such as tcp")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("want no arguments, got %q", f.Args())
	}
	return o, o.validate()
}

func (o options) validate() error {
	for _, n := range o.ranks {
		if n < 2 {
			return fmt.Errorf("-ranks: want numbers from 2 on, got %d", n)
		}
	}
	for _, n := range o.parameters {
		if n < leastParameters || n > math.MaxInt32 || n != math.Trunc(n) {
			return fmt.Errorf("-parameters: want whole numbers from %d to %d, got %g", leastParameters, math.MaxInt32, n)
		}
	}
	for _, name := range o.models {
		if _, ok := architectureOf(name); !ok {
			return fmt.Errorf("-models: want some of small and image, got %q", name)
		}
	}
	switch {
	case len(o.ranks) == 0 || len(o.parameters) == 0:
		return fmt.Errorf("-ranks, -parameters: want at least one number, got %d and %d", len(o.ranks), len(o.parameters))
	case !(o.memory > 0) || !(o.bucket > 0) || o.bucket > 1024:
		return fmt.Errorf("-memory, -bucket: want positive numbers, of MiB at most 1024, got %g and %g", o.memory, o.bucket)
	case o.time <= 0 || o.latency <= 0 || !(o.bandwidth > 0):
		return fmt.Errorf("-time, -latency, -bandwidth: want positive numbers, got %v, %v and %g", o.time, o.latency, o.bandwidth)
	case o.steps < 1 || o.length < 1 || o.machines < 2:
		return fmt.Errorf("-steps, -length, -machines: want at least 1, 1 and 2, got %d, %d and %d", o.steps, o.length, o.machines)
	case o.rows < 4 || o.rows%4 != 0:
		return fmt.Errorf("-rows: want a multiple of 4, got %d", o.rows)
	}
	return nil
}

// scale measures, unless there is nothing but to draw, and writes the results. Those
// that there are when it is interrupted are written all the same.
func scale(ctx context.Context, o options) error {
	if o.draw {
		return write(o)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if err := os.Remove(o.samplesFile()); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := measureAll(ctx, o, runtime.NumCPU()); err != nil && ctx.Err() == nil {
		return err
	}
	if err := write(o); err != nil {
		return err
	}
	return ctx.Err()
}
