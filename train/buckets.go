package train

import (
	"math"
	"unsafe"

	"github.com/gorgonia-s4/s4/internal/bfloat16"
	"github.com/gorgonia-s4/s4/internal/num"
)

// buckets adds up the gradients of one type over a group. See [GroupReducer].
type buckets[T num.Float] struct {
	group Group
	add   func(v []T) error // over the group, in place
	bytes int               // of a bucket, on the wire

	all   []bucket
	parts [][]T // of all buckets, one after the other
	half  bool  // bfloat16
	rest  []T   // what was rounded off the gradients
	owed  []T   // what was rounded off the sums of this rank's blocks
	rooms [2]room[T]

	rounds, reads *conversion[T] // of the gradients
	adds, owns    *conversion[T] // of the sums of this rank's blocks

	packed chan struct{} // one for each bucket that is
	summed chan bool     // one for each bucket that is; false: there will be no more
	idle   chan struct{} // the goroutine has ended
}

// bucket is numbers that travel together: the parts [lo, hi).
type bucket struct {
	lo, hi int
	n      int // numbers
	at     int // of its first in rest
	owed   int // of its first in owed
	place  bool
}

// room is the memory of a bucket on its way.
type room[T num.Float] struct {
	numbers       []T
	send, receive []byte
	sum           []T // of this rank's block
}

func newBuckets[T num.Float](g Group, add func([]T) error, bytes int) buckets[T] {
	return buckets[T]{group: g, add: add, bytes: bytes,
		rounds: newConversion(roundTo[T]), reads: newConversion(readFrom[T]),
		adds: newConversion(addFrom[T]), owns: newConversion(roundTo[T]),
		packed: make(chan struct{}, 2), summed: make(chan bool), idle: make(chan struct{})}
}

// plan lays the gradients of type T out in buckets.
func (b *buckets[T]) plan(gradients []Learned, half bool, keep float64) {
	b.half, b.rounds.keep, b.owns.keep = half, T(keep), T(keep)
	b.all, b.parts = b.all[:0], b.parts[:0]
	if half {
		b.fill(gradients, b.bytes/bfloat16.Size, math.MaxInt)
		b.layRests()
		return
	}
	size := b.bytes / int(unsafe.Sizeof(T(0)))
	large := max(1, size/4)
	b.fill(gradients, size, large)
	for i := range gradients {
		if g := floatsOf[T](gradients[i].Grad); len(g) >= large {
			b.parts = append(b.parts, g)
			n := len(b.parts)
			b.all = append(b.all, bucket{lo: n - 1, hi: n, n: len(g), place: true})
		}
	}
}

// fill fills buckets of so many numbers with the gradients that are not large. One may
// be in several.
func (b *buckets[T]) fill(gradients []Learned, size, large int) {
	size = max(1, size)
	last := bucket{n: size}
	for i := range gradients {
		g := floatsOf[T](gradients[i].Grad)
		if len(g) >= large {
			continue
		}
		for len(g) > 0 {
			if last.n == size {
				b.all = append(b.all, bucket{lo: len(b.parts), hi: len(b.parts)})
				last = bucket{}
			}
			n := min(len(g), size-last.n)
			b.parts = append(b.parts, g[:n])
			g = g[n:]
			last.n += n
			c := &b.all[len(b.all)-1]
			c.hi, c.n = len(b.parts), last.n
		}
	}
}

// layRests finds the place of every bucket's rests.
func (b *buckets[T]) layRests() {
	at, owed := 0, 0
	for i := range b.all {
		c := &b.all[i]
		c.at, c.owed = at, owed
		at += c.n
		owed += b.block(c)
	}
	if len(b.rest) != at || len(b.owed) != owed {
		b.rest, b.owed = make([]T, at), make([]T, owed)
	}
}

// forget drops the rests.
func (b *buckets[T]) forget() { b.rest, b.owed = nil, nil }

// block is how many numbers of a bucket each rank adds up; the last ones may have
// fewer.
func (b *buckets[T]) block(c *bucket) int {
	n := b.group.Size()
	return (c.n + n - 1) / n
}

// sum adds up all buckets. Where several are packed, a goroutine does that, which has
// ended when sum returns; the calls of the group are made by the caller's.
func (b *buckets[T]) sum() error {
	if len(b.all) < 2 || b.all[1].place {
		for i := range b.all {
			b.pack(i)
			if err := b.reduce(i); err != nil {
				return err
			}
			b.unpack(i)
		}
		return nil
	}
	done := 0
	go b.carry()
	defer func() {
		if done < len(b.all) {
			b.summed <- false
		}
		<-b.idle
		for len(b.packed) > 0 {
			<-b.packed
		}
	}()
	for ; done < len(b.all); done++ {
		<-b.packed
		if err := b.reduce(done); err != nil {
			return err
		}
		b.summed <- true
	}
	return nil
}

// carry packs the buckets, two of them ahead, and unpacks those that are summed.
func (b *buckets[T]) carry() {
	defer func() { b.idle <- struct{}{} }()
	for i := range min(2, len(b.all)) {
		b.pack(i)
		b.packed <- struct{}{}
	}
	for i := range b.all {
		if !<-b.summed {
			return
		}
		b.unpack(i)
		if i+2 < len(b.all) {
			b.pack(i + 2)
			b.packed <- struct{}{}
		}
	}
}

// pack copies the parts of bucket i to its room, in the type on the wire.
func (b *buckets[T]) pack(i int) {
	c, r := &b.all[i], &b.rooms[i%2]
	if c.place {
		return
	}
	if !b.half {
		r.numbers = num.Grow(r.numbers, c.n)
		at := 0
		for _, p := range b.parts[c.lo:c.hi] {
			at += copy(r.numbers[at:], p)
		}
		return
	}
	bytes := bfloat16.Size * b.block(c) * b.group.Size()
	r.send, r.receive = resize(r.send, bytes), resize(r.receive, bytes)
	at := 0
	for _, p := range b.parts[c.lo:c.hi] {
		b.rounds.run(r.send[bfloat16.Size*at:], p, b.rest[c.at+at:])
		at += len(p)
	}
	clear(r.send[bfloat16.Size*at:])
}

// reduce replaces what is in the room of bucket i by the sum over the group.
func (b *buckets[T]) reduce(i int) error {
	c, r := &b.all[i], &b.rooms[i%2]
	switch {
	case c.place:
		return b.add(b.parts[c.lo])
	case !b.half:
		return b.add(r.numbers)
	}
	if err := b.group.Exchange(r.receive, r.send); err != nil {
		return err
	}
	// This rank's block of every other, in the order of ranks; then the sum goes to
	// all.
	n := b.block(c)
	r.sum = num.Grow(r.sum, n)
	b.adds.run(r.receive, r.sum, nil)
	own := r.send[:bfloat16.Size*n]
	b.owns.run(own, r.sum, b.owed[c.owed:c.owed+n])
	for rank := range b.group.Size() {
		copy(r.send[rank*len(own):], own)
	}
	return b.group.Exchange(r.receive, r.send)
}

// unpack copies bucket i back to its parts.
func (b *buckets[T]) unpack(i int) {
	c, r := &b.all[i], &b.rooms[i%2]
	if c.place {
		return
	}
	at := 0
	for _, p := range b.parts[c.lo:c.hi] {
		if b.half {
			b.reads.run(r.receive[bfloat16.Size*at:], p, nil)
		} else {
			copy(p, r.numbers[at:])
		}
		at += len(p)
	}
}
