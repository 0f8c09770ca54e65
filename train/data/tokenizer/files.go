package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/train/data"
)

// tokenizerJSON is a tokenizer.json.
type tokenizerJSON struct {
	Version       string          `json:"version"`
	Truncation    json.RawMessage `json:"truncation"` // what to do with long texts is not asked here
	Padding       json.RawMessage `json:"padding"`
	AddedTokens   []addedJSON     `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  *byteLevelJSON  `json:"pre_tokenizer"`
	PostProcessor *byteLevelJSON  `json:"post_processor"`
	Decoder       *byteLevelJSON  `json:"decoder"`
	Model         *modelJSON      `json:"model"`
}

type addedJSON struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type byteLevelJSON struct {
	Type           string `json:"type"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	TrimOffsets    bool   `json:"trim_offsets"`
	UseRegex       *bool  `json:"use_regex"`
}

type modelJSON struct {
	Type         string         `json:"type"`
	Dropout      *float64       `json:"dropout"`
	UnkToken     *string        `json:"unk_token"`
	Prefix       *string        `json:"continuing_subword_prefix"`
	Suffix       *string        `json:"end_of_word_suffix"`
	FuseUnk      bool           `json:"fuse_unk"`
	ByteFallback bool           `json:"byte_fallback"`
	IgnoreMerges bool           `json:"ignore_merges"`
	Vocab        map[string]int `json:"vocab"`
	Merges       []mergeJSON    `json:"merges"`
}

// mergeJSON is a merge as ["a", "b"] or "a b".
type mergeJSON [2]string

// UnmarshalJSON reads either.
func (m *mergeJSON) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		var two []string
		if err := json.Unmarshal(b, &two); err != nil {
			return err
		}
		if len(two) != 2 {
			return fmt.Errorf("want a merge of 2 tokens, got %d", len(two))
		}
		*m = mergeJSON(two)
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	two, err := splitMerge(s)
	*m = two
	return err
}

// splitMerge splits a merge that is written with a blank.
func splitMerge(s string) ([2]string, error) {
	a, b, ok := strings.Cut(s, " ")
	if !ok || a == "" || b == "" || strings.Contains(b, " ") {
		return [2]string{}, fmt.Errorf(`want a merge of 2 tokens, "a b", got %.40q`, s)
	}
	return [2]string{a, b}, nil
}

// isByteLevel reports what is not "ByteLevel".
func (b *byteLevelJSON) isByteLevel() error {
	if b.Type != "ByteLevel" {
		return fmt.Errorf(`want "ByteLevel", got %.40q`, b.Type)
	}
	return nil
}

// UnmarshalJSON looks at the type first: other types have other fields.
func (b *byteLevelJSON) UnmarshalJSON(text []byte) error {
	var kind struct{ Type string }
	if err := json.Unmarshal(text, &kind); err != nil {
		return err
	}
	if b.Type = kind.Type; kind.Type != "ByteLevel" {
		return nil
	}
	type plain byteLevelJSON // without this method
	return strictjson.Decode(text, (*plain)(b))
}

// UnmarshalJSON looks at the type first.
func (m *modelJSON) UnmarshalJSON(text []byte) error {
	var kind struct{ Type *string }
	if err := json.Unmarshal(text, &kind); err != nil {
		return err
	}
	if kind.Type != nil && *kind.Type != "BPE" {
		m.Type = *kind.Type
		return nil
	}
	type plain modelJSON // without this method
	err := strictjson.Decode(text, (*plain)(m))
	m.Type = "BPE" // older files do not say so
	return err
}

// readBPE reads a tokenizer.json.
func readBPE(b []byte) (*bpe, error) {
	var f tokenizerJSON
	if err := strictjson.Decode(b, &f); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	var plus []added
	for _, a := range f.AddedTokens {
		if a.SingleWord || a.LStrip || a.RStrip {
			return nil, fmt.Errorf("added token %d: want no single_word, lstrip and rstrip, got one of them", a.ID)
		}
		plus = append(plus, added{a.ID, a.Content, a.Special})
	}
	merges := make([][2]string, len(f.Model.Merges))
	for i, m := range f.Model.Merges {
		merges[i] = m
	}
	return assemble(f.Model.Vocab, merges, plus, pieceOptions{f.PreTokenizer.AddPrefixSpace, f.Model.IgnoreMerges})
}

