package attention

import (
	"fmt"
	"math"

	"github.com/gorgonia-s4/s4/internal/num"
	"github.com/gorgonia-s4/s4/internal/par"
	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/internal/vec"
)

// Step is causal attention one step at a time, without a graph, for a batch of
// sequences at positions of their own: O(T) per step with T keys in the cache, at
// most Window of them with a window, O(hd^2) in the linear form. It owns the
// state: a cache grows to twice its size when it is full, and a step does not
// allocate otherwise.
//
// It is for one goroutine, but spreads a large step over the workers. [Step.Fork]
// makes another.
type Step[T num.Float] struct {
	Config
	e, hd int
	theta []float64 // by pair

	batch    int
	slots    int // T of the state that Store returns
	position []int
	turn     turn[T]

	cached []int         // by row: keys in its cache; with a window, steps seen
	caches []rowCache[T] // by row

	s, z []T // of the linear form: (B, H, hd, hd) and (B, H, hd)

	qkv, y []T // of the step under way
	work   [][]T
	heads  *par.Loop
	scan   *scan[T] // of Scan; nil before the first
}

// rowCache is the keys and values of a row.
type rowCache[T num.Float] struct {
	room   int // for keys
	keys   []T // by head, in blocks, rotated: the i-th of those cached at i mod room
	values []T // likewise
}

// State is the state of a batch: the tensors of [AttendState], in its order.
type State[T num.Float] struct {
	Batch   int
	Slots   int // T of a cache; 0 in the linear form
	Tensors [][]T
}

// NewStep returns the recurrence of attention on that many features, with a batch
// of 1. It returns an error if the configuration is wrong or not causal.
func NewStep[T num.Float](c Config, features int) (*Step[T], error) {
	if err := c.Validate(features); err != nil {
		return nil, named("NewStep", err)
	}
	if !c.Causal {
		return nil, named("NewStep", fmt.Errorf("want Causal for steps, got attention that sees all steps"))
	}
	s := &Step[T]{Config: c, e: features, hd: features / c.Heads}
	if err := s.checkSize(1, 1); err != nil {
		return nil, named("NewStep", err)
	}
	if c.Rotary != NoRotary {
		s.theta = newWaves(s.hd/2, float64(s.hd), c.base()).theta
	}
	return s.Fork(), nil
}

// Fork returns another recurrence of the same configuration, at the start of a
// batch of 1.
func (s *Step[T]) Fork() *Step[T] {
	f := &Step[T]{Config: s.Config, e: s.e, hd: s.hd, theta: s.theta, work: make([][]T, par.Workers())}
	f.turn = newTurn[T](f.theta)
	f.heads = par.NewLoop(f.head)
	f.start(1)
	return f
}

// Reset begins a batch of sequences. It returns an error if batch is not positive
// or too large.
func (s *Step[T]) Reset(batch int) error {
	if batch < 1 {
		return named("Step.Reset", fmt.Errorf("want batch >= 1, got %d", batch))
	}
	if err := s.checkSize(batch, 1); err != nil {
		return named("Step.Reset", err)
	}
	s.start(batch)
	return nil
}

// checkSize returns an error if the state of a batch is too large.
func (s *Step[T]) checkSize(batch, slots int) error {
	if s.Form == Linear {
		return size.Tensor("the state", batch, s.e, s.hd)
	}
	return size.Tensor("the cache", batch, s.e, max(slots, s.Window))
}

// start sets the state to the start of a batch.
func (s *Step[T]) start(batch int) {
	s.batch, s.slots = batch, s.firstSlots()
	s.position, s.cached = make([]int, batch), make([]int, batch)
	if s.Form == Linear {
		s.s, s.z = num.Aligned[T](batch*s.e*s.hd), num.Aligned[T](batch*s.e)
		return
	}
	s.caches = make([]rowCache[T], batch)
	for b := range s.caches {
		s.reserve(b, 0)
	}
}

// firstSlots is T at the start of a sequence.
func (s *Step[T]) firstSlots() int {
	switch {
	case s.Form == Linear:
		return 0
	case s.Window > 0:
		return s.Config.slots()
	}
	return 1
}

// firstRoom is the least room of a cache: whole blocks.
const firstRoom = 64

