package cauchy

import (
	"fmt"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
)

// StateKernel writes what initial states contribute to the output,
//
//	k[b,c,h,l] = 2 Re(C Ab^(l+1) x0),  l = 0..L-1
//
// to k (B, CH, H, L): the output for the input u is its convolution with the
// kernel, plus this. x0 (B, H, 2, N) is the state before the first input, in
// the layout of [Step]. cfg and prm are those of the kernel, except that L may
// be more than C~ is tuned to. It returns an error if the configuration, a size
// or a length is wrong.
//
// All arithmetic is float64. The cost is O(N L R) per state.
func StateKernel[T num.Float](k []T, cfg Config, size Size, prm Params[T], x0 []T) error {
	if err := checkStateKernel(k, cfg, size, prm, x0); err != nil {
		return fmt.Errorf("cauchy: StateKernel: %w", err)
	}
	s, err := newStep[float64](cfg, size, prm)
	if err != nil {
		return fmt.Errorf("cauchy: StateKernel: %w", err)
	}
	n := 2 * size.N
	par.For(len(x0)/n, func(_, i int) {
		b, h := i/size.H, i%size.H
		state, phi := make([]float64, n), make([]float64, size.R)
		for j, v := range x0[i*n:][:n] {
			state[j] = float64(v)
		}
		for l := range cfg.L {
			s.advance(h, state, 0, phi)
			for ch := range size.CH {
				k[((b*size.CH+ch)*size.H+h)*cfg.L+l] = T(s.output(ch, h, state))
			}
		}
	})
	return nil
}

func checkStateKernel[T num.Float](k []T, cfg Config, size Size, prm Params[T], x0 []T) error {
	if err := checkRecurrence(cfg, size, prm); err != nil {
		return err
	}
	if err := checkLength(cfg.L); err != nil {
		return fmt.Errorf("Config: %w", err)
	}
	state := size.H * 2 * size.N
	batch := len(x0) / state
	if len(x0) != batch*state {
		return fmt.Errorf("x0: want (B, %d, 2, %d), got %d elements", size.H, size.N, len(x0))
	}
	if want := batch * size.CH * size.H * cfg.L; len(k) != want {
		return fmt.Errorf("k: want (%d, %d, %d, %d), got %d elements", batch, size.CH, size.H, cfg.L, len(k))
	}
	return nil
}
