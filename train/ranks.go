package train

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ranks is the group of a trainer. Its ranks decide together, by exchanges: each tells
// all others where it is and what it has, in one message, and whether it has failed. A
// rank that fails says so in one exchange, whatever the others are about: they find it
// there, and all end alike. So that none waits for one that has failed, everything else
// that a group can do comes right after an exchange, with nothing between that could
// fail on one rank alone.
type ranks struct {
	Group
	in  callOf               // what all ranks have called
	ctx context.Context      // of the call; nil: it does not end
	now func() time.Duration // since the run began; nil: there is no run

	saves   bool     // rank 0 has a checkpoint directory
	streams []*carry // of all ranks, as a trainer without ranks has them; of rank 0, for a checkpoint
	fresh   bool     // streams are those to go on from

	clock  time.Duration // of rank 0, at the last exchange
	stop   error         // the end of the context of some ranks; nil: of none
	err    error         // what has ended the work of all
	broken bool          // the group itself: there are no more exchanges
	done   bool          // what there was to save at the end has been

	message []byte
	letters []letter
	failed  []error // of each rank
	stopped []error
}

func newRanks(g Group) *ranks {
	n := g.Size()
	return &ranks{Group: g, letters: make([]letter, n), failed: make([]error, n), stopped: make([]error, n)}
}

// callOf is what all ranks call together.
type callOf byte

const (
	inAgree callOf = iota
	inFit
	inEvaluate
	inLoadBest
	inSum
	inBroadcast
)

// String returns its name.
func (c callOf) String() string {
	names := [...]string{"Agree", "Fit", "Evaluate", "LoadBest", "Sum", "BroadcastParams"}
	return names[min(int(c), len(names)-1)]
}

// begin prepares for a call that all ranks make.
func (r *ranks) begin(in callOf, ctx context.Context) {
	r.in, r.ctx, r.stop, r.done = in, ctx, nil, false
	if !r.broken {
		r.err = nil
	}
}

// topic is what an exchange is about.
type topic byte

const (
	onAgree topic = iota
	onStart
	onState
	onReady
	onStep
	onSync
	onEvalBatch
	onEvaluation
	onStreams
	onSaved
	onBest
	onEnd
	onFailure // no exchange: where a rank that has failed is
)

// String says what a rank is at, for errors.
func (t topic) String() string {
	names := [...]string{"an agreement", "the start", "the state to start from", "the first step", "a step", "a sum in a layer",
		"the size of an evaluation", "an evaluation", "the states of streams", "what is saved", "the best checkpoint", "the end", "a failure"}
	return names[min(int(t), len(names)-1)]
}

// magic begins every message: that of another version of this package has another.
const magic = 0xa4<<8 | 1

// What a rank says of itself.
const (
	ready    = iota // it has what the exchange is about
	unready         // its context ended before
	hasEnded        // it has failed
)

// exchange brings all ranks the messages of all. err is why this rank has none: the end
// of the context or an error. Then all ranks get an error, which is in stop or in err;
// write may be nil.
func (r *ranks) exchange(about topic, step int, err error, write func(b []byte) []byte) ([]letter, error) {
	if r.broken {
		return nil, errors.Join(err, r.err)
	}
	r.message = r.write(r.message[:0], about, step, err, write)
	all, e := r.Gather(r.message)
	if e == nil && len(all) != r.Size() {
		e = fmt.Errorf("want a message of each of %d ranks, got %d", r.Size(), len(all))
	}
	if e != nil {
		return nil, errors.Join(err, r.breakOff(about, e))
	}
	return r.letters, r.read(all, about, step, err)
}

// breakOff ends the use of the group after an error of its own.
func (r *ranks) breakOff(about any, err error) error {
	r.broken, r.err = true, fmt.Errorf("rank %d of %d, at %v: the group: %w", r.Rank(), r.Size(), about, err)
	return r.err
}

// cause returns why the context of this rank has ended; nil if it has not.
func (r *ranks) cause() error {
	if r.ctx == nil || r.ctx.Err() == nil {
		return nil
	}
	return context.Cause(r.ctx)
}

