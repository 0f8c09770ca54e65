package task

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
)

// Sequence is a long sequence of tokens, in memory or in a file. It is safe for
// concurrent use.
type Sequence interface {
	// Len returns the number of tokens.
	Len() int
	// Read reads the tokens from at on, 0 <= at <= Len, into dst, and returns how many
	// there are: less than len(dst) only at the end.
	Read(dst []int, at int) int
}

// Placed is a Sequence that knows where its tokens are from.
type Placed interface {
	Sequence
	// Place returns where the tokens from begin on and before end are from, such as
	// "wiki.train.tokens, tokens 512 to 1023".
	Place(begin, end int) string
}

// place is Placed.Place, or "".
func place(s Sequence, begin, end int) string {
	if p, ok := s.(Placed); ok {
		return p.Place(begin, end)
	}
	return ""
}

// Ints is a Sequence in memory.
type Ints []int

// Len implements Sequence.
func (s Ints) Len() int { return len(s) }

// Read implements Sequence.
func (s Ints) Read(dst []int, at int) int { return copy(dst, s[at:]) }

// sequenceFields are those of the pieces of a sequence.
func sequenceFields() []Field { return []Field{Tokens(X, 0), Labels(Target)} }

// put puts the tokens from at on as X and those that follow each as Target, from scored
// on, an index of the first, those before being Ignore; what is at end and behind it is
// Ignore too.
func put(row *Row, s Sequence, at, length, scored, end int) error {
	x, y := row.ints(X, length), row.ints(Target, length)
	if x == nil || y == nil {
		return nil // the row says why
	}
	n := min(length, end-at)
	if err := shifted(x[:n], y[:n], s, at); err != nil {
		return err
	}
	more := s.Read(x[n:], at+n) // what is there but not scored
	clear(x[n+more:])
	ignore(y[:min(scored-at, length)])
	ignore(y[n:])
	return nil
}

// shifted reads tokens from at on into x, and those that follow each into y.
func shifted(x, y []int, s Sequence, at int) error {
	if len(x) == 0 {
		return nil
	}
	n := s.Read(x, at)
	copy(y, x[1:])
	if n == len(x) {
		n += s.Read(y[len(y)-1:], at+len(x))
	}
	if n <= len(x) {
		return fmt.Errorf("want %d tokens from %d on, got %d", len(x)+1, at, n)
	}
	return nil
}

func ignore(y []int) {
	for i := range y {
		y[i] = Ignore
	}
}

// Windows is a Dataset of one long sequence of tokens, cut into windows. The fields are
// [X] and [Target], the token that follows each. Each token of the sequence but the
// first is a target once: where windows overlap, it is [Ignore] but in the first.
type Windows struct {
	tokens         Sequence
	length, stride int
}

// NewWindows returns windows of one length, one behind the other. What is left at the
// end is a shorter one.
func NewWindows(tokens Sequence, length int) (*Windows, error) {
	return newWindows("Windows", tokens, length, length)
}

// NewSliding returns windows of one length, of which each begins stride tokens behind
// the one before, 1 <= stride <= length: so that all targets but those of the first
// window have at least length-stride tokens before them. The last one ends with the
// sequence. If that is shorter than a window it is the only one.
func NewSliding(tokens Sequence, length, stride int) (*Windows, error) {
	if stride < 1 || stride > length {
		return nil, fmt.Errorf("task: Sliding: want a stride in [1, %d], the length of a window, got %d", length, stride)
	}
	w, err := newWindows("Sliding", tokens, length, stride)
	if err == nil && w.targets() < length {
		w.length, w.stride = w.targets(), w.targets()
	}
	return w, err
}

func newWindows(of string, tokens Sequence, length, stride int) (*Windows, error) {
	if length < 1 {
		return nil, fmt.Errorf("task: %s: want a length >= 1, got %d", of, length)
	}
	if n := tokens.Len(); n < 2 {
		return nil, fmt.Errorf("task: %s: want at least 2 tokens, one and its target, got %d", of, n)
	}
	return &Windows{tokens, length, stride}, nil
}

// targets returns the number of all targets.
func (w *Windows) targets() int { return w.tokens.Len() - 1 }

// Fields implements Dataset.
func (w *Windows) Fields() []Field { return sequenceFields() }

// Len implements Dataset.
func (w *Windows) Len() int { return 1 + ceil(max(w.targets()-w.length, 0), w.stride) }

// Length implements Dataset.
func (w *Windows) Length(i int) int {
	begin, _, end := w.Span(i)
	return end - begin
}

// Span returns which tokens window i, 0 <= i < Len, reads: those from begin on and
// before end. Its targets are those behind the tokens from scored on.
func (w *Windows) Span(i int) (begin, scored, end int) {
	end = min(w.length+i*w.stride, w.targets())
	if i == 0 {
		return 0, 0, end
	}
	scored = w.length + (i-1)*w.stride
	if w.stride == w.length {
		return scored, scored, end
	}
	return end - w.length, scored, end
}

// Example implements Dataset.
func (w *Windows) Example(i int, row *Row) error {
	begin, scored, end := w.Span(i)
	return put(row, w.tokens, begin, end-begin, scored, end)
}

