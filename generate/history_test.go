package generate

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// A history that goes on from what another remembers counts the tokens of its window as
// that one does, wherever it was cut, and has no tokens that it was not told.
func TestHistoryGoesOn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		window := 1 + rng.IntN(24)
		whole := newHistory(window, true)
		add := func(of ...*history) {
			id, written := rng.IntN(4), rng.IntN(2) == 0
			for _, h := range of {
				h.add(id, written)
			}
		}
		for range rng.IntN(80) {
			add(whole)
		}
		rest := newHistory(window, true)
		rest.goOn(whole.latest(nil, len(whole.ring)), whole.count)
		for k := range 40 {
			if rest.count != whole.count || !maps.Equal(rest.counts, whole.counts) {
				t.Fatalf("window %d, %d tokens on: got %d tokens, %v, want %d, %v", window, k, rest.count, rest.counts, whole.count, whole.counts)
			}
			add(whole, rest)
		}
	}
	longer := newHistory(100, false)
	longer.goOn([]int{3, ^2}, 50)
	longer.add(1, true)
	if got, want := longer.latest(nil, 100), []int{3, ^2, ^1}; !slices.Equal(got, want) {
		t.Fatalf("got latest tokens %v, want %v", got, want)
	}
}
