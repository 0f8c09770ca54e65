package tokenizer

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
)

// TrainBPE returns a byte-level BPE of the pieces that have been counted (Sennrich et al.
// 2016): the 256 bytes, and then again and again the two tokens that are side by side most
// often as one, until there are cfg.Size of them, or none are cfg.MinFreq times side by
// side, 0 meaning twice. Of pairs that are equally frequent the one of the lesser ids comes
// first, as the tokenizers package has it.
func TrainBPE(ctx context.Context, c *Counts, cfg VocabConfig) (Tokenizer, error) {
	if err := c.check(KindBPE, cfg); err != nil {
		return nil, err
	}
	if cfg.Size < 256 {
		return nil, fmt.Errorf("tokenizer: BPE: want a Size >= 256, that of the bytes, got %d", cfg.Size)
	}
	t := newTrainer(c)
	if err := t.train(ctx, cfg.Size, int64(cmp.Or(cfg.MinFreq, 2))); err != nil {
		return nil, err
	}
	b, err := newBPE(t.written, t.merges, nil, pieceOptions{})
	if err != nil {
		return nil, fmt.Errorf("tokenizer: BPE: %w", err)
	}
	return b, nil
}

// trainer is a training on its way.
type trainer struct {
	written []string
	ids     map[string]int32 // by how they are written
	merges  [][2]string
	pieces  [][]int32
	n       []int64 // of each piece
	counts  map[uint64]int64
	where   map[uint64][]int32 // pieces that may have a pair
	queue   candidates
}

// newTrainer begins with the bytes as tokens, in the order of the characters that stand for
// them.
func newTrainer(c *Counts) *trainer {
	t := &trainer{ids: map[string]int32{}, n: c.n, counts: map[uint64]int64{}, where: map[uint64][]int32{}}
	var byteID [256]int32
	runes := runeOf
	slices.Sort(runes[:])
	for id, r := range runes {
		t.written = append(t.written, string(r))
		t.ids[string(r)] = int32(id)
		byteID[byteOf[r]] = int32(id)
	}
	for i, key := range c.keys {
		piece := make([]int32, len(key))
		for k := range len(key) {
			piece[k] = byteID[key[k]]
		}
		t.pieces = append(t.pieces, piece)
		for k := 1; k < len(piece); k++ {
			t.count(piece[k-1], piece[k], t.n[i], int32(i))
		}
	}
	for p, n := range t.counts {
		t.queue = append(t.queue, candidate{p, n})
	}
	heap.Init(&t.queue)
	return t
}

// count counts a pair n times more in a piece.
func (t *trainer) count(a, b int32, n int64, piece int32) {
	p := pair(a, b)
	t.counts[p] += n
	if at := t.where[p]; n > 0 && (len(at) == 0 || at[len(at)-1] != piece) {
		t.where[p] = append(at, piece)
	}
}

// train merges until there are size tokens.
func (t *trainer) train(ctx context.Context, size int, least int64) error {
	for len(t.written) < size && len(t.queue) > 0 {
		top := t.queue[0]
		if n := t.counts[top.pair]; n != top.n { // it has changed since
			if t.queue[0].n = n; n > 0 {
				heap.Fix(&t.queue, 0)
			} else {
				heap.Pop(&t.queue)
			}
			continue
		}
		if top.n < least {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		heap.Pop(&t.queue)
		t.merge(top.pair)
	}
	return nil
}

// merge makes a token of a pair.
func (t *trainer) merge(p uint64) {
	a, b := int32(p>>32), int32(uint32(p))
	s := t.written[a] + t.written[b]
	to, ok := t.ids[s]
	if !ok {
		to = int32(len(t.written))
		t.written, t.ids[s] = append(t.written, s), to
	}
	t.merges = append(t.merges, [2]string{t.written[a], t.written[b]})
	where := t.where[p]
	delete(t.where, p)
	slices.Sort(where)
	changed := map[uint64]bool{}
	for _, i := range slices.Compact(where) {
		t.mergeIn(i, a, b, to, changed)
	}
	delete(t.counts, p)
	for p := range changed {
		if n := t.counts[p]; n > 0 {
			heap.Push(&t.queue, candidate{p, n})
		}
	}
}

// mergeIn merges a pair in a piece.
func (t *trainer) mergeIn(piece, a, b, to int32, changed map[uint64]bool) {
	ids, n := t.pieces[piece], t.n[piece]
	out := ids[:0]
	for i := 0; i < len(ids); i++ {
		if ids[i] != a || i+1 >= len(ids) || ids[i+1] != b {
			out = append(out, ids[i])
			continue
		}
		if len(out) > 0 {
			before := out[len(out)-1]
			t.count(before, a, -n, piece)
			t.count(before, to, n, piece)
			changed[pair(before, to)] = true
		}
		if i++; i+1 < len(ids) {
			t.count(b, ids[i+1], -n, piece)
			t.count(to, ids[i+1], n, piece)
			changed[pair(to, ids[i+1])] = true
		}
		out = append(out, to)
	}
	t.pieces[piece] = out
}

// candidate is a pair and how often it was there when it was put into the queue.
type candidate struct {
	pair uint64
	n    int64
}

// candidates are a heap: the most frequent first, and of those the least.
type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	return c[i].n > c[j].n || c[i].n == c[j].n && c[i].pair < c[j].pair
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(v any)   { *c = append(*c, v.(candidate)) }
func (c *candidates) Pop() any {
	old := *c
	v := old[len(old)-1]
	*c = old[:len(old)-1]
	return v
}