// Origin implements Located, for a sequence that is Placed.
func (w *Windows) Origin(i int) string {
	begin, _, end := w.Span(i)
	return place(w.tokens, begin, end)
}

// Streams is a Dataset of one long sequence of tokens, cut into streams that run
// side by side and those into pieces of one length, that of the longest stream at most:
// example i is piece i/streams of stream i%streams. Batches of so many examples in their
// order carry a [State] on. The fields are [X] and [Target], the token that follows each.
// Each token of the sequence but the first is a target once: what the last piece of a
// stream has more is [Ignore].
type Streams struct {
	tokens          Sequence
	streams, length int
	shift           []int // where each stream begins; nil: with its first token
}

// NewStreams returns the pieces of tokens, which it does not copy.
func NewStreams(tokens []int, streams, length int) (*Streams, error) {
	return StreamsOf(Ints(tokens), streams, length)
}

// StreamsOf returns the pieces of a sequence.
func StreamsOf(tokens Sequence, streams, length int) (*Streams, error) {
	if streams < 1 || length < 1 {
		return nil, fmt.Errorf("task: Streams: want streams and length >= 1, got %d and %d", streams, length)
	}
	if n := tokens.Len(); n <= streams {
		return nil, fmt.Errorf("task: Streams: want more than %d tokens, a target of each stream, got %d", streams, n)
	}
	s := &Streams{tokens: tokens, streams: streams}
	_, longest := s.stream(0)
	s.length = min(length, longest)
	return s, nil
}

// stream returns where stream s begins in the sequence, and its targets: they are as
// many in all streams, or one more in the first ones.
func (s *Streams) stream(i int) (begin, targets int) {
	n := s.tokens.Len() - 1
	each, more := n/s.streams, n%s.streams
	begin, targets = i*each+min(i, more), each
	if i < more {
		targets++
	}
	return begin, targets
}

// Fields implements Dataset.
func (s *Streams) Fields() []Field { return sequenceFields() }

// Len implements Dataset.
func (s *Streams) Len() int {
	_, longest := s.stream(0)
	return ceil(longest, s.length) * s.streams
}

// Length implements Dataset.
func (s *Streams) Length(int) int { return s.length }

// Rows returns the number of streams: how many examples a batch has whose rows carry a
// [State] on.
func (s *Streams) Rows() int { return s.streams }

// Start returns the token that example i, 0 <= i < Len, begins with, as it is counted
// in the sequence.
func (s *Streams) Start(i int) int {
	begin, targets := s.stream(i % s.streams)
	at := i / s.streams * s.length
	if s.shift != nil {
		at = (at + s.shift[i%s.streams]) % targets
	}
	return begin + min(at, targets)
}

// Origin implements Located, for a sequence that is Placed.
func (s *Streams) Origin(i int) string {
	at := s.Start(i)
	return place(s.tokens, at, min(at+s.length, s.tokens.Len()))
}

// Example implements Dataset.
func (s *Streams) Example(i int, row *Row) error {
	begin, targets := s.stream(i % s.streams)
	left := targets - i/s.streams*s.length // targets of the stream that are not behind it
	at := s.Start(i)
	if s.shift == nil || at+min(left, s.length) <= begin+targets {
		return put(row, s.tokens, at, s.length, at, at+max(left, 0))
	}
	// It goes over the end of the stream, behind which is its start.
	x, y := row.ints(X, s.length), row.ints(Target, s.length)
	if x == nil || y == nil {
		return nil // the row says why
	}
	for n := 0; n < s.length; at = begin {
		part := min(s.length-n, begin+targets-at)
		if err := shifted(x[n:n+part], y[n:n+part], s.tokens, at); err != nil {
			return err
		}
		n += part
	}
	ignore(y[min(left, s.length):])
	return nil
}

// Epochs is a Dataset that is another in each pass over it: of as many examples, with
// the same fields and lengths. A loader asks for that of each epoch when it begins one,
// or goes on in its middle.
type Epochs interface {
	Dataset
	// Epoch returns the data of pass n >= 0, which depend on nothing else.
	Epoch(n int) Dataset
}

// Rolled is [Streams] for training: in each epoch every stream begins at another of its
// tokens, and goes on with its first one behind the last. The pieces are not the same
// then, nor are the tokens at which a state begins.
type Rolled struct {
	*Streams
	seed uint64
}

// Rolled returns the streams so that each begins at a token that a seed chooses.
func (s *Streams) Rolled(seed uint64) *Rolled {
	return &Rolled{s, seed}
}

// Epoch implements Epochs.
func (r *Rolled) Epoch(n int) Dataset {
	rng := rand.NewPCG(r.seed, uint64(n))
	s := *r.Streams
	s.shift = make([]int, s.streams)
	for i := range s.shift {
		_, targets := s.stream(i)
		shift, _ := bits.Mul64(rng.Uint64(), uint64(targets))
		s.shift[i] = int(shift)
	}
	return &s
}

// Describe implements Described.
func (r *Rolled) Describe() map[string]string {
	return map[string]string{"roll": fmt.Sprintf("seed %d", r.seed)}
}

// ceil returns a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }
