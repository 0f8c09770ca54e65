package layers

import (
	"slices"
	"sync"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/internal/num"
)

// Sessions that share one set of weights, on goroutines of their own, compute
// what each does alone.
func TestSessionsShareWeights(t *testing.T) {
	const h = 20
	g := G.NewGraph()
	s4, err1 := NewS4(g, tensor.Float32, S4Config{DModel: h, DState: 6, LMax: 16, Gate: 2, Bottleneck: 2, Channels: 2})
	s4d, err2 := NewS4D(g, tensor.Float32, S4DConfig{DModel: h, DState: 6})
	dss, err3 := NewDSS(g, tensor.Float32, DSSConfig{DModel: h, DState: 6, LMax: 16})
	lssl, err4 := NewLSSL(g, tensor.Float32, LSSLConfig{DModel: h, DState: 6})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("S4", func(t *testing.T) { testSessions(t, &s4.ssmLayer, recurrenceOfS4(s4, woodburyWeights[float32])) })
	t.Run("S4/dense", func(t *testing.T) { testSessions(t, &s4.ssmLayer, recurrenceOfS4(s4, denseWeights[float32])) })
	t.Run("S4D", func(t *testing.T) { testSessions(t, &s4d.ssmLayer, recurrenceOfS4D[float32](s4d)) })
	t.Run("DSS", func(t *testing.T) { testSessions(t, &dss.ssmLayer, recurrenceOfDSS[float32](dss)) })
	t.Run("LSSL", func(t *testing.T) { testSessions(t, &lssl.ssmLayer, recurrenceOfLSSL[float32](lssl)) })
}

func testSessions[T num.Float](t *testing.T, l *ssmLayer, read func() (stateWeights[T], error)) {
	const sessions, batch, steps = 4, 3, 5
	made, err := makeRecurrence(l, batch, read)
	if err != nil {
		t.Fatal(err)
	}
	shared := made.(*recurrence[T]).w
	want, got := make([][]T, sessions), make([][]T, sessions)
	run := func(dst *[]T, seed int, w *ssmWeights[T]) {
		m, err := makeRecurrence(l, batch, read)
		if err != nil {
			t.Error(err)
			return
		}
		r := m.(*recurrence[T])
		if w != nil {
			if err := r.use(w); err != nil {
				t.Error(err)
			}
		}
		u := make([]T, batch*l.common.dModel)
		for s := range steps {
			for i := range u {
				u[i] = T((i*7+s*3+seed)%5) - 2
			}
			y, err := r.Step(tensor.New(tensor.WithShape(batch, l.common.dModel), tensor.WithBacking(u)))
			if err != nil {
				t.Error(err)
				return
			}
			*dst = append(*dst, y.Data().([]T)...)
		}
	}
	var wg sync.WaitGroup
	for i := range sessions {
		run(&want[i], i, nil)
		wg.Go(func() { run(&got[i], i, shared) })
	}
	wg.Wait()
	for i := range sessions {
		if !slices.Equal(got[i], want[i]) || len(got[i]) == 0 || i > 0 && slices.Equal(got[i], got[0]) {
			t.Errorf("session %d is not what it is alone", i)
		}
	}
}