func (r *ranks) write(b []byte, about topic, step int, err error, write func(b []byte) []byte) []byte {
	cause, status := r.cause(), byte(ready)
	switch {
	case err == nil:
	case cause != nil && errors.Is(err, r.ctx.Err()):
		status = unready
	default:
		status = hasEnded
	}
	b = append(b, magic>>8, magic&0xff, byte(r.in), byte(about), status)
	b = appendInt(b, step)
	clock := time.Duration(0)
	if r.now != nil {
		clock = r.now()
	}
	b = appendInt(b, int(clock))
	b = appendBool(b, cause != nil)
	if cause != nil {
		b = appendError(b, cause)
	}
	if status == hasEnded {
		return appendError(b, err)
	}
	if status == ready && write != nil {
		b = write(b)
	}
	return b
}

// heading is what every message begins with.
type heading struct {
	version int
	in      callOf
	at      topic
	status  byte
	step    int
	clock   time.Duration
	stopped error // why the rank's context has ended
}

func (l *letter) heading() heading {
	h := heading{version: int(l.byte())<<8 | int(l.byte()), in: callOf(l.byte()), at: topic(l.byte()), status: l.byte(), step: l.int(), clock: time.Duration(l.int())}
	if l.bool() {
		h.stopped = l.error()
	}
	return h
}

// failure returns why a rank whose message begins so has failed; nil if it has not.
func (l *letter) failure(h heading) error {
	switch {
	case h.version != magic:
		return errors.New("it has another version of package train")
	case h.status == hasEnded:
		return l.error()
	case l.short:
		return errors.New("its message is too short")
	}
	return nil
}

// read reads the heading of each message, and leaves the rest in letters.
func (r *ranks) read(all [][]byte, about topic, step int, own error) error {
	var different, lacking error
	elsewhere := false // a rank that has failed is
	for rank, b := range all {
		l := letter{b: b}
		h := l.heading()
		elsewhere = elsewhere || h.in != r.in || h.version != magic
		r.failed[rank], r.stopped[rank] = l.failure(h), h.stopped
		if rank == 0 {
			r.clock = h.clock
		}
		switch {
		case r.failed[rank] != nil:
		case different == nil && (h.in != r.in || h.at != about || h.step != step):
			different = fmt.Errorf("rank %d is in %v, at %v of step %d, and rank %d in %v, at %v of step %d", r.Rank(), r.in, about, step, rank, h.in, h.at, h.step)
		case h.status == unready:
			lacking = h.stopped
		}
		r.letters[rank] = l
	}
	return r.judge(different, lacking, elsewhere, own)
}

// judge returns the error of all ranks, and keeps it. That of this rank is its own, and
// not what its message says of it.
func (r *ranks) judge(different, lacking error, elsewhere bool, own error) error {
	me := r.Rank()
	if r.failed[me] != nil && own != nil {
		r.failed[me] = own
	}
	if r.stopped[me] != nil {
		r.stopped[me] = r.cause()
	}
	if stop := rankErrors(r.stopped); stop != nil {
		r.stop = stop
	}
	switch err := rankErrors(r.failed); {
	case err != nil:
		r.err, r.broken = err, elsewhere // who fails elsewhere comes to no other exchange
		return err
	case different != nil:
		r.err, r.broken = fmt.Errorf("the ranks have diverged: %w", different), true
		return r.err
	case lacking != nil:
		return r.stop
	}
	return nil
}

// isStop says whether an error is that the run is to stop.
func (r *ranks) isStop(err error) bool { return r.stop != nil && errors.Is(err, r.stop) }

// sum makes v the sum over the ranks, in their order, by an exchange: a layer that sums
// does not wait for a rank that has failed.
func (r *ranks) sum(step int, v []float64) error {
	letters, err := r.exchange(onSync, step, nil, func(b []byte) []byte { return appendFloats(b, v) })
	if err != nil {
		return err
	}
	for rank := range letters {
		l := &letters[rank]
		if n := l.int(); n != len(v) || len(l.b) != 8*n {
			r.err, r.broken = fmt.Errorf("the ranks have diverged: a sum in a layer of %d numbers on rank %d, of %d on rank %d", len(v), r.Rank(), n, rank), true
			return r.err
		}
		for i := range v {
			if x := l.float(); rank == 0 {
				v[i] = x
			} else {
				v[i] += x
			}
		}
	}
	return nil
}
