package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"

	"golang.org/x/exp/mmap"

	"github.com/gorgonia-s4/s4/internal/ending"
	"github.com/gorgonia-s4/s4/internal/strictjson"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// A token file is
//
//	magic
//	chunks of the tokens of the first split that has come, then of the others: up to
//	    chunkTokens ids of width bytes, little endian, and behind them, if the
//	    tokenizer does not say how much of the text a token is, as many bytes with
//	    the bytes of the text that it is, 255 for what is more
//	the tokenizer as tokenizer.Marshal writes it
//	the footer, JSON
//	the sizes of both, 8 bytes each
//	the SHA-256 of all before it
const (
	magic       = "S4tokens"
	tailSize    = 16 + sha256.Size
	chunkTokens = 1 << 16
	longLength  = 255
	maxFooter   = 256 << 20
	maxTokens   = 1 << 40
)

// footer is what a token file says of itself.
type footer struct {
	Version int `json:"version"`
	// Key is what the file depends on.
	Key string `json:"key"`
	// Width is the bytes of an id, 2 or 4.
	Width int `json:"width"`
	// Lengths says that the chunks have those of the tokens.
	Lengths bool       `json:"lengths"`
	Splits  [3]section `json:"splits"`
	// Replaced is how many bytes of the text were no UTF-8.
	Replaced int64 `json:"replaced"`
}

// section is the tokens of a split.
type section struct {
	Name   string `json:"name"`   // of the first text that it is of
	Offset int64  `json:"offset"` // of its first chunk
	// Tokens, Bytes and Words are how many there are, Unknown how many of the tokens
	// are <unk>.
	Tokens  int64 `json:"tokens"`
	Bytes   int64 `json:"bytes"`
	Words   int64 `json:"words"`
	Unknown int64 `json:"unknown"`
	// Index has the numbers of tokens, bytes and words before some of the tokens, in
	// order.
	Index [][3]int64 `json:"index"`
	// Long has tokens of longLength bytes and more, in order, and their bytes.
	Long [][2]int64 `json:"long,omitempty"`
}

// version changes whenever other tokens would come of the same text and tokenizer.
const version = 1

// writer writes a token file.
type writer struct {
	w       io.Writer
	hash    hash.Hash
	at      int64
	footer  footer
	t       tokenizer.Tokenizer
	unknown int
	split   int    // whose chunk is being filled, -1 at first
	ids     []byte // of the chunk
	lengths []byte
	inside  bool // the last block ended in the middle of a word
}

// newWriter begins a token file.
func newWriter(w io.Writer, t tokenizer.Tokenizer, key string) (*writer, error) {
	f := &writer{w: w, hash: sha256.New(), t: t, unknown: tokenizer.Unknown(t), split: -1}
	f.footer = footer{Version: version, Key: key, Width: 4}
	if t.Vocab() <= 1<<16 {
		f.footer.Width = 2
	}
	_, f.footer.Lengths = t.(tokenizer.Ends)
	return f, f.write([]byte(magic))
}

func (f *writer) write(b []byte) error {
	f.hash.Write(b)
	f.at += int64(len(b))
	_, err := f.w.Write(b)
	return err
}

// add writes the tokens of a block.
func (f *writer) add(j *job) error {
	if j.split != f.split {
		if err := f.begin(j); err != nil {
			return err
		}
	}
	s := &f.footer.Splits[f.split]
	s.Index = append(s.Index, [3]int64{s.Tokens, s.Bytes, s.Words})
	if f.inside && j.words > 0 {
		if n, _ := tokenizer.CountWords(j.text, true); n < j.words {
			j.words = n // it goes on with a word
		}
	}
	f.inside = j.inside
	last := 0
	for i, id := range j.ids {
		if f.footer.Width == 2 {
			f.ids = binary.LittleEndian.AppendUint16(f.ids, uint16(id))
		} else {
			f.ids = binary.LittleEndian.AppendUint32(f.ids, uint32(id))
		}
		if id == f.unknown {
			s.Unknown++
		}
		if f.footer.Lengths {
			n := j.ends[i] - last
			if last = j.ends[i]; n >= longLength {
				s.Long = append(s.Long, [2]int64{s.Tokens + int64(i), int64(n)})
			}
			f.lengths = append(f.lengths, byte(min(n, longLength)))
		}
		if len(f.ids) == chunkTokens*f.footer.Width {
			if err := f.chunk(); err != nil {
				return err
			}
		}
	}
	s.Tokens += int64(len(j.ids))
	s.Bytes += int64(len(j.text))
	s.Words += int64(j.words)
	return nil
}

