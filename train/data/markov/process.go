package markov

import (
	"errors"
	"fmt"
	"math"
)

// Process is a hidden Markov process. It is not changed once it is made.
type Process struct {
	name   string
	t      [][][]float64 // (K, S, S)
	states int
	start  []float64 // stationary (S)
}

// sumTolerance is how far probabilities that have to sum up to 1 may be from it.
const sumTolerance = 1e-9

// New returns the process of matrices t (K, S, S), which are not copied: of each state
// the numbers of all tokens sum up to 1.
func New(name string, t [][][]float64) (*Process, error) {
	if len(t) == 0 || len(t[0]) == 0 {
		return nil, errors.New("markov: New: want a matrix (S, S) for each token, got none")
	}
	p := &Process{name: name, t: t, states: len(t[0])}
	sums := make([]float64, p.states)
	for k, m := range t {
		for i := range max(len(m), p.states) {
			if i >= len(m) || i >= p.states || len(m[i]) != p.states {
				return nil, fmt.Errorf("markov: New: want matrices of one size (%d, %d), got another for token %d", p.states, p.states, k)
			}
			for j, v := range m[i] {
				if !(v >= 0 && v <= 1) {
					return nil, fmt.Errorf("markov: New: want probabilities, got %g for token %d from state %d to %d", v, k, i, j)
				}
				sums[i] += v
			}
		}
	}
	for i, sum := range sums {
		if math.Abs(sum-1) > sumTolerance {
			return nil, fmt.Errorf("markov: New: want probabilities of state %d that sum up to 1, got %g", i, sum)
		}
	}
	p.start = p.stationary()
	return p, nil
}

// Mess3 is the process of three states and three tokens with parameters x in (0, 1/2)
// and alpha in (0, 1): a state goes to each other with probability x, and then emits its
// own token with alpha. The published matrices are those of 0.05 and 0.85.
func Mess3(x, alpha float64) (*Process, error) {
	if !(x > 0 && x < 0.5) || !(alpha > 0 && alpha < 1) {
		return nil, fmt.Errorf("markov: Mess3: want x in (0, 0.5) and alpha in (0, 1), got %g and %g", x, alpha)
	}
	t := make([][][]float64, 3)
	for k := range t {
		for i := range 3 {
			row := make([]float64, 3)
			for j := range row {
				row[j] = x
				if i == j {
					row[j] = 1 - 2*x
				}
				if j == k {
					row[j] *= alpha
				} else {
					row[j] *= (1 - alpha) / 2
				}
			}
			t[k] = append(t[k], row)
		}
	}
	return New("mess3", t)
}

// Z1R is the process that emits 0, 1 and a random bit in turn: states 0, 1, R.
func Z1R() (*Process, error) {
	return New("z1r", [][][]float64{
		{{0, 1, 0}, {0, 0, 0}, {0.5, 0, 0}},
		{{0, 0, 0}, {0, 0, 1}, {0.5, 0, 0}},
	})
}

// RRXOR is the process that emits two random bits and their exclusive or in turn: states
// S, 0 and 1 behind the first bit, T and F behind the second. Some of its beliefs differ
// though what they predict of the next token does not.
func RRXOR() (*Process, error) {
	return New("rrxor", [][][]float64{
		{{0, 0.5, 0, 0, 0}, {0, 0, 0, 0, 0.5}, {0, 0, 0, 0.5, 0}, {0, 0, 0, 0, 0}, {1, 0, 0, 0, 0}},
		{{0, 0, 0.5, 0, 0}, {0, 0, 0, 0.5, 0}, {0, 0, 0, 0, 0.5}, {1, 0, 0, 0, 0}, {0, 0, 0, 0, 0}},
	})
}

// stationary returns a stationary distribution, the limit of b <- (b + b T)/2 from an
// even one. The half that stays is for processes whose states come in turn.
func (p *Process) stationary() []float64 {
	const most, tol = 100_000, 1e-15
	b := make([]float64, p.states)
	for i := range b {
		b[i] = 1 / float64(p.states)
	}
	for range most {
		moved, next := 0., make([]float64, p.states)
		for _, m := range p.t {
			times(next, b, m)
		}
		for i, v := range next {
			next[i] = (b[i] + v) / 2
			moved = max(moved, math.Abs(next[i]-b[i]))
		}
		if b = next; moved < tol {
			break
		}
	}
	return b
}

// times adds b m to dst.
func times(dst, b []float64, m [][]float64) {
	for i, v := range b {
		for j, w := range m[i] {
			dst[j] += v * w
		}
	}
}

// Name returns the name of the process.
func (p *Process) Name() string { return p.name }

// Tokens returns the number of tokens (K).
func (p *Process) Tokens() int { return len(p.t) }

// States returns the number of hidden states (S).
func (p *Process) States() int { return p.states }