// check reports what this package does not do.
func (f *tokenizerJSON) check() error {
	given := func(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
	set := func(s *string) bool { return s != nil && *s != "" }
	if given(f.Normalizer) {
		return errors.New("normalizer: want null, got one")
	}
	if f.PreTokenizer == nil {
		return errors.New(`pre_tokenizer: want "ByteLevel", got none`)
	}
	for _, part := range []struct {
		name string
		of   *byteLevelJSON
	}{{"pre_tokenizer", f.PreTokenizer}, {"post_processor", f.PostProcessor}, {"decoder", f.Decoder}} {
		if part.of != nil {
			if err := part.of.isByteLevel(); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	if r := f.PreTokenizer.UseRegex; r != nil && !*r {
		return errors.New("pre_tokenizer: want use_regex true, got false")
	}
	switch m := f.Model; {
	case m == nil || m.Type != "BPE":
		return errors.New(`model: want the type "BPE", got another`)
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("model: want no dropout, got %g", *m.Dropout)
	case set(m.Prefix) || set(m.Suffix):
		return errors.New("model: want no continuing_subword_prefix and no end_of_word_suffix, got one")
	case m.ByteFallback:
		return errors.New("model: want byte_fallback false, got true")
	}
	return nil
}

// assemble returns the BPE of a vocabulary by id and the tokens added to it.
func assemble(vocab map[string]int, merges [][2]string, plus []added, o pieceOptions) (*bpe, error) {
	n := len(vocab)
	for _, a := range plus {
		if id, ok := vocab[a.text]; !ok {
			n++
		} else if id != a.id {
			return nil, fmt.Errorf("added token %.40q: want the id %d of the vocabulary, got %d", a.text, id, a.id)
		}
	}
	if n > MaxVocab {
		return nil, fmt.Errorf("want at most %d tokens, got %d", MaxVocab, n)
	}
	written, seen := make([]string, n), make([]bool, n)
	place := func(s string, id int) error {
		switch {
		case id < 0 || id >= n:
			return fmt.Errorf("token %.40q: want an id in [0, %d), there being so many tokens, got %d", s, n, id)
		case seen[id]:
			return fmt.Errorf("token %.40q: want an id of its own, got %d, which %.40q has", s, id, written[id])
		}
		written[id], seen[id] = s, true
		return nil
	}
	for _, s := range sortedKeys(vocab) {
		if err := place(s, vocab[s]); err != nil {
			return nil, err
		}
	}
	names := map[string]bool{}
	for _, a := range plus {
		if names[a.text] {
			return nil, fmt.Errorf("added token %.40q: want each once, got it twice", a.text)
		}
		names[a.text] = true
		if _, ok := vocab[a.text]; ok {
			continue
		}
		if err := place(a.text, a.id); err != nil {
			return nil, err
		}
	}
	return newBPE(written, merges, plus, o)
}

// sortedKeys returns the tokens in an order of their own, so that errors are the same.
func sortedKeys(vocab map[string]int) []string {
	keys := make([]string, 0, len(vocab))
	for s := range vocab {
		keys = append(keys, s)
	}
	slices.Sort(keys)
	return keys
}

// readPair reads a vocab.json and a merges.txt, as GPT-2 was published: <|endoftext|> is
// found in a text if the vocabulary has it.
func readPair(vocab, merges []byte) (*bpe, error) {
	var ids map[string]int
	if err := strictjson.Decode(vocab, &ids); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	var list [][2]string
	_, err := data.Lines(bytes.NewReader(merges), maxPiece, func(line int, text []byte) error {
		if line == 1 && bytes.HasPrefix(text, []byte("#version")) {
			return nil
		}
		if !utf8.Valid(text) {
			return fmt.Errorf("want UTF-8, got %.40q", text)
		}
		m, err := splitMerge(string(text))
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("merges.txt: %w", err)
	}
	var plus []added
	if id, ok := ids[endings[0]]; ok {
		plus = []added{{id, endings[0], true}}
	}
	return assemble(ids, list, plus, pieceOptions{})
}

// marshalBPE writes a tokenizer.json, the same for the same BPE.
func (t *bpe) marshal() ([]byte, error) {
	yes := true
	level := &byteLevelJSON{Type: "ByteLevel", AddPrefixSpace: t.options.prefix, TrimOffsets: true, UseRegex: &yes}
	f := tokenizerJSON{Version: "1.0", AddedTokens: []addedJSON{}, PreTokenizer: level, PostProcessor: level, Decoder: level}
	f.Model = &modelJSON{Type: "BPE", IgnoreMerges: t.options.whole, Vocab: map[string]int{}, Merges: make([]mergeJSON, len(t.list))}
	isAdded := map[int]bool{}
	for _, a := range t.added {
		f.AddedTokens = append(f.AddedTokens, addedJSON{ID: a.id, Content: a.text, Special: a.special})
		isAdded[a.id] = true
	}
	slices.SortFunc(f.AddedTokens, func(a, b addedJSON) int { return a.ID - b.ID })
	for id, s := range t.written {
		if !isAdded[id] {
			f.Model.Vocab[s] = id
		}
	}
	for i, m := range t.list {
		f.Model.Merges[i] = mergeJSON{t.written[m.a], t.written[m.b]}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(f)
	return bytes.TrimSpace(b.Bytes()), err
}

// Open reads a tokenizer from a file that Marshal or the tokenizers package has written
// (tokenizer.json), or from a folder with a tokenizer.json, or else with vocab.json and
// merges.txt. Errors name the file.
func Open(path string) (Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if !info.IsDir() {
		if base := filepath.Base(path); base == "vocab.json" || base == "merges.txt" {
			return openPair(filepath.Dir(path))
		}
		return openFile(path)
	}
	t, err := openFile(filepath.Join(path, "tokenizer.json"))
	if errors.Is(err, fs.ErrNotExist) {
		if t, err = openPair(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("tokenizer: %s: want tokenizer.json, or vocab.json and merges.txt: %w", path, err)
		}
	}
	return t, err
}

// openFile reads a tokenizer from a file.
func openFile(path string) (Tokenizer, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := unmarshal(b)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return t, nil
}

// openPair reads the vocab.json and the merges.txt of a folder.
func openPair(dir string) (Tokenizer, error) {
	vocab, err := readFile(filepath.Join(dir, "vocab.json"))
	var merges []byte
	if err == nil {
		merges, err = readFile(filepath.Join(dir, "merges.txt"))
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := readPair(vocab, merges)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", dir, err)
	}
	return t, nil
}

// readFile reads a file of at most maxFile bytes.
func readFile(path string) (b []byte, err error) {
	err = data.ReadFile(path, func(r io.Reader, size int64) error {
		if size > maxFile {
			return fmt.Errorf("want at most %d bytes, got %d", maxFile, size)
		}
		b, err = io.ReadAll(io.LimitReader(bufio.NewReader(r), maxFile+1))
		return err
	})
	return b, err
}
