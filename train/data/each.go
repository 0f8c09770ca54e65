package data

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gorgonia-s4/s4/internal/guard"
)

// Each calls f with 0 to n-1, on as many goroutines as there are processors. After
// an error, a panic included, no greater numbers are begun; the error is that of
// the lowest number that has one, however many processors there are. When the
// context is cancelled the error is its own.
func Each(ctx context.Context, n int, f func(i int) error) error {
	e := each{n: int64(n), f: f}
	e.failed.Store(int64(n))
	workers := min(n, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { e.run(ctx) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return e.err
}

// each is one running loop. Numbers are begun in order, so that all below one that
// fails are done too.
type each struct {
	n      int64
	f      func(i int) error
	next   atomic.Int64
	failed atomic.Int64 // the lowest number that failed, or n

	mu  sync.Mutex
	err error // of failed
}

func (e *each) run(ctx context.Context) {
	for ctx.Err() == nil {
		i := e.next.Add(1) - 1
		if i >= e.failed.Load() {
			return
		}
		if err := e.call(int(i)); err != nil {
			e.fail(i, err)
		}
	}
}

// call calls f; a panic on a goroutine of the loop would end the process.
func (e *each) call(i int) (err error) {
	defer guard.Panic(&err)
	return e.f(i)
}

func (e *each) fail(i int64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i < e.failed.Load() {
		e.failed.Store(i)
		e.err = err
	}
}
