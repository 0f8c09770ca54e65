package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/param"
	"github.com/gorgonia-s4/s4/task"
)

// reducers returns those of n ranks that are goroutines.
func reducers(t *testing.T, n int, c GroupConfig) []*GroupReducer {
	t.Helper()
	groups, err := NewGroup(n)
	if err != nil {
		t.Fatal(err)
	}
	rs := make([]*GroupReducer, n)
	for i, g := range groups {
		if rs[i], err = NewReducer(g, c); err != nil {
			t.Fatal(err)
		}
	}
	return rs
}

// each runs f for every rank at the same time and returns the errors.
func each(n int, f func(rank int) error) []error {
	errs, done := make([]error, n), make(chan struct{})
	for rank := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			errs[rank] = f(rank)
		}()
	}
	for range n {
		<-done
	}
	return errs
}

// learned makes gradients of the given lengths and types: element i of parameter p is
// f(p, i).
func learned(lengths []int, types []tensor.Dtype, f func(p, i int) float64) []Learned {
	ls := make([]Learned, len(lengths))
	for p, n := range lengths {
		ls[p].Param = param.Param{Name: fmt.Sprint("p", p)}
		ls[p].Grad.Shape = tensor.Shape{n}
		if types[p%len(types)] == tensor.Float32 {
			ls[p].Grad.Float32s = make([]float32, n)
		} else {
			ls[p].Grad.Float64s = make([]float64, n)
		}
	}
	refill(ls, f)
	return ls
}

func refill(ls []Learned, f func(p, i int) float64) {
	for p := range ls {
		g := &ls[p].Grad
		for i := range g.Len() {
			if g.Float32s != nil {
				g.Float32s[i] = float32(f(p, i))
			} else {
				g.Float64s[i] = f(p, i)
			}
		}
	}
}

// numbers returns those of all gradients.
func numbers(ls []Learned) (v []float64) {
	for _, l := range ls {
		for i := range l.Grad.Len() {
			v = append(v, l.Grad.At(i))
		}
	}
	return v
}

var (
	singles = []tensor.Dtype{tensor.Float32}
	doubles = []tensor.Dtype{tensor.Float64}
	mixed   = []tensor.Dtype{tensor.Float32, tensor.Float64}
)

// Sums of whole numbers are exact, whatever their buckets.
func TestGroupReducerSums(t *testing.T) {
	lengths := []int{1, 7, 300, 2, 64, 5, 1000, 33}
	for _, types := range [][]tensor.Dtype{singles, doubles, mixed} {
		for _, n := range []int{2, 3, 4} {
			for _, bytes := range []int{1, 4, 64, 100, 2000, 0} {
				for _, half := range []bool{false, true} {
					of := func(rank int) func(p, i int) float64 {
						return func(p, i int) float64 { return float64(rank - p + i%17) } // few enough bits for bfloat16
					}
					all := make([][]Learned, n)
					rs := reducers(t, n, GroupConfig{bytes, half})
					errs := each(n, func(rank int) error {
						all[rank] = learned(lengths, types, of(rank))
						count, err := rs[rank].Sum(all[rank], float64(2*rank))
						if want := float64(n * (n - 1)); err == nil && count != want {
							err = fmt.Errorf("want the count %g, got %g", want, count)
						}
						return err
					})
					if err := errors.Join(errs...); err != nil {
						t.Fatal(err)
					}
					want := numbers(learned(lengths, types, func(p, i int) float64 {
						sum := 0.0
						for rank := range n {
							sum += of(rank)(p, i)
						}
						return sum
					}))
					for rank, ls := range all {
						if got := numbers(ls); !slices.Equal(got, want) {
							t.Fatalf("%v, rank %d of %d, buckets of %d, bfloat16 %v: got other sums", types, rank, n, bytes, half)
						}
					}
				}
			}
		}
	}
}

