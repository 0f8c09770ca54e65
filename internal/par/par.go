// Package par spreads loops over a fixed pool of goroutines.
//
// The numeric cores split their work by feature, row or block and hand the
// pieces to For. The pool is started once, has GOMAXPROCS-1 goroutines, and
// the caller works too, so that a loop started inside another loop never waits
// for a worker that is itself waiting. Who has nothing to do looks for work for a
// tenth of a millisecond before it sleeps.
//
// Which worker runs a piece is not deterministic; results must not depend on
// it. A reduction is made deterministic by giving every piece its own partial
// sum and adding the partial sums in order.
package par

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var (
	start   sync.Once
	workers int
	queue   chan *job
)

func initPool() {
	workers = runtime.GOMAXPROCS(0)
	queue = make(chan *job, 4*workers)
	for range workers - 1 {
		go func() {
			for {
				linger(func() bool { return len(queue) > 0 })
				(<-queue).help()
			}
		}()
	}
}

// lingering is how long a goroutine looks for work, or for the end of a loop, before
// it sleeps. To wake one takes tens of microseconds on a virtual machine, which is as
// long as a whole recurrent step.
const lingering = 100 * time.Microsecond

// linger waits until done, or for as long as lingering is. Others may run meanwhile.
func linger(done func() bool) {
	for begin := time.Now(); time.Since(begin) < lingering; runtime.Gosched() {
		for range 64 {
			if done() {
				return
			}
		}
	}
}

// Workers returns the number of workers a loop may run on: worker numbers
// passed to the body of For are in [0, Workers()). It is fixed at the first
// call in the process.
func Workers() int {
	start.Do(initPool)
	return workers
}

// job is one running loop.
type job struct {
	f    func(worker, i int)
	n    int64
	next atomic.Int64 // next piece to hand out
	ids  atomic.Int64 // worker numbers handed out

	mu     sync.Mutex
	idle   sync.Cond    // signalled when active falls to 0
	active atomic.Int64 // helpers inside the loop
	closed bool         // no helper may enter any more
	panicv any          // first panic of a helper
}

func (j *job) run(worker int) {
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.f(worker, int(i))
	}
}

// help runs pieces of the loop on a pool goroutine.
func (j *job) help() {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return
	}
	j.active.Add(1)
	j.mu.Unlock()
	defer func() {
		p := recover()
		j.mu.Lock()
		if p != nil {
			if j.panicv == nil {
				j.panicv = p
			}
			j.next.Store(j.n) // hand out nothing more
		}
		if j.active.Add(-1) == 0 {
			j.idle.Signal()
		}
		j.mu.Unlock()
	}()
	j.run(int(j.ids.Add(1)))
}

// open starts a run of n pieces. A worker that finds the loop in the queue from
// an earlier run helps with this one.
func (j *job) open(n int) {
	j.mu.Lock()
	j.n, j.panicv, j.closed = int64(n), nil, false
	j.next.Store(0)
	j.ids.Store(0)
	j.mu.Unlock()
}

// finish waits for the helpers inside the loop and lets no other in.
func (j *job) finish() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	linger(func() bool { return j.active.Load() == 0 })
	j.mu.Lock()
	for j.active.Load() > 0 {
		j.idle.Wait()
	}
	j.mu.Unlock()
}

// For runs f(worker, i) once for every i in [0, n), spread over the pool, and
// returns when all are done. Calls with different worker numbers run at the
// same time; calls with the same number run one after the other, so that
// scratch memory can be indexed by it. A panic in f is raised again on the
// caller's goroutine.
func For(n int, f func(worker, i int)) {
	if helpers(n) == 0 {
		for i := range n {
			f(0, i)
		}
		return
	}
	l := NewLoop(f)
	l.Run(n)
	l.j.f = nil // l may lie in the queue for a while, and memory that f refers to be given up
}

// helpers returns the number of goroutines of the pool that a loop of n pieces
// calls.
func helpers(n int) int { return max(0, min(Workers(), runtime.GOMAXPROCS(0), n)-1) }

// Loop is a loop over a function that is made once and run many times: its runs
// do not allocate. A run must have returned before the next one starts.
type Loop struct{ j job }

// NewLoop returns the loop over f.
func NewLoop(f func(worker, i int)) *Loop {
	l := &Loop{job{f: f, closed: true}}
	l.j.idle.L = &l.j.mu
	return l
}

// Run does what For does, a panic of f included.
func (l *Loop) Run(n int) {
	j, w := &l.j, helpers(n)
	if w == 0 {
		for i := range n {
			j.f(0, i)
		}
		return
	}
	j.open(n)
wake:
	for range w {
		select {
		case queue <- j:
		default: // every worker has work waiting: do it ourselves
			break wake
		}
	}
	func() {
		defer j.finish()
		defer func() {
			if p := recover(); p != nil {
				j.next.Store(j.n)
				panic(p)
			}
		}()
		j.run(0)
	}()
	if j.panicv != nil {
		panic(j.panicv)
	}
}

// Share returns the size of blocks of n rows of which every worker has one: a multiple of
// step. What a worker computes must not depend on it.
func Share(n, step int) int {
	each := (n + Workers() - 1) / Workers()
	return max(1, (each+step-1)/step) * step
}

// Blocks splits [0, n) into blocks of size grain (the last may be shorter) and
// runs f(worker, lo, hi) for each, as For does. The split depends on n and
// grain alone, never on the number of workers.
func Blocks(n, grain int, f func(worker, lo, hi int)) {
	if n <= 0 {
		return
	}
	grain = max(grain, 1)
	if n <= grain {
		f(0, 0, n)
		return
	}
	For((n+grain-1)/grain, func(w, i int) {
		f(w, i*grain, min((i+1)*grain, n))
	})
}