// begin begins the tokens of another split.
func (f *writer) begin(j *job) error {
	if err := f.chunk(); err != nil {
		return err
	}
	f.split, f.inside = j.split, false
	if s := &f.footer.Splits[f.split]; s.Tokens == 0 {
		s.Name, s.Offset = j.name, f.at
		return nil
	}
	return fmt.Errorf("%s: want the texts of a split one after the other", j.name)
}

// chunk writes the chunk that has been filled.
func (f *writer) chunk() error {
	err := f.write(f.ids)
	if err == nil {
		err = f.write(f.lengths)
	}
	f.ids, f.lengths = f.ids[:0], f.lengths[:0]
	return err
}

// finish writes what is behind the tokens.
func (f *writer) finish() error {
	if err := f.chunk(); err != nil {
		return err
	}
	t, err := tokenizer.Marshal(f.t)
	if err != nil {
		return err
	}
	b, err := json.Marshal(f.footer)
	if err != nil {
		return err
	}
	tail := binary.LittleEndian.AppendUint64(nil, uint64(len(t)))
	tail = binary.LittleEndian.AppendUint64(tail, uint64(len(b)))
	for _, part := range [][]byte{t, b, tail} {
		if err := f.write(part); err != nil {
			return err
		}
	}
	_, err = f.w.Write(f.hash.Sum(nil))
	return err
}

// store is the bytes of a token file, mapped or in memory.
type store struct {
	mapped *mmap.ReaderAt
	bytes  []byte
	remove string // name of a file of no use when it is closed
}

func (s *store) len() int64 {
	if s.mapped != nil {
		return int64(s.mapped.Len())
	}
	return int64(len(s.bytes))
}