// reserve makes room for n keys of row b, a window at most. No row that has seen more
// has less room than the window.
func (s *Step[T]) reserve(b, n int) {
	c := &s.caches[b]
	room := max(firstRoom, c.room)
	for room < n {
		room *= 2
	}
	if s.Window > 0 {
		room = min(room, s.Window)
	}
	if room == c.room {
		return
	}
	c.keys, c.values = s.moved(c.keys, c.room, room), s.moved(c.values, c.room, room)
	c.room = room
}

// moved returns the keys or values of a row with more room.
func (s *Step[T]) moved(old []T, had, room int) []T {
	from, to := s.headSize(had), s.headSize(room)
	x := num.Aligned[T](s.Heads * to)
	for h := range s.Heads {
		copy(x[h*to:], old[h*from:][:from])
	}
	return x
}

// headSize returns the number of elements of the keys of one head.
func (s *Step[T]) headSize(room int) int {
	steps := stepsIn[T]()
	return (room + steps - 1) / steps * steps * s.hd
}

// slot returns where the first feature of slot i of head h is in a cache, and the
// distance to the next.
func (s *Step[T]) slot(c *rowCache[T], h, i int) (at, next int) {
	next = stepsIn[T]()
	return h*s.headSize(c.room) + i/next*next*s.hd + i%next, next
}

// Advance consumes a step qkv (B, 3E) and writes the output (B, E) to y. It
// returns an error if a length is wrong or the cache outgrows what a tensor can
// be; the state is then as it was.
func (s *Step[T]) Advance(y, qkv []T) error {
	if err := size.First(num.CheckLen("qkv", qkv, s.batch*3*s.e, false), num.CheckLen("y", y, s.batch*s.e, false)); err != nil {
		return named("Step.Advance", err)
	}
	if s.Form != Linear {
		most := 0
		for b := range s.cached {
			most = max(most, s.seen(b, 1))
		}
		if err := s.checkSize(s.batch, most); err != nil {
			return named("Step.Advance", err)
		}
		for b := range s.cached {
			s.reserve(b, s.seen(b, 1))
		}
	}
	if s.Rotary != NoRotary {
		s.turn.to(s.position)
	}
	s.y, s.qkv = y, qkv
	if n := s.batch * s.Heads; s.work1() < parallelWork {
		for u := range n {
			s.head(0, u)
		}
	} else {
		s.heads.Run(n)
	}
	s.y, s.qkv = nil, nil
	for b := range s.position {
		s.position[b]++
		s.cached[b]++
	}
	if s.Form != Linear && s.Window == 0 {
		s.slots++
	}
	return nil
}

// parallelWork is the number of multiplications from which a step is spread over
// the workers: fewer take about as long as it takes to wake one.
const parallelWork = 1 << 17

// work1 returns the number of multiplications of a step.
func (s *Step[T]) work1() int {
	if s.Form == Linear {
		return 2 * s.batch * s.e * s.hd
	}
	n := 0
	for b := range s.cached {
		n += 2 * s.e * s.seen(b, 1)
	}
	return n
}

// seen returns the number of keys in the cache of a row after more steps.
func (s *Step[T]) seen(b, more int) int {
	n := s.cached[b] + more
	if s.Window > 0 {
		n = min(n, s.Window)
	}
	return n
}

// head computes one head of one row.
func (s *Step[T]) head(worker, u int) {
	b, h := u/s.Heads, u%s.Heads
	x := s.qkv[b*3*s.e+h*s.hd:]
	need := s.hd * (4 + sumsIn[T]())
	if s.Form != Linear {
		need += 2*s.caches[b].room + 2*stepsIn[T]()
	}
	s.work[worker] = num.Grow(s.work[worker], need)
	w := s.work[worker]
	q, k, v := w[:s.hd], w[s.hd:2*s.hd], x[2*s.e:][:s.hd]
	copy(q, x[:s.hd])
	copy(k, x[s.e:][:s.hd])
	if s.Rotary != NoRotary {
		s.turn.apply(s.Rotary, b, q)
		s.turn.apply(s.Rotary, b, k)
	}
	y := s.y[u*s.hd:][:s.hd]
	if s.Form == Linear {
		s.sum(y, q, k, v, w[2*s.hd:], u)
		return
	}
	vec.Scale(q, T(s.scale(s.hd)), q)
	c := &s.caches[b]
	at, next := s.slot(c, h, s.cached[b]%c.room)
	for i := range s.hd {
		c.keys[at+i*next], c.values[at+i*next] = k[i], v[i]
	}
	s.attend(y, q, c, h, s.seen(b, 1), w[2*s.hd:])
}

