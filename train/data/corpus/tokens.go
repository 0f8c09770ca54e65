package corpus

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sort"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// Tokens are the token ids of a text, in a file that is mapped into memory. They are safe
// for concurrent use, but not while they are closed.
type Tokens struct {
	name    string
	store   *store
	section *section
	width   int
	lengths bool
	n       int // how many of the section there are: see Head
	limit   int // examples; 0: as many as there are
	t       tokenizer.Tokenizer
	shared  *int // how many of the splits are open
	closed  bool
}

var _ task.Placed = (*Tokens)(nil)

// Count is how much of a text there is.
type Count struct {
	// Tokens are the ids.
	Tokens int
	// Words are counted as the published perplexities of WikiText count them: what
	// white space separates, and one for the end of each line.
	Words int
	// Bytes are those of the text, as UTF-8.
	Bytes int
}

// Len returns the number of tokens.
func (t *Tokens) Len() int { return t.n }

// Name returns the name of the first file that the text is from.
func (t *Tokens) Name() string { return t.name }

// Words returns the words of the text.
func (t *Tokens) Words() int { return t.Count(0, t.n).Words }

// Bytes returns the bytes of the text.
func (t *Tokens) Bytes() int { return t.Count(0, t.n).Bytes }

// Unknown returns how many of the tokens of the file are <unk>: what the vocabulary does
// not have, and <unk> in the text.
func (t *Tokens) Unknown() int { return int(t.section.Unknown) }

// Place implements task.Placed.
func (t *Tokens) Place(begin, end int) string {
	return fmt.Sprintf("%s, tokens %d to %d", t.name, begin, end-1)
}

// Read reads tokens from at on, 0 <= at <= Len, into dst, and returns how many there are:
// less than len(dst) only at the end, and when the tokens have been closed.
func (t *Tokens) Read(dst []int, at int) int {
	n := min(len(dst), t.n-at)
	for done := 0; done < n; {
		part, err := t.read(dst[done:n], at+done)
		if err != nil {
			return done
		}
		done += part
	}
	runtime.KeepAlive(t) // what is mapped is unmapped with it
	return n
}

// offset returns the place of a token in the file and how many are behind it in its chunk,
// itself included; lengths is the place of its length.
func (t *Tokens) offset(at int) (ids, lengths int64, n int) {
	each := t.width
	if t.lengths {
		each++
	}
	chunk, in := at/chunkTokens, at%chunkTokens
	size := min(chunkTokens, int(t.section.Tokens)-chunk*chunkTokens)
	begin := t.section.Offset + int64(chunk)*int64(chunkTokens*each)
	return begin + int64(in*t.width), begin + int64(size*t.width+in), size - in
}

