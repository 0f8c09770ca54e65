package layers_test

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/testutil"
	"github.com/gorgonia-s4/s4/layers"
)

// languageModel returns the parts of a model of tokens, in which every kind of
// layer steps.
func languageModel(t testing.TB, dt tensor.Dtype) layers.Chain {
	t.Helper()
	g := G.NewGraph()
	emb, err1 := layers.NewEmbedding(g, dt, layers.EmbeddingConfig{Vocab: 5, DModel: 4, Padding: new(int)})
	stack, err2 := layers.NewStack(g, dt, layers.StackConfig{Blocks: []layers.BlockConfig{
		{Mixer: layers.S4Config{DModel: 4, DState: 4, LMax: 8}, PreNorm: true},
		{Mixer: layers.LSSLConfig{DModel: 4, DState: 4}, Norm: layers.BatchNorm},
		{Mixer: layers.S4DConfig{DModel: 4, DState: 4, SSM: layers.SSM{Gate: 2}}, Norm: layers.NoNorm},
		{Mixer: layers.LSTMConfig{DModel: 4, Layers: 2}, PreNorm: true},
	}})
	head, err3 := layers.NewLinear(g, dt, layers.LinearConfig{In: 4, Out: 5})
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return layers.Chain{emb, stack, head}
}

// feed steps token ids (steps, B) and returns the last logits.
func feed(t testing.TB, r *layers.Recurrence, ids ...[]int) []float64 {
	t.Helper()
	var y *tensor.Dense
	for _, row := range ids {
		var err error
		if y, err = r.Step(tensor.New(tensor.WithShape(len(row)), tensor.WithBacking(row))); err != nil {
			t.Fatal(err)
		}
	}
	return slices.Clone(testutil.Floats(y))
}

func TestStateOfAModelAsBytes(t *testing.T) {
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		r, err := layers.NewRecurrence(languageModel(t, dt), 2)
		if err != nil {
			t.Fatal(err)
		}
		feed(t, r, []int{1, 2}, []int{3, 4})
		b, err := r.State().MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		want := feed(t, r, []int{2, 0}, []int{1, 1})
		var s layers.State
		if err := s.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		other, err := r.Fork(2)
		if err != nil {
			t.Fatal(err)
		}
		if err := other.SetState(s); err != nil {
			t.Fatal(err)
		}
		if got := feed(t, other, []int{2, 0}, []int{1, 1}); !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", dt, got, want)
		}
		for i := range b { // a flipped bit or a cut is an error, and changes nothing
			before := len(s)
			flipped := slices.Clone(b)
			flipped[i] ^= 1 << (i % 8)
			if s.UnmarshalBinary(b[:i]) == nil || s.UnmarshalBinary(flipped) == nil || len(s) != before {
				t.Fatalf("bytes cut at %d, or with a bit flipped there, are no error", i)
			}
		}
	}
}

func TestRowsOfAStateJoinAndSplit(t *testing.T) {
	model := languageModel(t, tensor.Float64)
	all, err := layers.NewRecurrence(model, 3)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, all, []int{1, 2, 3}, []int{4, 0, 1})
	parts, err := all.State().Split(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := feed(t, all, []int{2, 3, 4})
	var got []float64
	for i, ids := range [][]int{{2}, {3, 4}} {
		r, err := all.Fork(len(ids))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.SetState(parts[i]); err != nil {
			t.Fatal(err)
		}
		got = append(got, feed(t, r, ids)...)
	}
	if e := testutil.RelErr(got, want); !(e <= 1e-14) {
		t.Errorf("rows by themselves differ by %.3g", e)
	}
	joined, err := layers.JoinStates(parts...)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := all.Fork(3)
	if err := again.SetState(joined); err != nil {
		t.Fatal(err)
	}
	if got := feed(t, again, []int{2, 3, 4}); !slices.Equal(got, want) {
		t.Errorf("joined rows: got %v, want %v", got, want)
	}
}

func TestStatesThatDoNotFit(t *testing.T) {
	r, err := layers.NewRecurrence(languageModel(t, tensor.Float64), 2)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, r, []int{1, 2})
	before, _ := r.State().MarshalBinary()
	good := r.State()
	edit := func(f func(s layers.State) layers.State) layers.State { return f(r.State()) }
	wrong := func(n int) *tensor.Dense {
		return tensor.New(tensor.WithShape(2, n), tensor.WithBacking(make([]float64, 2*n)))
	}
	for want, s := range map[string]layers.State{
		`want a state of ["x"], got []`:              nil,
		`want tensors of layers 0 to 2, got "x"`:     {{Name: "x", Value: wrong(3)}},
		`want tensors of layers 0 to 2, got "7.0.x"`: {{Name: "7.0.x", Value: wrong(3)}},
		"want a state \"x\" (2, 4, 4), got (2, 3)":   edit(func(s layers.State) layers.State { s[1].Value = wrong(3); return s }),
		`want a state of ["x"], got ["x" "x"]`:       append(r.State(), good[2]),
		"want no state, got 1 tensors":               append(r.State(), layers.StateTensor{Name: "0.x", Value: wrong(1)}),
	} {
		if err := r.SetState(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if now, _ := r.State().MarshalBinary(); string(now) != string(before) {
			t.Errorf("%s: the state has changed", want)
		}
	}
	if _, err := r.State().Split(1, 2); err == nil || !strings.Contains(err.Error(), "want sizes of 2 rows in all, got [1 2]") {
		t.Errorf("got error %v", err)
	}
	if _, err := layers.JoinStates(good, good[:2]); err == nil || !strings.Contains(err.Error(), "state 1: want 5 tensors, got 2") {
		t.Errorf("got error %v", err)
	}
	if _, err := r.Fork(0); err == nil || !strings.Contains(err.Error(), "want batch >= 1, got 0") {
		t.Errorf("got error %v", err)
	}
	if _, err := r.Step(tensor.New(tensor.WithShape(2), tensor.WithBacking([]int{1, 5}))); err == nil || !strings.Contains(err.Error(), `layers: Embedding "embedding": Step: ids[1]: want an id in [0, 5), got 5`) {
		t.Errorf("got error %v", err)
	}
}

