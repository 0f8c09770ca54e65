package digits

import (
	"errors"
	"testing"
)

// BenchmarkRead is a page of 784 steps.
func BenchmarkRead(b *testing.B) {
	r, err := Open()
	if err != nil {
		b.Fatal(err)
	}
	page, err := Digit(7)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := errors.Join(r.Begin(page), r.Go(Length)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConvolve is the same page at once.
func BenchmarkConvolve(b *testing.B) {
	r, err := Open()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Convolve(); err != nil {
			b.Fatal(err)
		}
	}
}
