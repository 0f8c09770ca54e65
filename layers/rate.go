package layers

import "errors"

// pointwise is a mixer that maps every step by itself, so that the rate at which a
// sequence was sampled is nothing to it.
type pointwise interface{ pointwise() }

func (*Linear) pointwise()      {}
func (*FeedForward) pointwise() {}

// CheckRate reports the first layer inside l that reads a sequence sampled at another
// rate as if it were sampled as in training: one that AtRate does not concern, though
// its steps depend on each other, such as an LSTM. A state space layer, a mixer from
// elsewhere that asks Builder.Rate, and a layer that maps every step by itself are
// none. Without AtRate there is nothing to report.
func CheckRate(l Layer) error {
	if isNil(l) {
		return errors.New("layers: CheckRate: want a layer, got nil")
	}
	of, ok := l.(interface{ inner() *Base })
	if !ok || of.inner() == nil || of.inner().rate == 1 {
		return nil
	}
	switch l := l.(type) {
	case *Stack:
		return firstOf(l.blocks, func(b *Block) error { return CheckRate(b.mixer) })
	case *Block:
		return CheckRate(l.mixer)
	case *S4, *S4D, *DSS, *LSSL, *S5, *S4ND, *Norm, *Dropout, pointwise:
		return nil
	}
	return of.inner().checkRate()
}

// checkRate is CheckRate of a layer of no kind that is known to be right: it is if it
// has asked for the rate, or if it is nothing but layers that are.
func (l *Base) checkRate() error {
	if l.heeds {
		return nil
	}
	n := 0
	for _, inner := range l.inside {
		if err := CheckRate(inner); err != nil {
			return err
		}
		n += len(inner.Params()) + len(inner.Buffers())
	}
	if n < len(l.params)+len(l.buffers) || len(l.inside) == 0 {
		return l.errorf("AtRate", "it has no step size, and reads at rate %g what it would read at rate 1", l.rate)
	}
	return nil
}

// firstOf returns the first error.
func firstOf[L any](of []L, check func(L) error) error {
	for _, l := range of {
		if err := check(l); err != nil {
			return err
		}
	}
	return nil
}