// read reads some of the tokens from at on.
func (t *Tokens) read(dst []int, at int) (int, error) {
	var buf [4096]byte
	from, _, n := t.offset(at)
	n = min(n, len(dst), len(buf)/t.width)
	b := buf[:n*t.width]
	if err := t.store.read(b, from); err != nil {
		return 0, err
	}
	if t.width == 2 {
		for i := range n {
			dst[i] = int(binary.LittleEndian.Uint16(b[2*i:]))
		}
	} else {
		for i := range n {
			dst[i] = int(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
	return n, nil
}

// Count returns what the tokens from from on and before to are, 0 <= from <= to <= Len,
// so that a perplexity of any tokens is one per word, and per byte, of their text.
func (t *Tokens) Count(from, to int) Count {
	a, b := t.before(from), t.before(to)
	return Count{Tokens: to - from, Words: b.Words - a.Words, Bytes: b.Bytes - a.Bytes}
}

// before counts what is before a token.
func (t *Tokens) before(at int) Count {
	s := t.section
	if int64(at) == s.Tokens {
		return Count{at, int(s.Words), int(s.Bytes)}
	}
	i := sort.Search(len(s.Index), func(i int) bool { return s.Index[i][0] > int64(at) }) - 1
	if i < 0 {
		return Count{}
	}
	c := Count{int(s.Index[i][0]), int(s.Index[i][2]), int(s.Index[i][1])}
	t.advance(&c, at)
	runtime.KeepAlive(t)
	return c
}

// advance counts the tokens up to at too.
func (t *Tokens) advance(c *Count, at int) {
	var ids [1024]int
	inside := false
	var text []byte
	if c.Tokens > 0 && t.Read(ids[:1], c.Tokens-1) == 1 {
		_, inside = tokenizer.CountWords(t.t.Decode(nil, ids[0]), false)
	}
	words := t.t.Kind() == tokenizer.KindWord
	for c.Tokens < at {
		n := t.Read(ids[:min(len(ids), at-c.Tokens)], c.Tokens)
		if n == 0 {
			return
		}
		held := len(text)
		text = t.t.Decode(text, ids[:n]...)
		if t.lengths {
			c.Bytes += t.sum(c.Tokens, n)
		} else {
			c.Bytes += len(text) - held
		}
		c.Tokens += n
		if words {
			c.Words += n
			text = text[:0]
			continue
		}
		whole := len(text)
		if c.Tokens < at {
			whole = complete(text) // a character goes on
		}
		var more int
		more, inside = tokenizer.CountWords(text[:whole], inside)
		c.Words += more
		text = append(text[:0], text[whole:]...)
	}
}

// sum returns the bytes of the text that n tokens from at on are.
func (t *Tokens) sum(at, n int) int {
	var buf [1024]byte
	bytes := 0
	for n > 0 {
		_, from, part := t.offset(at)
		part = min(part, n, len(buf))
		if t.store.read(buf[:part], from) != nil {
			return bytes
		}
		for i, l := range buf[:part] {
			bytes += int(l)
			if l == longLength {
				bytes += t.long(at+i) - longLength
			}
		}
		at, n = at+part, n-part
	}
	return bytes
}

// long returns the bytes of a long token.
func (t *Tokens) long(at int) int {
	i, ok := slices.BinarySearchFunc(t.section.Long, int64(at), func(l [2]int64, at int64) int { return int(l[0] - at) })
	if !ok {
		return longLength
	}
	return int(t.section.Long[i][1])
}

// Head returns the first n tokens, or all if there are less. It is not to be closed.
func (t *Tokens) Head(n int) *Tokens {
	head := *t
	head.n = min(t.n, max(n, 0))
	return &head
}

// limited returns the tokens of as many examples as the room has let in: one of first
// tokens and others of each.
func (t *Tokens) limited(first, each int) *Tokens {
	if t.limit <= 0 || first < 1 || each < 1 || t.limit > t.n/each {
		return t
	}
	return t.Head(first + (t.limit-1)*each + 1)
}

// Windows returns the tokens as windows of one length that do not overlap, as WikiText is
// evaluated: see task.NewWindows.
func (t *Tokens) Windows(length int) (*task.Windows, error) {
	return named(t, func() (*task.Windows, error) { return task.NewWindows(t.limited(length, length), length) })
}

// Sliding returns the tokens as windows of one length that overlap: see task.NewSliding.
func (t *Tokens) Sliding(length, stride int) (*task.Windows, error) {
	return named(t, func() (*task.Windows, error) {
		return task.NewSliding(t.limited(length, stride), length, stride)
	})
}

// Streams returns the tokens as streams that run side by side, in pieces of one length:
// see task.Streams, and for training its Rolled.
func (t *Tokens) Streams(batch, length int) (*task.Streams, error) {
	return named(t, func() (*task.Streams, error) { return task.StreamsOf(t.limited(length, length), batch, length) })
}

// named says in an error whose tokens it is about.
func named[D any](t *Tokens, f func() (D, error)) (D, error) {
	d, err := f()
	if err != nil {
		err = fmt.Errorf("corpus: %s: %w", t.name, err)
	}
	return d, err
}

// Close gives back the memory: that of the file is given back with the last of the
// splits. It may be called more than once.
func (t *Tokens) Close() error {
	if t.closed {
		return nil
	}
	t.closed, t.n = true, 0
	if *t.shared--; *t.shared > 0 {
		return nil
	}
	return t.store.close()
}
