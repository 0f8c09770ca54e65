package par

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestForRunsEveryPieceOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 7, 64, 1000} {
		count := make([]atomic.Int32, n)
		For(n, func(w, i int) {
			if w < 0 || w >= Workers() {
				t.Errorf("n=%d: worker %d not in [0, %d)", n, w, Workers())
			}
			count[i].Add(1)
		})
		for i := range count {
			if c := count[i].Load(); c != 1 {
				t.Errorf("n=%d: piece %d ran %d times", n, i, c)
			}
		}
	}
}

func TestForWorkerOwnsItsScratch(t *testing.T) {
	busy := make([]atomic.Bool, Workers())
	For(500, func(w, _ int) {
		if !busy[w].CompareAndSwap(false, true) {
			t.Errorf("worker %d entered twice", w)
		}
		busy[w].Store(false)
	})
}

func TestForNestedAndConcurrent(t *testing.T) {
	var total atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			For(20, func(_, _ int) {
				For(20, func(_, _ int) { total.Add(1) })
			})
		}()
	}
	wg.Wait()
	if got := total.Load(); got != 8*400 {
		t.Fatalf("ran %d pieces, want %d", got, 8*400)
	}
}

func TestForRaisesPanicOnCaller(t *testing.T) {
	for _, at := range []int{0, 1, 50, 99} {
		func() {
			defer func() {
				if r := recover(); r != "boom" {
					t.Errorf("piece %d: recovered %v, want boom", at, r)
				}
			}()
			For(100, func(_, i int) {
				if i == at {
					panic("boom")
				}
			})
			t.Errorf("piece %d: no panic", at)
		}()
	}
	var n atomic.Int32 // the pool still works
	For(100, func(_, _ int) { n.Add(1) })
	if n.Load() != 100 {
		t.Fatalf("after a panic: %d pieces", n.Load())
	}
}

func TestBlocksCoverWithoutOverlap(t *testing.T) {
	for _, c := range []struct{ n, grain int }{{0, 4}, {1, 4}, {4, 4}, {5, 4}, {103, 10}, {9, 0}} {
		seen := make([]atomic.Int32, c.n)
		Blocks(c.n, c.grain, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				seen[i].Add(1)
			}
		})
		for i := range seen {
			if seen[i].Load() != 1 {
				t.Errorf("n=%d grain=%d: index %d covered %d times", c.n, c.grain, i, seen[i].Load())
			}
		}
	}
}

func BenchmarkForEmpty(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		For(16, func(_, _ int) {})
	}
}

func TestLoopRunsAgain(t *testing.T) {
	const most = 40
	var count [most]atomic.Int32
	busy := make([]atomic.Bool, Workers())
	l := NewLoop(func(w, i int) {
		if !busy[w].CompareAndSwap(false, true) {
			t.Errorf("worker %d entered twice", w)
		}
		count[i].Add(1)
		busy[w].Store(false)
	})
	for run := range 2000 {
		n := run % (most + 1)
		l.Run(n)
		for i := range most {
			if c, want := count[i].Swap(0), i < n; c == 1 != want {
				t.Fatalf("run %d of %d pieces: piece %d ran %d times", run, n, i, c)
			}
		}
	}
}

func TestLoopRunsAfterPanic(t *testing.T) {
	var n atomic.Int32
	at := 3
	l := NewLoop(func(_, i int) {
		if i == at {
			panic("boom")
		}
		n.Add(1)
	})
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v, want boom", r)
			}
		}()
		l.Run(100)
	}()
	n.Store(0)
	at = -1
	l.Run(100)
	if n.Load() != 100 {
		t.Errorf("after a panic: %d pieces", n.Load())
	}
}

func TestLoopDoesNotAllocate(t *testing.T) {
	var sum atomic.Int64
	l := NewLoop(func(_, i int) { sum.Add(int64(i)) })
	if got := testing.AllocsPerRun(100, func() { l.Run(50) }); got != 0 {
		t.Errorf("a run allocates %v times", got)
	}
}

func TestShare(t *testing.T) {
	for _, step := range []int{1, 4} {
		for n := range 200 {
			size := Share(n, step)
			if size < 1 || size%step != 0 {
				t.Fatalf("%d rows by %d: blocks of %d", n, step, size)
			}
			if size*Workers() < n || size > step && (size-step)*Workers() >= n {
				t.Errorf("%d rows by %d on %d workers: blocks of %d", n, step, Workers(), size)
			}
		}
	}
}
