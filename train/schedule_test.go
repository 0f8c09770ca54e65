package train

import (
	"math"
	"strings"
	"testing"
)

func scheduler(t *testing.T, cfg Schedule, steps int) *Scheduler {
	t.Helper()
	s, err := NewScheduler(cfg, steps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchedulerFactor(t *testing.T) {
	const tol = 1e-15
	cosine := Schedule{Kind: Cosine, WarmUp: 4, Min: 0.1}
	for _, c := range []struct {
		name  string
		cfg   Schedule
		steps int
		step  int
		want  float64
	}{
		{"zero value", Schedule{}, 10, 0, 1},
		{"zero value, end", Schedule{}, 10, 9, 1},
		{"warm-up, first step", Schedule{WarmUp: 4}, 10, 0, 0.25},
		{"warm-up, last step", Schedule{WarmUp: 4}, 10, 3, 1},
		{"after the warm-up", Schedule{WarmUp: 4}, 10, 4, 1},
		{"cosine, warm-up", cosine, 12, 1, 0.5},
		{"cosine, peak", cosine, 12, 4, 1},
		{"cosine, a quarter", cosine, 13, 6, 0.1 + 0.9*(2+math.Sqrt2)/4},
		{"cosine, half way", cosine, 13, 8, 0.55},
		{"cosine, the step before the last", cosine, 13, 11, 0.1 + 0.45*(1+math.Cos(math.Pi*7/8))},
		{"cosine, beyond the end", cosine, 13, 20, 0.1},
	} {
		if got := scheduler(t, c.cfg, c.steps).Factor(c.step); math.Abs(got-c.want) > tol {
			t.Errorf("%s: factor %v, want %v", c.name, got, c.want)
		}
	}
}

// The first and the last step of a run have exactly the factors that the
// schedule promises, however long the warm-up.
func TestScheduleBeginsAndEndsWhereItSays(t *testing.T) {
	for _, kind := range []ScheduleKind{"", Constant, Cosine, Plateau} {
		for _, low := range []float64{0, 0.1, 1. / 3} {
			for _, c := range []struct{ steps, warmUp int }{{1, 0}, {2, 0}, {2, 1}, {10, 0}, {10, 1}, {10, 8}, {10, 9}, {6000, 200}} {
				cfg := Schedule{Kind: kind, WarmUp: c.warmUp, Min: low}
				end := 1.0
				switch kind {
				case Plateau:
					cfg.Drop = 0.5
				case Cosine:
					end = low
				}
				s := scheduler(t, cfg, c.steps)
				if got := s.Factor(c.steps - 1); got != end {
					t.Errorf("%+v, %d steps: the last factor is %v, want %v", cfg, c.steps, got, end)
				}
				peak := max(c.warmUp-1, 0) // of the warm-up, and without one the first step
				if got := s.Factor(peak); peak < c.steps-1 && got != 1 {
					t.Errorf("%+v, %d steps: factor %v at step %d, want the peak", cfg, c.steps, got, peak)
				}
				if got := s.Factor(0); c.warmUp > 0 && got != 1/float64(c.warmUp) {
					t.Errorf("%+v, %d steps: the first factor is %v, want %v", cfg, c.steps, got, 1/float64(c.warmUp))
				}
				for i := c.warmUp + 1; i < c.steps; i++ {
					if a, b := s.Factor(i-1), s.Factor(i); a < b || kind == Cosine && a == b {
						t.Fatalf("%+v, %d steps: factor %v at step %d, %v at the next: want it to fall", cfg, c.steps, a, i-1, b)
					}
				}
			}
		}
	}
}

func TestSchedulerPlateau(t *testing.T) {
	cfg := Schedule{Kind: Plateau, Drop: 0.5, Patience: 1, Min: 0.2}
	s := scheduler(t, cfg, 100)
	for i, c := range []struct {
		improved bool
		want     float64
	}{
		{true, 1}, {false, 1}, {false, 0.5}, // the second bad one is one too many
		{false, 0.5}, {true, 0.5}, {false, 0.5}, {false, 0.25},
		{false, 0.25}, {false, 0.2}, // not below Min
	} {
		s.Observe(c.improved)
		// A scheduler restored from the state goes on the same way.
		r := scheduler(t, cfg, 100)
		r.SetState(s.State())
		s = r
		if got := s.Factor(50); got != c.want {
			t.Fatalf("after evaluation %d: factor %v, want %v", i, got, c.want)
		}
	}
}

func TestScheduleRejects(t *testing.T) {
	for want, cfg := range map[string]Schedule{
		`Kind "constant", "cosine" or "plateau", got "linear"`: {Kind: "linear"},
		"WarmUp >= 0, got -1":                       {WarmUp: -1},
		"WarmUp below the number of steps, 10":      {WarmUp: 10},
		"Min in [0, 1), got 1":                      {Kind: Cosine, Min: 1},
		"Min in [0, 1), got NaN":                    {Min: math.NaN()},
		"Drop in (0, 1), got 0":                     {Kind: Plateau},
		"Patience >= 0, got -2":                     {Kind: Plateau, Drop: 0.5, Patience: -2},
		`Drop and Patience belong to Kind "plate`:   {Kind: Cosine, Drop: 0.5},
		"Drop and Patience belong to Kind \"platea": {Patience: 3},
	} {
		if _, err := NewScheduler(cfg, 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want one with %q", cfg, err, want)
		}
	}
}