// Sessions of one model step in goroutines of their own, while another refreshes:
// each goes on from its state with the new parameters from some step on.
func TestForksShareAndFollow(t *testing.T) {
	model := languageModel(t, tensor.Float32)
	first, err := layers.NewRecurrence(model, 1)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for k := range 4 {
		r, err := first.Fork(k + 1)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for i := range 50 {
				feed(t, r, slices.Repeat([]int{i % 5}, k+1))
				if i%10 == k {
					if err := r.Refresh(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()

	// After a change of the parameters, a fork answers as before until Refresh, and
	// then as a new recurrence that is given its state.
	other, _ := first.Fork(1)
	feed(t, other, []int{1}, []int{2})
	state := other.State()
	want := feed(t, other, []int{3})
	if err := other.SetState(state); err != nil {
		t.Fatal(err)
	}
	for _, l := range model {
		for _, p := range l.(layers.Layer).Params() {
			v, _ := p.Value()
			for i, d := 0, v.Float32s(); i < len(d); i++ {
				d[i] *= 1.01
			}
		}
	}
	if got := feed(t, other, []int{3}); !slices.Equal(got, want) {
		t.Error("a change of the parameters is seen before Refresh")
	}
	if err := other.SetState(state); err != nil {
		t.Fatal(err)
	}
	if err := first.Refresh(); err != nil {
		t.Fatal(err)
	}
	anew, err := layers.NewRecurrence(model, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := anew.SetState(state); err != nil {
		t.Fatal(err)
	}
	want = feed(t, anew, []int{3})
	if got := feed(t, other, []int{3}); !slices.Equal(got, want) {
		t.Errorf("after Refresh: got %v, want %v", got, want)
	}
}

// A session costs its state and scratch memory, not a copy of the model.
func TestForksAreSmall(t *testing.T) {
	g := G.NewGraph()
	stack, err := layers.NewStack(g, tensor.Float32, layers.StackConfig{Repeat: 4, Blocks: []layers.BlockConfig{{Mixer: layers.S4DConfig{DModel: 128, DState: 16}}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := stack.Recurrence(1)
	if err != nil {
		t.Fatal(err)
	}
	const sessions = 64
	kept := make([]*layers.Recurrence, sessions)
	u := tensor.New(tensor.WithShape(1, 128), tensor.WithBacking(make([]float32, 128)))
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	before := allocated()
	for i := range kept {
		if kept[i], err = r.Fork(1); err != nil {
			t.Fatal(err)
		}
		if _, err := kept[i].Step(u); err != nil {
			t.Fatal(err)
		}
	}
	// 4 blocks of 128 x 8 complex states are 32 kB.
	if each := (allocated() - before) / sessions; each > 100<<10 {
		t.Errorf("a session takes %d bytes, want at most 100 kB", each)
	} else {
		t.Logf("a session takes %d bytes", each)
	}
}

// Sessions that share one reading of the parameters, in goroutines of their own,
// compute what each does alone.
func TestForksOfEveryLayerComputeAlone(t *testing.T) {
	const sessions, batch, steps = 4, 3, 5
	for _, v := range family() {
		l := v.on(t, G.NewGraph(), tensor.Float32)
		run := func(dst *[]float64, seed int, r *layers.Recurrence) {
			u := make([]float32, batch*v.dModel)
			for s := range steps {
				for i := range u {
					u[i] = float32((i*7+s*3+seed)%5) - 2
				}
				y, err := r.Step(tensor.New(tensor.WithShape(batch, v.dModel), tensor.WithBacking(u)))
				if err != nil {
					t.Error(err)
					return
				}
				*dst = append(*dst, testutil.Floats(y)...)
			}
		}
		first, err := l.Recurrence(1)
		if err != nil {
			t.Fatal(err)
		}
		want, got := make([][]float64, sessions), make([][]float64, sessions)
		var wg sync.WaitGroup
		for i := range sessions {
			alone, err1 := l.Recurrence(batch)
			fork, err2 := first.Fork(batch)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			run(&want[i], i, alone)
			wg.Go(func() { run(&got[i], i, fork) })
		}
		wg.Wait()
		for i := range sessions {
			if !slices.Equal(got[i], want[i]) || len(got[i]) == 0 || i > 0 && slices.Equal(got[i], got[0]) {
				t.Errorf("%s: session %d is not what it is alone", v.name, i)
			}
		}
	}
}
