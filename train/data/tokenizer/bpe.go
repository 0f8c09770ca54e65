package tokenizer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// bpe is a byte-level BPE. A piece of a text is a row of the tokens of its bytes, of which
// two are merged as long as there is a merge of two that are side by side: the first one
// of the list of merges, where it comes first.
type bpe struct {
	written []string         // the tokens, each byte as a character of its own
	raw     [][]byte         // the bytes of each
	ids     map[string]int32 // by the bytes, but for the added ones
	bytes   [256]int32       // the token of each byte, -1: there is none
	list    []merge          // the merges
	ranks   map[uint64]int32 // of each pair, its index in list

	added   []added      // in the order of their ids
	first   [256][]int   // the added ones that begin with a byte, the longest first
	eos     int          // -1: there is none
	options pieceOptions // what a piece is
	mu      sync.Mutex   // guards free
	free    []*bpeMemory // that nobody uses
}

// merge is a pair of tokens and the one that they become.
type merge struct{ a, b, to int32 }

// added is a token that is found in a text before anything else.
type added struct {
	id      int
	text    string
	special bool
}

// pieceOptions are what files of BPE may say about pieces.
type pieceOptions struct {
	prefix bool // a blank is put before a text that has none at its start
	whole  bool // a piece that is a token is that, whatever the merges say
}

// pair is the key of two tokens.
func pair(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// newBPE returns a BPE with tokens as they are written, by id, the merges of them, and
// which of them are added.
func newBPE(written []string, merges [][2]string, plus []added, o pieceOptions) (*bpe, error) {
	t := &bpe{written: written, raw: make([][]byte, len(written)), ids: make(map[string]int32, len(written)),
		ranks: make(map[uint64]int32, len(merges)), added: plus, eos: -1, options: o}
	isAdded := map[int]bool{}
	for _, a := range plus {
		if err := t.add(a); err != nil {
			return nil, err
		}
		isAdded[a.id] = true
	}
	byWritten := make(map[string]int32, len(written))
	size := 0
	for id, s := range written {
		if size += len(s); size > maxBytes {
			return nil, fmt.Errorf("want at most %d bytes of all tokens together, got more", maxBytes)
		}
		byWritten[s] = int32(id)
		if isAdded[id] {
			continue
		}
		raw, ok := fromWritten(s)
		if !ok || len(raw) == 0 {
			return nil, fmt.Errorf("token %d: want characters that stand for bytes, got %.40q", id, s)
		}
		t.raw[id], t.ids[string(raw)] = raw, int32(id)
	}
	for c := range t.bytes {
		t.bytes[c] = -1
		if id, ok := t.ids[string([]byte{byte(c)})]; ok {
			t.bytes[c] = id
		}
	}
	if len(t.ids) == 0 {
		return nil, errors.New("want tokens, got none")
	}
	return t, t.addMerges(merges, byWritten)
}

// add adds an added token.
func (t *bpe) add(a added) error {
	if len(a.text) == 0 || bytes.ContainsAny([]byte(a.text)[1:], " \n") && len(bytes.TrimSpace([]byte(a.text))) > 0 {
		return fmt.Errorf("added token %d: want a text without white space in it, got %.40q", a.id, a.text)
	}
	t.raw[a.id] = []byte(a.text)
	for at := 1; at < len(a.text); at++ { // where Cut may cut
		if endsWord(t.raw[a.id], at) {
			return fmt.Errorf("added token %d: want one word of letters that are not of ASCII, got %.40q", a.id, a.text)
		}
	}
	c := a.text[0]
	t.first[c] = append(t.first[c], a.id)
	slices.SortFunc(t.first[c], func(i, j int) int { return cmp.Compare(len(t.raw[j]), len(t.raw[i])) })
	if t.eos < 0 && a.special && slices.Contains(endings[:], a.text) {
		t.eos = a.id
	}
	return nil
}

// endings are how tokens at the end of a text are written.
var endings = [...]string{"<|endoftext|>", "<|end_of_text|>", "</s>", eos}

// addMerges sets the merges.
func (t *bpe) addMerges(merges [][2]string, ids map[string]int32) error {
	t.list = make([]merge, len(merges))
	for i, m := range merges {
		var three [3]int32
		for k, s := range [3]string{m[0], m[1], m[0] + m[1]} {
			id, ok := ids[s]
			if !ok {
				return fmt.Errorf("merge %d, of %.40q and %.40q: want tokens of the vocabulary, got %.40q", i, m[0], m[1], s)
			}
			three[k] = id
		}
		key := pair(three[0], three[1])
		if before, ok := t.ranks[key]; ok {
			return fmt.Errorf("merge %d, of %.40q and %.40q: want each once, got it as merge %d too", i, m[0], m[1], before)
		}
		t.list[i], t.ranks[key] = merge{three[0], three[1], three[2]}, int32(i)
	}
	return nil
}

func (t *bpe) Kind() string { return KindBPE }
func (t *bpe) Vocab() int   { return len(t.written) }
func (t *bpe) EOS() int     { return t.eos }

func (t *bpe) Decode(dst []byte, ids ...int) []byte {
	for _, id := range ids {
		if id >= 0 && id < len(t.raw) {
			dst = append(dst, t.raw[id]...)
		}
	}
	return dst
}

func (t *bpe) Token(id int) string {
	if id < 0 || id >= len(t.written) {
		return noToken(id)
	}
	return t.written[id]
}

func (t *bpe) Encode(dst []int, text []byte) ([]int, error) {
	m := t.take()
	defer t.give(m)
	for begin := 0; begin < len(text); {
		at, id := t.findAdded(text, begin)
		var err error
		if dst, err = t.segment(dst, text[begin:at], m); err != nil {
			err.(*UnknownError).Offset += begin
			return dst, err
		}
		if begin = at; id >= 0 {
			dst = append(dst, id)
			begin += len(t.raw[id])
		}
	}
	return dst, nil
}

// findAdded returns where the first added token from begin on is, the longest one there,
// or len(text) and -1.
func (t *bpe) findAdded(text []byte, begin int) (at, id int) {
	if len(t.added) == 0 {
		return len(text), -1
	}
	for at := begin; at < len(text); at++ {
		for _, id := range t.first[text[at]] {
			if bytes.HasPrefix(text[at:], t.raw[id]) {
				return at, id
			}
		}
	}
	return len(text), -1
}

// segment encodes a text without added tokens.
func (t *bpe) segment(dst []int, text []byte, m *bpeMemory) ([]int, error) {
	shift := 0
	if t.options.prefix && len(text) > 0 && text[0] != ' ' {
		m.prefixed = append(append(m.prefixed[:0], ' '), text...)
		text, shift = m.prefixed, 1
	}
	for at := 0; at < len(text); {
		end := piece(text, at)
		var err error
		if dst, err = t.encodePiece(dst, text[at:end], m); err != nil {
			err.(*UnknownError).Offset += at - shift
			return dst, err
		}
		at = end
	}
	return dst, nil
}

// Bounds of the pieces that are remembered.
const (
	cachedPieces = 1 << 15
	cachedLength = 64 // bytes of a piece
)

// bpeMemory is the memory of one Encode at a time.
type bpeMemory struct {
	cache    map[string][]int32
	merger   merger
	prefixed []byte
}

// take returns memory that nobody else uses.
func (t *bpe) take() *bpeMemory {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.free); n > 0 {
		m := t.free[n-1]
		t.free = t.free[:n-1]
		return m
	}
	return &bpeMemory{cache: map[string][]int32{}}
}

