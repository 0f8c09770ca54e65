package tokenizer

import (
	"errors"
	"fmt"
	"slices"
)

// words is the tokenizer of words.
type words struct {
	list []string // by id
	ids  map[string]int32
	eos  int
	unk  int // -1: the vocabulary is closed
}

// NewWords returns the tokenizer of words that white space separates, with the ids of
// their order. <eos> must be among them; an unknown word is <unk> if that is among
// them, and otherwise an error.
func NewWords(list []string) (Tokenizer, error) {
	w, err := newWords(slices.Clone(list))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: words: %w", err)
	}
	return w, nil
}

func newWords(list []string) (*words, error) {
	if len(list) > MaxVocab {
		return nil, fmt.Errorf("want at most %d, got %d", MaxVocab, len(list))
	}
	w := &words{list: list, ids: make(map[string]int32, len(list)), eos: -1, unk: -1}
	size := 0
	for id, s := range list {
		if size += len(s); size > maxBytes {
			return nil, fmt.Errorf("want at most %d bytes of all together, got more", maxBytes)
		}
		if begin, end := field([]byte(s), 0); begin != 0 || end != len(s) || s == "" || s == "\n" {
			return nil, fmt.Errorf("word %d: want one without white space in it, got %.40q", id, s)
		}
		if before, ok := w.ids[s]; ok {
			return nil, fmt.Errorf("word %d: want each once, got %.40q, as word %d is", id, s, before)
		}
		w.ids[s] = int32(id)
		switch s {
		case eos:
			w.eos = id
		case unk:
			w.unk = id
		}
	}
	if w.eos < 0 {
		return nil, errors.New("want <eos>, the end of a line, among them, got none")
	}
	return w, nil
}

func (w *words) Kind() string { return KindWord }
func (w *words) Vocab() int   { return len(w.list) }
func (w *words) EOS() int     { return w.eos }

func (w *words) Encode(dst []int, text []byte) ([]int, error) {
	for at := 0; ; {
		begin, end := field(text, at)
		if begin == len(text) {
			return dst, nil
		}
		id, err := w.id(text, begin, end)
		if err != nil {
			return dst, err
		}
		dst, at = append(dst, id), end
	}
}

// EncodeEnds implements Ends. White space at the end of a text is part of no token.
func (w *words) EncodeEnds(ids, ends []int, text []byte) ([]int, []int, error) {
	for at := 0; ; {
		begin, end := field(text, at)
		if begin == len(text) {
			return ids, ends, nil
		}
		id, err := w.id(text, begin, end)
		if err != nil {
			return ids, ends, err
		}
		ids, ends, at = append(ids, id), append(ends, end), end
	}
}

// id returns the id of text[begin:end], a word or a LF.
func (w *words) id(text []byte, begin, end int) (int, error) {
	if text[begin] == '\n' {
		return w.eos, nil
	}
	if id, ok := w.ids[string(text[begin:end])]; ok {
		return int(id), nil
	}
	if w.unk < 0 {
		return 0, unknown(begin, text[begin:end])
	}
	return w.unk, nil
}

// Decode writes a blank before every word and a LF for <eos>.
func (w *words) Decode(dst []byte, ids ...int) []byte {
	for _, id := range ids {
		switch {
		case id < 0 || id >= len(w.list):
		case id == w.eos:
			dst = append(dst, '\n')
		default:
			dst = append(append(dst, ' '), w.list[id]...)
		}
	}
	return dst
}

func (w *words) Token(id int) string {
	if id < 0 || id >= len(w.list) {
		return noToken(id)
	}
	return w.list[id]
}

// CountWords returns how many words a text has as the published perplexities count
// them: those that white space separates, and one for each LF. text may be a part of a
// longer one: a word counts where it begins, and inside says that text begins in the
// middle of one. more says that it ends in the middle of one, or behind its end.
func CountWords(text []byte, inside bool) (n int, more bool) {
	if len(text) == 0 {
		return 0, inside
	}
	at := 0
	if inside && text[0] != '\n' && space(text) == 0 {
		_, at = field(text, 0)
		more = at == len(text)
	}
	for {
		begin, end := field(text, at)
		if begin == len(text) {
			return n, more
		}
		n++
		at, more = end, end == len(text) && text[begin] != '\n'
	}
}
