package corpus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// Data is a text in its three splits, and how it became tokens.
type Data struct {
	data.Splits[*Tokens]
	Tokenizer tokenizer.Tokenizer
	// Notes say what is to be known about the text: what was not UTF-8, how much is not
	// in the vocabulary.
	Notes []string
}

// Close closes all splits.
func (d *Data) Close() error {
	var err error
	for _, t := range d.All() {
		err = errors.Join(err, t.Close())
	}
	return err
}

// Load reads the text of path, which is one of
//
//   - a folder or an archive with wiki.train.tokens, wiki.valid.tokens and
//     wiki.test.tokens, at any depth, or the same with the ending .raw, or named train.txt,
//     valid.txt and test.txt;
//   - a folder with the files train-*.parquet, validation-*.parquet and test-*.parquet of a
//     data set hub, or with one folder wikitext-* that has them: a column text, one line a
//     row;
//   - a folder or an archive of files *.txt, at any depth; those of a folder are in the
//     order of their names;
//   - any other file, which is a text, or one compressed with gzip, or a Parquet file.
//
// The last two are split, at the first end of a line behind the share that the configuration
// says: what comes first is for training, then come validation and test. With room.Limit
// Windows, Sliding and Streams have that many examples.
//
// Errors name the file, and a word that a closed vocabulary does not have its line.
func Load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s, split, err := find(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	return load(ctx, &maker{path: path, source: s, split: split, cfg: cfg.withDefaults(), room: room})
}

// FromText is Load for a text in memory, with a name for errors.
func FromText(ctx context.Context, name string, text []byte, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return load(ctx, &maker{path: name, source: inMemory(name, text), cfg: cfg.withDefaults(), room: room})
}

func load(ctx context.Context, m *maker) (*Data, error) {
	d, err := m.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	return d, nil
}

// load returns the data from the cache, or makes them.
func (m *maker) load(ctx context.Context) (*Data, error) {
	given := m.cfg.Given
	if given == nil && m.cfg.TokenizerFile != "" {
		var err error
		if given, err = tokenizer.Open(m.cfg.TokenizerFile); err != nil {
			return nil, fmt.Errorf("TokenizerFile: %w", err)
		}
	}
	if err := m.measure(ctx); err != nil {
		return nil, err
	}
	key, err := m.key(given)
	if err != nil {
		return nil, err
	}
	if m.room.Cache == "" {
		return m.make(ctx, given, key, "")
	}
	sum := sha256.Sum256([]byte(key))
	path := filepath.Join(m.room.Cache, fmt.Sprintf("corpus-%s-%s.tokens", hex.EncodeToString(sum[:6]), m.kind(given)))
	d, err := m.open(path, key, given)
	if err == nil {
		return d, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		m.warn(fmt.Errorf("cannot use the cache, encoding anew: %s: %w", path, err))
	}
	return m.make(ctx, given, key, path)
}

func (m *maker) warn(err error) {
	if m.room.Warn != nil {
		m.room.Warn(fmt.Errorf("corpus: %w", err))
	}
}

// kind returns the kind of the tokenizer.
func (m *maker) kind(given tokenizer.Tokenizer) string {
	if given != nil {
		return given.Kind()
	}
	return m.cfg.Tokenizer
}

// key returns all that the tokens depend on.
func (m *maker) key(given tokenizer.Tokenizer) (string, error) {
	k := struct {
		Version   int     `json:"version"`
		Source    string  `json:"source"`
		Bounds    []int64 `json:"bounds,omitempty"`
		Tokenizer string  `json:"tokenizer"`
		VocabSize int     `json:"vocab_size,omitempty"`
		MinFreq   int     `json:"min_freq,omitempty"`
		Closed    bool    `json:"closed,omitempty"`
	}{version, m.sum, m.bounds, m.cfg.Tokenizer, m.cfg.VocabSize, m.cfg.MinFreq, m.cfg.Closed}
	if given != nil {
		print, err := tokenizer.Fingerprint(given)
		if err != nil {
			return "", err
		}
		k.Tokenizer, k.VocabSize, k.MinFreq, k.Closed = print, 0, 0, false
	}
	b, err := json.Marshal(k)
	return string(b), err
}