// give takes it back.
func (t *bpe) give(m *bpeMemory) {
	const most = 64 << 10 // of a text that is kept
	if cap(m.prefixed) > most {
		m.prefixed = nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = append(t.free, m)
}

// encodePiece encodes a piece.
func (t *bpe) encodePiece(dst []int, piece []byte, m *bpeMemory) ([]int, error) {
	ids, ok := m.cache[string(piece)]
	if !ok {
		var err error
		if ids, err = t.merge(piece, &m.merger); err != nil {
			return dst, err
		}
		if len(piece) <= cachedLength {
			if len(m.cache) >= cachedPieces {
				clear(m.cache)
			}
			m.cache[string(piece)] = slices.Clone(ids)
		}
	}
	for _, id := range ids {
		dst = append(dst, int(id))
	}
	return dst, nil
}

// merge encodes a piece. The result is the merger's.
func (t *bpe) merge(piece []byte, m *merger) ([]int32, error) {
	if id, ok := t.ids[string(piece)]; ok && (t.options.whole || len(piece) == 1) {
		m.ids = append(m.ids[:0], id)
		return m.ids, nil
	}
	m.ids = m.ids[:0]
	for at, c := range piece {
		id := t.bytes[c]
		if id < 0 {
			return nil, unknown(at, piece[at:at+1])
		}
		m.ids = append(m.ids, id)
	}
	if len(m.ids) <= shortPiece {
		return m.short(t), nil
	}
	return m.long(t), nil
}

// merger is the memory of merging.
type merger struct {
	ids, ranks []int32
	next, prev []int32
	heap       []uint64
}

// shortPiece is the most bytes of a piece that is looked through for every merge.
const shortPiece = 24

// none is the rank of a pair that is not merged.
const none = int32(1<<31 - 1)

// rank returns the rank of a pair of tokens.
func (t *bpe) rank(a, b int32) int32 {
	if r, ok := t.ranks[pair(a, b)]; ok {
		return r
	}
	return none
}

// short merges few tokens.
func (m *merger) short(t *bpe) []int32 {
	ids := m.ids
	m.ranks = m.ranks[:0] // of each token and the next
	for i := range len(ids) - 1 {
		m.ranks = append(m.ranks, t.rank(ids[i], ids[i+1]))
	}
	for {
		best, at := none, 0
		for i, r := range m.ranks {
			if r < best {
				best, at = r, i
			}
		}
		if best == none {
			m.ids = ids
			return ids
		}
		ids[at] = t.list[best].to
		ids = slices.Delete(ids, at+1, at+2)
		m.ranks = slices.Delete(m.ranks, at, at+1)
		if at > 0 {
			m.ranks[at-1] = t.rank(ids[at-1], ids[at])
		}
		if at < len(m.ranks) {
			m.ranks[at] = t.rank(ids[at], ids[at+1])
		}
	}
}

// long merges many tokens: those that are left are a list, and what may be merged a heap
// by rank and place.
func (m *merger) long(t *bpe) []int32 {
	n := int32(len(m.ids))
	m.next, m.prev, m.heap = m.next[:0], m.prev[:0], m.heap[:0]
	for i := range n {
		m.next, m.prev = append(m.next, i+1), append(m.prev, i-1)
	}
	push := func(i int32) {
		if i < 0 || m.next[i] >= n {
			return
		}
		if r := t.rank(m.ids[i], m.ids[m.next[i]]); r != none {
			m.push(uint64(r)<<32 | uint64(i))
		}
	}
	for i := range n {
		push(i)
	}
	for len(m.heap) > 0 {
		top := m.pop()
		r, i := int32(top>>32), int32(uint32(top))
		j := n
		if m.ids[i] >= 0 {
			j = m.next[i]
		}
		if j >= n || t.rank(m.ids[i], m.ids[j]) != r {
			continue // it has been merged otherwise
		}
		m.ids[i], m.ids[j] = t.list[r].to, -1
		if m.next[i] = m.next[j]; m.next[i] < n {
			m.prev[m.next[i]] = i
		}
		push(m.prev[i])
		push(i)
	}
	m.ids = slices.DeleteFunc(m.ids, func(id int32) bool { return id < 0 })
	return m.ids
}

// push and pop are those of a heap whose first is the least.
func (m *merger) push(v uint64) {
	m.heap = append(m.heap, v)
	for i := len(m.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if m.heap[up] <= m.heap[i] {
			return
		}
		m.heap[up], m.heap[i] = m.heap[i], m.heap[up]
		i = up
	}
}

func (m *merger) pop() uint64 {
	top, last := m.heap[0], len(m.heap)-1
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down+1 < last && m.heap[down+1] < m.heap[down] {
			down++
		}
		if down >= last || m.heap[i] <= m.heap[down] {
			return top
		}
		m.heap[i], m.heap[down] = m.heap[down], m.heap[i]
		i = down
	}
}

// runeOf are the characters that stand for bytes in the tokens of GPT-2: those that can be
// seen for themselves, and others from U+0100 on for the rest.
var runeOf = func() (runes [256]rune) {
	next := rune(256)
	for c := range runes {
		seen := c >= '!' && c <= '~' || c >= 0xa1 && c <= 0xac || c >= 0xae
		if runes[c] = rune(c); !seen {
			runes[c] = next
			next++
		}
	}
	return runes
}()

// byteOf is the byte that each of the characters stands for, -1 for others.
var byteOf = func() (bytes [256 + 68]int) {
	for r := range bytes {
		bytes[r] = slices.Index(runeOf[:], rune(r))
	}
	return bytes
}()

// fromWritten returns the bytes of a token as it is written.
func fromWritten(s string) ([]byte, bool) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if int(r) >= len(byteOf) || byteOf[r] < 0 {
			return nil, false
		}
		b = append(b, byte(byteOf[r]))
	}
	return b, true
}
