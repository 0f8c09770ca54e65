package markov

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
)

// all returns the processes with the published parameters.
func all(t *testing.T) map[string]*Process {
	t.Helper()
	m := map[string]*Process{}
	for _, f := range []func() (*Process, error){func() (*Process, error) { return Mess3(0.05, 0.85) }, Z1R, RRXOR} {
		p, err := f()
		if err != nil {
			t.Fatal(err)
		}
		m[p.Name()] = p
	}
	return m
}

// The published numbers of Mess3.
func TestMess3(t *testing.T) {
	const tol = 1e-12
	p := all(t)["mess3"]
	want := [][]float64{{0.765, 0.00375, 0.00375}, {0.0425, 0.0675, 0.00375}, {0.0425, 0.00375, 0.0675}}
	for i, row := range want {
		for j, v := range row {
			if got := p.t[0][i][j]; math.Abs(got-v) > tol {
				t.Errorf("T^A[%d][%d]: got %g, want %g", i, j, got, v)
			}
		}
	}
	for _, v := range p.Start() {
		if math.Abs(v-1./3) > tol {
			t.Errorf("got the stationary distribution %v, want an even one", p.Start())
		}
	}
}

func TestStationary(t *testing.T) {
	const tol = 1e-12
	for name, want := range map[string][]float64{"z1r": {1. / 3, 1. / 3, 1. / 3}, "rrxor": {1. / 3, 1. / 6, 1. / 6, 1. / 6, 1. / 6}} {
		got := all(t)[name].Start()
		for i := range want {
			if math.Abs(got[i]-want[i]) > tol {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
		}
	}
}

// The entropies of the paper's processes, to the digits that are known of them.
func TestEntropies(t *testing.T) {
	const tol = 5e-5
	ln2 := math.Ln2
	for name, want := range map[string][]float64{
		"mess3": {1.0986, 0.8577, 0.8134, 0.7981, 0.7947, 0.7938, 0.7935, 0.7935},
		"z1r":   {0.6931, 0.6365, 0.4621, ln2 / 3, ln2 / 3, ln2 / 3},
	} {
		got, err := all(t)[name].Entropies(len(want))
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if math.Abs(got[i]-want[i]) > tol {
				t.Errorf("%s: H(X_%d | before): got %.5f, want %.4f", name, i+1, got[i], want[i])
			}
		}
	}
	weak, err := Mess3(0.15, 0.6)
	if err != nil {
		t.Fatal(err)
	}
	got, err := weak.Entropies(4)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{1.0986, 1.0911, 1.0894, 1.0890} {
		if math.Abs(got[i]-want) > tol {
			t.Errorf("x 0.15, alpha 0.6: H(X_%d | before): got %.5f, want %.4f", i+1, got[i], want)
		}
	}
}

// The belief is what Bayes' rule says of all paths of hidden states.
func TestBeliefsAreThoseOfAllPaths(t *testing.T) {
	const tol = 1e-12
	for name, p := range all(t) {
		d, err := p.Dataset(5, 3, 7)
		if err != nil {
			t.Fatal(err)
		}
		tokens := d.Tokens(1)[:5]
		got, err := p.Beliefs(tokens)
		if err != nil {
			t.Fatal(err)
		}
		want, sum := make([]float64, p.States()), 0.
		var walk func(state, l int, probability float64)
		walk = func(state, l int, probability float64) {
			if l == len(tokens) {
				want[state] += probability
				sum += probability
				return
			}
			for j, q := range p.t[tokens[l]][state] {
				walk(j, l+1, probability*q)
			}
		}
		for i, q := range p.Start() {
			walk(i, 0, q)
		}
		for i := range want {
			if math.Abs(got[len(tokens)-1][i]-want[i]/sum) > tol {
				t.Errorf("%s: got %v, want %v over %g", name, got[len(tokens)-1], want, sum)
			}
		}
	}
}

// What is drawn is of the process: pairs of tokens are as frequent as they are likely.
func TestDatasetIsOfTheProcess(t *testing.T) {
	const n, tol = 20_000, 0.015 // four standard deviations
	for name, p := range all(t) {
		d, err := p.Dataset(1, n, 3)
		if err != nil {
			t.Fatal(err)
		}
		counts := map[[2]int]float64{}
		for i := range n {
			x := d.Tokens(i)
			counts[[2]int{x[0], x[1]}]++
		}
		for a := range p.Tokens() {
			b, first := p.after(p.start, a)
			for k := range p.Tokens() {
				_, second := p.after(b, k)
				if got, want := counts[[2]int{a, k}]/n, first*second; math.Abs(got-want) > tol {
					t.Errorf("%s: %d %d: got the part %.4f, want %.4f", name, a, k, got, want)
				}
			}
		}
	}
}

// A batch has the tokens, and those that follow.
func TestDataset(t *testing.T) {
	d, err := all(t)["mess3"].Dataset(4, 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := task.NewBatch(d)
	if err := b.Load([]int{2}, 1, 4); err != nil {
		t.Fatal(err)
	}
	x, _ := b.Array(task.X)
	target, _ := b.Array(task.Target)
	if tokens := d.Tokens(2); !slices.Equal(x.Ints, tokens[:4]) || !slices.Equal(target.Ints, tokens[1:]) {
		t.Errorf("got %v and %v of %v", x.Ints, target.Ints, tokens)
	}
	f := Fresh{d}
	one, again, other := f.Epoch(0).(*Dataset), f.Epoch(0).(*Dataset), f.Epoch(1).(*Dataset)
	same, differ := 0, 0
	for i := range 3 {
		if slices.Equal(one.Tokens(i), again.Tokens(i)) {
			same++
		}
		if !slices.Equal(one.Tokens(i), other.Tokens(i)) {
			differ++
		}
	}
	if same != 3 || differ == 0 {
		t.Errorf("of 3 sequences %d are the same in one pass, and %d others in another", same, differ)
	}
}

// The mean loss of a predictor that knows the process is the entropy.
func TestLosses(t *testing.T) {
	const n, length, tol = 20_000, 3, 0.03 // four standard deviations
	for name, p := range all(t) {
		d, err := p.Dataset(length, n, 5)
		if err != nil {
			t.Fatal(err)
		}
		mean := make([]float64, length+1)
		for i := range n {
			losses, err := p.Losses(d.Tokens(i))
			if err != nil {
				t.Fatal(err)
			}
			for l, v := range losses {
				mean[l] += v / n
			}
		}
		want, err := p.Entropies(length + 1)
		if err != nil {
			t.Fatal(err)
		}
		for l := range want {
			if math.Abs(mean[l]-want[l]) > tol {
				t.Errorf("%s, token %d: got a mean loss of %.4f, want %.4f", name, l+1, mean[l], want[l])
			}
		}
	}
}

func TestErrors(t *testing.T) {
	p := all(t)["z1r"]
	half := [][]float64{{0.5}}
	for want, f := range map[string]func() error{
		"want a matrix (S, S) for each token, got none":             func() error { _, err := New("", nil); return err },
		"want probabilities of state 0 that sum up to 1, got 0.5":   func() error { _, err := New("", [][][]float64{half}); return err },
		"want probabilities, got -1 for token 0 from state 0 to 0":  func() error { _, err := New("", [][][]float64{{{-1}}}); return err },
		"want matrices of one size (1, 1), got another for token 1": func() error { _, err := New("", [][][]float64{half, {{0.5}, {1}}}); return err },
		"want x in (0, 0.5) and alpha in (0, 1), got 0.5 and 0.85":  func() error { _, err := Mess3(0.5, 0.85); return err },
		"want tokens in [0, 2), got 2":                              func() error { _, err := p.Beliefs([]int{2}); return err },
		"want tokens that z1r can emit, got [1 1 1]":                func() error { _, err := p.Beliefs([]int{1, 1, 1, 0}); return err },
		"want n >= 1 and at most 4194304 beginnings of n-1 tokens, got n = 1099511627776 of 1 tokens": func() error { // which have one beginning each
			one, err := New("one", [][][]float64{{{1}}})
			if err == nil {
				_, err = one.Entropies(1 << 40)
			}
			return err
		},
		"want n >= 1 and at most":               func() error { _, err := p.Entropies(100); return err },
		"want a length of 1 to 1048576, got 0":  func() error { _, err := p.Dataset(0, 1, 0); return err },
		"want 1 to 1073741824 sequences, got 0": func() error { _, err := p.Dataset(1, 0, 0); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