// What is rounded off is in the sums of later steps, weighted as these are: the mean
// gradients of many steps add up to the exact ones but for the rest of the last step.
func TestGroupReducerBFloat16KeepsTheRests(t *testing.T) {
	const n, steps = 3, 60
	lengths := []int{40, 3, 500}
	mean := func(rank, step, p, i int) float64 {
		return 1/float64(3+p+i) + 0.1*math.Sin(float64(i+7*rank)) + 0.01*math.Cos(float64(i*step))
	}
	count := func(rank, step int) float64 { return float64(1 + (rank+step)%3 + 40*(step%2)) }
	for _, types := range [][]tensor.Dtype{singles, doubles} {
		all := make([][]Learned, n)
		got, want := make([][]float64, n), make([]float64, 543)
		rs := reducers(t, n, GroupConfig{128, true})
		largest, last := 0.0, 0.0 // difference of a step, and in the end
		for step := range steps {
			total := 0.0
			for rank := range n {
				total += count(rank, step)
			}
			errs := each(n, func(rank int) error {
				f := func(p, i int) float64 { return count(rank, step) * mean(rank, step, p, i) }
				if step == 0 {
					all[rank] = learned(lengths, types, f)
				}
				refill(all[rank], f)
				_, err := rs[rank].Sum(all[rank], count(rank, step))
				got[rank] = numbers(all[rank])
				return err
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			at := 0
			for p, length := range lengths {
				for i := range length {
					exact := 0.0
					for rank := range n {
						exact += count(rank, step) * mean(rank, step, p, i)
					}
					want[at] += (exact - got[0][at]) / total
					largest = max(largest, math.Abs(exact-got[0][at])/total)
					at++
				}
			}
			for rank := range n {
				if !slices.Equal(got[rank], got[0]) {
					t.Fatalf("step %d: rank %d has other sums", step, rank)
				}
			}
		}
		for _, d := range want {
			last = max(last, math.Abs(d))
		}
		// The numbers of the ranks, and their sum, are rounded by 1/256 of themselves at most.
		if bound := 2 * 0.45 / 256; largest < 1e-4 || last > bound {
			t.Errorf("%v: the steps differ by %.2g at most, all together by %.2g", types, largest, last)
		}
	}
}

// A number that is not finite is seen by all ranks, and is no part of the next step.
func TestGroupReducerBFloat16NotFinite(t *testing.T) {
	const n = 2
	rs := reducers(t, n, GroupConfig{BFloat16: true})
	bad := []float64{math.Inf(1), math.Inf(-1), math.NaN()}
	all := make([][]Learned, n)
	for _, c := range []struct {
		of   func(rank, i int) float64
		want []float64
	}{
		{func(rank, i int) float64 { return []float64{bad[i], 1}[rank] }, bad},
		{func(rank, i int) float64 { return 1 }, []float64{2, 2, 2}},
	} {
		errs := each(n, func(rank int) error {
			all[rank] = learned([]int{3}, singles, func(p, i int) float64 { return c.of(rank, i) })
			_, err := rs[rank].Sum(all[rank], 1)
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for rank := range n {
			if got := numbers(all[rank]); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("rank %d: want %v, got %v", rank, c.want, got)
			}
		}
	}
}

// A step without targets has no gradient, and the rests wait for the next one.
func TestGroupReducerBFloat16WithoutTargets(t *testing.T) {
	const n = 2
	rs := reducers(t, n, GroupConfig{BFloat16: true})
	sum := 0.0
	const value = 1 + 1.5/512 // is rounded to 1, and with as much again to 1 + 4/512
	for _, c := range []struct{ value, count float64 }{{value, 1}, {0, 0}, {value, 1}} {
		all := make([][]Learned, n)
		errs := each(n, func(rank int) error {
			all[rank] = learned([]int{1}, singles, func(p, i int) float64 { return c.value })
			_, err := rs[rank].Sum(all[rank], c.count)
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		got := numbers(all[0])[0]
		if c.count == 0 && got != 0 {
			t.Errorf("want nothing of no targets, got %g", got)
		}
		sum += got
	}
	if want := 2.0 + 2*(1+4.0/512); sum != want {
		t.Errorf("want %g, got %g", want, sum)
	}
}

// A rank by itself changes nothing.
func TestGroupReducerAlone(t *testing.T) {
	f := func(p, i int) float64 { return 1 / float64(3+p+i) }
	ls := learned([]int{3, 5}, mixed, f)
	count, err := reducers(t, 1, GroupConfig{BFloat16: true})[0].Sum(ls, 7)
	if err != nil || count != 7 || !slices.Equal(numbers(ls), numbers(learned([]int{3, 5}, mixed, f))) {
		t.Errorf("got %v, %v, %v", numbers(ls), count, err)
	}
}

// Ranks that differ all learn which does, and nothing is changed.
func TestGroupReducerRejects(t *testing.T) {
	one := func(p, i int) float64 { return 1 }
	for want, other := range map[string]func(ls []Learned) []Learned{
		"rank 2: want the gradients and the GroupConfig": func(ls []Learned) []Learned { return ls[:1] },
		"names, lengths and types in their order":        func(ls []Learned) []Learned { return []Learned{ls[1], ls[0]} },
		`parameter "p1": want a gradient`:                func(ls []Learned) []Learned { ls[1].Grad = task.Array{}; return ls },
	} {
		all := make([][]Learned, 3)
		rs := reducers(t, 3, GroupConfig{})
		for rank, err := range each(3, func(rank int) error {
			ls := learned([]int{4, 4}, singles, one)
			if rank == 2 {
				ls = other(ls)
			}
			all[rank] = ls
			_, err := rs[rank].Sum(ls, 1)
			return err
		}) {
			var re *RankError
			if !errors.As(err, &re) || re.Rank != 2 || !strings.Contains(err.Error(), want) {
				t.Errorf("rank %d: want an error of rank 2 with %q, got %v", rank, want, err)
			}
			if got := numbers(all[rank][:1]); !slices.Equal(got, []float64{1, 1, 1, 1}) {
				t.Errorf("rank %d: gradients were changed: %v", rank, got)
			}
		}
	}
	groups, err := NewGroup(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewReducer(nil, GroupConfig{}); err == nil || !strings.Contains(err.Error(), "want a group, got nil") {
		t.Errorf("got %v", err)
	}
	if _, err := NewReducer(groups[0], GroupConfig{BucketBytes: -1}); err == nil || !strings.Contains(err.Error(), "BucketBytes >= 0, got -1") {
		t.Errorf("got %v", err)
	}
}

// A rank that fails between the steps of a loop of one's own ends that of all.
func TestGroupReducerFindsAFailureElsewhere(t *testing.T) {
	for rank, err := range onRanks(t, 3, func(g Group) error {
		r, err := NewReducer(g, GroupConfig{})
		if err != nil {
			return err
		}
		for step := range 3 {
			if g.Rank() == 1 && step == 2 {
				return Agree(g, errSpoiled)
			}
			if _, err := r.Sum(learned([]int{3}, singles, func(p, i int) float64 { return 1 }), 1); err != nil {
				return err
			}
		}
		return nil
	}) {
		if err == nil || err.Error() != "rank 1: spoiled" || errors.Is(err, errSpoiled) != (rank == 1) {
			t.Errorf("rank %d: got error %v", rank, err)
		}
	}
}

// lossy is a group that breaks.
type lossy struct {
	Group
	left int // calls until then
	err  error
}

func (l *lossy) SumFloat32(v []float32) error {
	if l.left--; l.left < 0 {
		return l.err
	}
	return nil
}

func (l *lossy) Gather(message []byte) ([][]byte, error) { return [][]byte{message, message}, nil }
func (l *lossy) Rank() int                               { return 0 }
func (l *lossy) Size() int                               { return 2 }

// However many sums have been made, an error ends the step and the goroutine.
func TestGroupReducerBreaks(t *testing.T) {
	lost := errors.New("no route to host")
	const sums = 5 // four buckets of the small gradients, and the large one
	before := runtime.NumGoroutine()
	for left := range sums + 1 {
		r, err := NewReducer(&lossy{left: left, err: lost}, GroupConfig{BucketBytes: 64})
		if err != nil {
			t.Fatal(err)
		}
		ls := learned(append(slices.Repeat([]int{3}, 20), 30), singles, func(p, i int) float64 { return 1 })
		if _, err := r.Sum(ls, 1); errors.Is(err, lost) != (left < sums) || err != nil && !strings.Contains(err.Error(), "rank 0 of 2, at a step: the group: ") {
			t.Errorf("after %d sums: got %v", left, err)
		}
	}
	for wait := 0; runtime.NumGoroutine() > before && wait < 100; wait++ {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines are left of %d", n-before, n)
	}
}

func TestGroupReducerMakesNoGarbage(t *testing.T) {
	for _, half := range []bool{false, true} {
		rs := reducers(t, 2, GroupConfig{4096, half})
		lengths := []int{100, 900, 500, 20000, 700}
		a, b := learned(lengths, singles, func(p, i int) float64 { return 1 }), learned(lengths, singles, func(p, i int) float64 { return 1 })
		next, done := make(chan struct{}), make(chan error)
		go func() {
			for range next {
				done <- rs[1].sum(b, 1)
			}
		}()
		step := func() {
			next <- struct{}{}
			if err := errors.Join(rs[0].sum(a, 1), <-done); err != nil {
				t.Fatal(err)
			}
		}
		step()
		if n := testing.AllocsPerRun(10, step); n > 2 {
			t.Errorf("bfloat16 %v: %v allocations a step", half, n)
		}
		close(next)
	}
}

// Ranks that step make the steps of one that has all targets.
func TestGroupReducerSteps(t *testing.T) {
	shapes := []tensor.Shape{{4}, {3, 2}, {50}}
	counts := []float64{3, 0, 5}
	grad := func(rank, step int) func(i, j int) float64 {
		return func(i, j int) float64 { return math.Sin(float64(5*rank + 3*step + 2*i + j)) }
	}
	rs := reducers(t, len(counts), GroupConfig{BucketBytes: 64})
	benches := make([]*bench, len(counts)+1)
	for i := range benches {
		benches[i] = newBench(t, tensor.Float64, nil, shapes...)
	}
	whole := benches[len(counts)]
	ref := NewAdamW(ParamGroups(whole.params))
	gs, os := make([]Gradients, len(counts)), make([]Optimizer, len(counts))
	for i := range gs {
		gs[i].Reducer, os[i] = rs[i], NewAdamW(ParamGroups(benches[i].params))
	}
	for step := range 5 {
		for rank := range counts {
			benches[rank].grads(t, grad(rank, step))
		}
		errs := each(len(counts), func(rank int) error {
			return gs[rank].Step(benches[rank].params, counts[rank], os[rank], 1)
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		mean := func(i, j int) float64 { return (3*grad(0, step)(i, j) + 5*grad(2, step)(i, j)) / 8 }
		if err := ref.Step(whole.grads(t, mean)); err != nil {
			t.Fatal(err)
		}
	}
	for rank := range counts {
		for p := range shapes {
			if d := distance(benches[rank].value(p), whole.value(p)); d > 1e-12 || !slices.Equal(benches[rank].value(p), benches[0].value(p)) {
				t.Errorf("rank %d: parameter %d differs by %.3g", rank, p, d)
			}
		}
	}
}

// A trainer's ranks are the same whatever their buckets, and near by as bfloat16.
func TestTrainerSumsByBuckets(t *testing.T) {
	cfg, mc, train, val := tinyRun("")
	numbersOf := func(c GroupConfig) []float64 {
		ends := run{cfg: cfg, mc: mc, train: train, val: val, group: c}.on(t, 2)
		for rank, e := range ends {
			if e.err != nil {
				t.Fatalf("rank %d: %v", rank, e.err)
			}
		}
		if !slices.Equal(ends[0].numbers(t), ends[1].numbers(t)) {
			t.Errorf("%+v: the ranks differ", c)
		}
		return ends[0].numbers(t)
	}
	want := numbersOf(GroupConfig{})
	if got := numbersOf(GroupConfig{BucketBytes: 64}); !slices.Equal(got, want) {
		t.Error("small buckets give other parameters")
	}
	got := numbersOf(GroupConfig{BFloat16: true})
	if d := distance(got, want); d == 0 || d > 0.05 {
		t.Errorf("as bfloat16 the run differs by %.2g", d)
	}
}

// A run that goes on in its own process is one that another process goes on with, also
// as bfloat16.
func TestTrainerBFloat16GoesOn(t *testing.T) {
	cfg, mc, train, val := tinyRun(t.TempDir())
	saved := filepath.Join(t.TempDir(), "saved")
	var own []float64
	for rank, err := range onRanks(t, 2, func(g Group) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		mine := cfg
		if g.Rank() > 0 {
			mine.CheckpointDir = ""
		}
		tr, err := New(mine, newTinyModel(mc, cfg.DType.Tensor()), train, val, WithGroup(g, GroupConfig{BFloat16: true}), WithMetrics(Accuracy()),
			WithHooks(stepHook{f: func(e StepEvent) error {
				if e.Step == 4 {
					cancel()
				}
				return nil
			}}))
		if err != nil {
			return Agree(g, err)
		}
		defer tr.Close()
		if _, err := tr.Fit(ctx); !errors.As(err, new(*InterruptedError)) {
			return fmt.Errorf("want an interrupted run, got %v", err)
		}
		if g.Rank() == 0 {
			err = os.CopyFS(saved, os.DirFS(cfg.CheckpointDir))
		}
		if err := Agree(g, err); err != nil {
			return err
		}
		if _, err = tr.Fit(context.Background()); err == nil && g.Rank() == 0 {
			own = ended{trainer: tr}.numbers(t)
		}
		return err
	}) {
		if err != nil {
			t.Fatalf("rank %d: %v", rank, err)
		}
	}
	cfg.CheckpointDir = ""
	ends := run{cfg: cfg, mc: mc, train: train, val: val, from: filepath.Join(saved, LastCheckpoint), group: GroupConfig{BFloat16: true}}.on(t, 2)
	if err := errors.Join(ends[0].err, ends[1].err); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ends[0].numbers(t), own) {
		t.Error("the two go on differently")
	}
}