// open opens a token file of a key.
func (m *maker) open(path, key string, given tokenizer.Tokenizer) (*Data, error) {
	s, f, t, err := openFile(path)
	if err != nil {
		return nil, err
	}
	if f.Key != key {
		return nil, errors.Join(fmt.Errorf("want the tokens of %s, got those of %s", key, f.Key), s.close())
	}
	if given != nil {
		t = given
	}
	return m.data(s, f, t), nil
}

// make makes the tokens and keeps them at path, or else in memory or a temporary file.
func (m *maker) make(ctx context.Context, t tokenizer.Tokenizer, key, path string) (*Data, error) {
	if t == nil {
		var err error
		if t, err = m.tokenizer(ctx); err != nil {
			return nil, err
		}
	}
	write := func(out io.Writer) error {
		w, err := newWriter(out, t, key)
		if err != nil {
			return err
		}
		w.footer.Replaced = m.replaced
		return m.encode(ctx, t, w)
	}
	if path != "" {
		d, err := m.keep(path, key, t, write)
		if err == nil || ctx.Err() != nil || !errors.Is(err, errCache) {
			return d, err
		}
		m.warn(fmt.Errorf("cannot cache the tokens: %w", err))
	}
	if m.total <= inMemoryBytes {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return nil, err
		}
		s := &store{bytes: b.Bytes()}
		f, _, err := parse(s)
		if err != nil {
			return nil, err
		}
		return m.data(s, f, t), nil
	}
	return m.temporary(key, t, write)
}

// inMemoryBytes is how long a text may be whose tokens are in memory without a cache.
const inMemoryBytes = 8 << 20

// errCache is about a cache and not about the text.
var errCache = errors.New("the cache")

// cacheWriter marks the errors of writing.
type cacheWriter struct{ w io.Writer }

func (c cacheWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", errCache, err)
	}
	return n, err
}

// keep writes the tokens to path.
func (m *maker) keep(path, key string, t tokenizer.Tokenizer, write func(io.Writer) error) (*Data, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", errCache, err)
	}
	var text error // what went wrong that is not the cache's
	err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
		err := write(cacheWriter{w})
		if err != nil && !errors.Is(err, errCache) {
			text = err
		}
		return err
	})
	if text != nil {
		return nil, text
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCache, err)
	}
	d, err := m.open(path, key, t)
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", errCache, path, err)
	}
	return d, err
}

// temporary writes the tokens to a temporary file.
func (m *maker) temporary(key string, t tokenizer.Tokenizer, write func(io.Writer) error) (_ *Data, err error) {
	file, err := os.CreateTemp("", "corpus-*.tokens")
	if err != nil {
		return nil, err
	}
	name := file.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	err = write(file)
	if e := file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return nil, err
	}
	d, err := m.open(name, key, t)
	if err != nil {
		return nil, err
	}
	if os.Remove(name) != nil { // what is mapped may not be removed everywhere
		d.Train.store.remove = name
	}
	return d, nil
}

// data presents a token file.
func (m *maker) data(s *store, f *footer, t tokenizer.Tokenizer) *Data {
	open := len(f.Splits)
	tokens := func(i int) *Tokens {
		section := &f.Splits[i]
		name := section.Name
		if name == "" {
			name = filepath.Base(m.path) + " (" + data.SplitNames[i] + ")"
		}
		return &Tokens{name: name, store: s, section: section, width: f.Width, lengths: f.Lengths, n: int(section.Tokens), t: t, limit: m.room.Limit, shared: &open}
	}
	d := &Data{Splits: data.Splits[*Tokens]{Train: tokens(train), Val: tokens(val), Test: tokens(test)}, Tokenizer: t}
	d.Notes = notes(f, t)
	return d
}

// notes says what is to be known about the tokens.
func notes(f *footer, t tokenizer.Tokenizer) []string {
	var notes []string
	if f.Replaced > 0 {
		notes = append(notes, fmt.Sprintf("%d bytes that are no UTF-8 became U+FFFD", f.Replaced))
	}
	for i, s := range f.Splits {
		switch {
		case s.Tokens == 0:
			notes = append(notes, fmt.Sprintf("%s: no text", data.SplitNames[i]))
		case s.Unknown > 0:
			notes = append(notes, fmt.Sprintf("%s: %d of %d tokens (%.2f %%) are <unk>, with a vocabulary of %d", data.SplitNames[i], s.Unknown, s.Tokens, 100*float64(s.Unknown)/float64(s.Tokens), t.Vocab()))
		}
	}
	return notes
}
