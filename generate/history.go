package generate

// history is the latest tokens of a sequence.
type history struct {
	ring   []int               // ids, those that were written as ^id
	count  int                 // of all tokens, since the start of the sequence
	first  int                 // of them that is known
	window int                 // how many penalties look at
	counts map[int]occurrences // in the window; nil where nobody asks
}

// occurrences are how often a token occurs.
type occurrences struct{ all, written int }

// remembered is how many tokens a history has at least, for the text of the next one.
const remembered = 16

// newHistory returns the history of a sequence that has no token.
func newHistory(window int, counted bool) *history {
	h := &history{ring: make([]int, max(window, remembered)), window: window}
	if counted {
		h.counts = map[int]occurrences{}
	}
	return h
}

// goOn makes a new history that of a sequence of count tokens, of which the latest, as
// latest returns them, are given.
func (h *history) goOn(latest []int, count int) {
	h.first = count - len(latest)
	h.count = h.first
	for _, id := range latest {
		h.add(idOf(id), id < 0)
	}
}

// add takes note of a token.
func (h *history) add(id int, written bool) {
	if h.counts != nil {
		if h.count-h.window >= h.first {
			h.tally(h.ring[(h.count-h.window)%len(h.ring)], -1)
		}
	}
	if written {
		id = ^id
	}
	h.ring[h.count%len(h.ring)] = id
	h.count++
	if h.counts != nil {
		h.tally(id, 1)
	}
}

// tally adds n to the occurrences of a token of the ring.
func (h *history) tally(id, n int) {
	written := 0
	if id < 0 {
		id, written = ^id, n
	}
	o := h.counts[id]
	if o.all += n; o.all == 0 {
		delete(h.counts, id)
		return
	}
	o.written += written
	h.counts[id] = o
}

// latest appends the latest tokens, at most n, to dst, those that were written as
// they are in the ring.
func (h *history) latest(dst []int, n int) []int {
	for i := max(h.first, h.count-min(n, len(h.ring))); i < h.count; i++ {
		dst = append(dst, h.ring[i%len(h.ring)])
	}
	return dst
}

// idOf is the token of an element of the ring.
func idOf(of int) int {
	if of < 0 {
		return ^of
	}
	return of
}