// attend writes the output of head h for the query q, which sees the first n slots of
// a cache, to y. w is scratch memory.
func (s *Step[T]) attend(y, q []T, c *rowCache[T], h, n int, w []T) {
	lanes := sumsIn[T]()
	sums, p := w[:s.hd*lanes], w[s.hd*lanes:][:(n+stepsIn[T]()-1)/stepsIn[T]()*stepsIn[T]()]
	size := s.headSize(c.room)
	scores(p, q, c.keys[h*size:][:size])
	clear(p[n:])
	sum := exponentials(p[:n], w[s.hd*lanes+len(p):])
	clear(sums)
	mix(sums, p, c.values[h*size:][:size])
	for i := range y {
		var v float64
		for _, x := range sums[i*lanes:][:lanes] {
			v += float64(x)
		}
		y[i] = T(v / sum)
	}
}

// exponentials replaces scores by e^(p - max p) and returns their sum. w is scratch
// memory of half the size.
func exponentials[T num.Float](p, w []T) float64 {
	vec.Affine(p, p, greatest(p, w), 1, 0)
	vec.Exp(p, p)
	return vec.Sum64(p)
}

// greatest returns the greatest element of p.
func greatest[T num.Float](p, w []T) T {
	most := p[0]
	for len(p) > 16 {
		h := len(p) / 2
		if len(p)%2 == 1 {
			most = max(most, p[len(p)-1])
		}
		vec.Max(w[:h], p[:h], p[h:2*h])
		p = w[:h]
	}
	for _, v := range p {
		most = max(most, v)
	}
	return most
}

// sum is head of the linear form. w is scratch memory, 2 hd.
func (s *Step[T]) sum(y, q, k, v, w []T, u int) {
	slope, t := w[:s.hd], w[s.hd:2*s.hd]
	phi(q, slope, t, q)
	phi(k, slope, t, k)
	z, rows := s.z[u*s.hd:][:s.hd], s.s[u*s.hd*s.hd:]
	clear(y)
	var norm float64 = epsilon
	for a, ka := range k {
		z[a] += ka
		norm += float64(q[a]) * float64(z[a])
		row := rows[a*s.hd:][:s.hd]
		vec.Axpy(row, ka, v)
		vec.Axpy(y, q[a], row)
	}
	vec.Scale(y, T(1/norm), y)
}

// Load sets the state to x, whose memory it does not keep. It returns an error if
// a length or a position is wrong; the state is then as it was.
func (s *Step[T]) Load(x State[T]) error {
	if err := s.checkState(x); err != nil {
		return named("Step.Load", err)
	}
	s.start(x.Batch)
	if s.hasPosition() {
		for b, p := range x.Tensors[2] {
			s.position[b] = int(p)
		}
	}
	if s.Form == Linear {
		copy(s.s, x.Tensors[0])
		copy(s.z, x.Tensors[1])
		return nil
	}
	s.slots = x.Slots
	for b := range s.batch {
		s.fill(b, x, b)
	}
	return nil
}

// fill takes the cache of row b, whose position is set, from that of row of x.
func (s *Step[T]) fill(b int, x State[T], row int) {
	if s.cached[b] = s.position[b]; s.Window == 0 {
		s.cached[b] = min(s.cached[b], x.Slots)
	}
	s.reserve(b, s.seen(b, 1))
	c := &s.caches[b]
	s.eachSlot(b, x.Slots, row, func(slot, at, next int) {
		for i := range s.hd {
			c.keys[at+i*next], c.values[at+i*next] = x.Tensors[0][slot+i], x.Tensors[1][slot+i]
		}
	})
}