// read fills b.
func (s *store) read(b []byte, at int64) error {
	if s.mapped != nil {
		_, err := s.mapped.ReadAt(b, at)
		return ending.Unexpected(err)
	}
	if at < 0 || at > int64(len(s.bytes)) || copy(b, s.bytes[at:]) < len(b) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (s *store) close() error {
	var err error
	if s.mapped != nil {
		err = s.mapped.Close()
	}
	if s.remove != "" {
		err = errors.Join(err, os.Remove(s.remove))
		s.remove = ""
	}
	return err
}

// openFile maps a token file that has been checked.
func openFile(path string) (*store, *footer, tokenizer.Tokenizer, error) {
	if err := checkFile(path); err != nil {
		return nil, nil, nil, err
	}
	m, err := mmap.Open(path)
	if err != nil {
		return nil, nil, nil, err
	}
	s := &store{mapped: m}
	f, t, err := parse(s)
	if err != nil {
		return nil, nil, nil, errors.Join(err, s.close())
	}
	return s, f, t, nil
}

// checkFile checks the checksum of a file, which it reads: what is mapped would stay in
// memory.
func checkFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("want a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return checkSum(file, info.Size())
}

// checkSum checks the checksum of a token file of so many bytes.
func checkSum(r io.Reader, size int64) error {
	if size < int64(len(magic)+tailSize) {
		return fmt.Errorf("want a token file, got %d bytes", size)
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, io.LimitReader(r, size-sha256.Size), make([]byte, 1<<20)); err != nil {
		return err
	}
	var want [sha256.Size]byte
	if _, err := io.ReadFull(r, want[:]); err != nil {
		return ending.Unexpected(err)
	}
	if got := h.Sum(nil); !bytes.Equal(got, want[:]) {
		return fmt.Errorf("want the SHA-256 %x, got %x", want, got)
	}
	return nil
}

// parse reads what a token file says of itself.
func parse(s *store) (*footer, tokenizer.Tokenizer, error) {
	size := s.len()
	if size < int64(len(magic)+tailSize) {
		return nil, nil, fmt.Errorf("want a token file, got %d bytes", size)
	}
	head, tail := make([]byte, len(magic)), make([]byte, 16)
	if err := s.read(head, 0); err != nil {
		return nil, nil, err
	}
	if err := s.read(tail, size-tailSize); err != nil {
		return nil, nil, err
	}
	if string(head) != magic {
		return nil, nil, fmt.Errorf("want a token file, which begins with %q, got %q", magic, head)
	}
	room := uint64(size) - uint64(len(magic)) - tailSize
	of, n := binary.LittleEndian.Uint64(tail), binary.LittleEndian.Uint64(tail[8:])
	if n > min(room, maxFooter) || of > min(room-n, math.MaxInt32) {
		return nil, nil, fmt.Errorf("want a tokenizer and a footer of at most %d bytes, got %d and %d", room, of, n)
	}
	b := make([]byte, of+n)
	end := size - tailSize - int64(of+n) // of the tokens
	if err := s.read(b, end); err != nil {
		return nil, nil, err
	}
	t, err := tokenizer.Unmarshal(b[:of])
	if err != nil {
		return nil, nil, err
	}
	var f footer
	if err := strictjson.Decode(b[of:], &f); err != nil {
		return nil, nil, fmt.Errorf("footer: %w", err)
	}
	if err := f.check(t, end); err != nil {
		return nil, nil, fmt.Errorf("footer: %w", err)
	}
	return &f, t, nil
}

// check reports a footer that is not one of tokens that end at end.
func (f *footer) check(t tokenizer.Tokenizer, end int64) error {
	_, lengths := t.(tokenizer.Ends)
	switch {
	case f.Version != version:
		return fmt.Errorf("want version %d, got %d", version, f.Version)
	case f.Width != 2 && f.Width != 4:
		return fmt.Errorf("want ids of 2 or 4 bytes, got %d", f.Width)
	case f.Lengths != lengths:
		return fmt.Errorf("want lengths of tokens %v, as the tokenizer needs them, got %v", lengths, f.Lengths)
	}
	for i := range f.Splits {
		s := &f.Splits[i]
		if err := s.check(end, int64(f.each())); err != nil {
			return fmt.Errorf("split %d: %w", i, err)
		}
	}
	return nil
}

// each returns the bytes of a token.
func (f *footer) each() int {
	if f.Lengths {
		return f.Width + 1
	}
	return f.Width
}

// check reports a section that is not before end, with tokens of so many bytes, or whose
// numbers do not ascend.
func (s *section) check(end, each int64) error {
	if s.Tokens < 0 || s.Tokens > maxTokens || s.Offset < 0 || s.Offset > end || s.Tokens*each > end-s.Offset {
		return fmt.Errorf("want tokens before byte %d, got %d of %d bytes from %d on", end, s.Tokens, each, s.Offset)
	}
	before := [3]int64{}
	for _, next := range append(s.Index[:len(s.Index):len(s.Index)], [3]int64{s.Tokens, s.Bytes, s.Words}) {
		for k, n := range next {
			if n < before[k] {
				return fmt.Errorf("want an index that ascends, got %v behind %v", next, before)
			}
		}
		before = next
	}
	last := int64(-1)
	for _, l := range s.Long {
		if l[0] <= last || l[0] >= s.Tokens || l[1] < longLength || l[1] > s.Bytes {
			return fmt.Errorf("want long tokens in order, got %v behind %d", l, last)
		}
		last = l[0]
	}
	return nil
}
