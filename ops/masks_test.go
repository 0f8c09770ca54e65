package ops

import (
	"slices"
	"sync"
	"testing"
)

// keys draws n masks.
func keys(m *Masks, n int) (ks []uint64) {
	for range n {
		ks = append(ks, m.Draw())
	}
	return ks
}

// What a stream draws depends on the others in nothing, not even in when they
// draw.
func TestMasksOfStreams(t *testing.T) {
	const streams, n = 4, 50
	var want [][]uint64
	for i := range uint64(streams) {
		want = append(want, keys(newMasks(7, 3).Stream(i), n))
		for k, w := range want[:i] {
			if slices.ContainsFunc(w, func(key uint64) bool { return slices.Contains(want[i], key) }) {
				t.Errorf("streams %d and %d have a mask in common", k, i)
			}
		}
	}
	state := dropoutState(7, 3)
	all := []*Masks{masksOf(state)}
	for range streams - 1 {
		all = append(all, all[0].Next())
	}
	got := make([][]uint64, streams)
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() { got[i] = keys(m, n) })
	}
	wg.Wait()
	for i := range all {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("stream %d draws other masks beside others than alone", i)
		}
	}
	if c := state.Data().([]int64)[1]; c != 3+n {
		t.Errorf("the counter is %d, want %d", c, 3+n)
	}
}

// All streams go on from a state that is restored, in a new process or in the
// one that saved it.
func TestMasksAreRestored(t *testing.T) {
	const before, after = 5, 6
	unbroken := newMasks(7, 0)
	want := [][]uint64{keys(unbroken, before+after)[before:], keys(unbroken.Next(), before+after)[before:]}

	saved := dropoutState(7, 0)
	first := masksOf(saved)
	second := first.Next()
	keys(first, before)
	keys(second, before)
	again := newMasks(7, saved.Data().([]int64)[1])
	for what, m := range map[string][2]*Masks{"new masks": {again, again.Next()}, "masks in use": {first, second}} {
		if what == "masks in use" {
			keys(first, 2)
			saved.Data().([]int64)[1] = before
		}
		for i := range m {
			if got := keys(m[i], after); !slices.Equal(got, want[i]) {
				t.Errorf("%s, stream %d: a restored state draws other masks", what, i)
			}
		}
	}
}