// checkState returns an error unless x is a state.
func (s *Step[T]) checkState(x State[T]) error {
	want := 2
	if s.hasPosition() {
		want = 3
	}
	switch {
	case x.Batch < 1:
		return fmt.Errorf("want Batch >= 1, got %d", x.Batch)
	case len(x.Tensors) != want:
		return fmt.Errorf("want %d tensors, got %d", want, len(x.Tensors))
	case s.Form == Linear && x.Slots != 0:
		return fmt.Errorf("want Slots 0, got %d", x.Slots)
	case s.Form != Linear && s.Window > 0 && x.Slots != s.Config.slots():
		return fmt.Errorf("want Slots %d, got %d", s.Config.slots(), x.Slots)
	case s.Form != Linear && x.Slots < 1:
		return fmt.Errorf("want Slots >= 1, got %d", x.Slots)
	}
	if err := s.checkSize(x.Batch, x.Slots); err != nil {
		return err
	}
	if err := s.checkTensors(x); err != nil || want == 2 {
		return err
	}
	for b, p := range x.Tensors[2] {
		if err := validPosition("position", b, float64(p), size.MaxLength); err != nil {
			return err
		}
	}
	return nil
}

// checkTensors returns an error unless the tensors of x have the lengths of a state.
func (s *Step[T]) checkTensors(x State[T]) error {
	names, lengths := []string{"k", "v"}, []int{x.Batch * x.Slots * s.e, x.Batch * x.Slots * s.e}
	if s.Form == Linear {
		names, lengths = []string{"S", "z"}, []int{x.Batch * s.e * s.hd, x.Batch * s.e}
	}
	names, lengths = append(names, "position"), append(lengths, x.Batch)
	for i, t := range x.Tensors {
		if err := num.CheckLen(names[i], t, lengths[i], false); err != nil {
			return err
		}
	}
	return nil
}

// eachSlot calls f for every head of row b and every slot that counts of a state of as
// many slots, where it is row: slot is the index of its first feature in the state, at
// of that in the cache, next the distance to the next in the cache.
func (s *Step[T]) eachSlot(b, slots, row int, f func(slot, at, next int)) {
	cached := s.cached[b]
	n := min(cached, slots)
	c := &s.caches[b]
	for h := range s.Heads {
		for i := range n {
			at, next := s.slot(c, h, (cached-n+i)%c.room)
			f(((row*s.Heads+h)*slots+slots-n+i)*s.hd, at, next)
		}
	}
}

// Store returns a copy of the state.
func (s *Step[T]) Store() State[T] {
	x := State[T]{Batch: s.batch, Slots: s.slots}
	if s.Form == Linear {
		x.Tensors = [][]T{append([]T(nil), s.s...), append([]T(nil), s.z...)}
	} else {
		n := s.batch * s.slots * s.e
		k, v := make([]T, n), make([]T, n)
		for b := range s.caches {
			c := &s.caches[b]
			s.eachSlot(b, s.slots, b, func(slot, at, next int) {
				for i := range s.hd {
					k[slot+i], v[slot+i] = c.keys[at+i*next], c.values[at+i*next]
				}
			})
		}
		x.Tensors = [][]T{k, v}
	}
	if s.hasPosition() {
		p := make([]T, s.batch)
		for b, n := range s.position {
			p[b] = T(n)
		}
		x.Tensors = append(x.Tensors, p)
	}
	return x
}

// turn is the rotation of one step of each row.
type turn[T num.Float] struct {
	theta    []float64
	cos, sin []T // (B, hd/2)
}

func newTurn[T num.Float](theta []float64) turn[T] { return turn[T]{theta: theta} }

// to sets the positions.
func (t *turn[T]) to(position []int) {
	n := len(t.theta)
	t.cos, t.sin = num.Grow(t.cos, n*len(position)), num.Grow(t.sin, n*len(position))
	for b, p := range position {
		cos, sin := t.cos[b*n:][:n], t.sin[b*n:][:n]
		if b > 0 && p == position[b-1] {
			copy(cos, t.cos[(b-1)*n:])
			copy(sin, t.sin[(b-1)*n:])
			continue
		}
		for i, theta := range t.theta {
			s, c := math.Sincos(float64(p) * theta)
			cos[i], sin[i] = T(c), T(s)
		}
	}
}

// apply rotates x (hd) of row b.
func (t *turn[T]) apply(kind Rotary, b int, x []T) {
	n := len(t.theta)
	for i := range n {
		f, g := kind.pair(i, len(x))
		c, s := t.cos[b*n+i], t.sin[b*n+i]
		x[f], x[g] = x[f]*c-x[g]*s, x[g]*c+x[f]*s
	}
}

// named says which function an error is from.
func named(fn string, err error) error {
	if err != nil {
		err = fmt.Errorf("attention: %s: %w", fn, err)
	}
	return err
}
