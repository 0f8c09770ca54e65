package audio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train/data"
)

// storeVersion changes whenever a store would be another one for the same Config, so
// that no older cache is taken for it.
const storeVersion = 1

// Load reads recordings from path, a folder or an archive (.tar.gz, .tar, .zip) of
// one of the layouts. They are decoded in parallel, and kept in memory at two bytes
// a sample, or four a coefficient, and so in the cache, which is known by the
// checksum of path and by what of cfg the samples depend on. With a limit and
// nothing in the cache, only the recordings that are let in are read.
//
// A damaged recording, one at another rate, a list that is missing, damaged, or
// names what is not there, and a class without recordings are errors that name the
// file.
func Load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	d, err := load(ctx, path, cfg, room)
	if err != nil {
		return nil, fmt.Errorf("audio: %w", err)
	}
	return d, nil
}

func load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	form, err := data.FormOf(path)
	if err != nil {
		return nil, err
	}
	l := &loader{ctx: ctx, path: path, cfg: cfg, room: room, prefix: path + ":", most: maxTotal}
	if form == data.Folder {
		l.prefix = filepath.Clean(path) + string(filepath.Separator)
	} else {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		l.most = min(maxTotal, mostPacked*info.Size())
	}
	if room.Cache != "" {
		if l.sum, err = room.Checksum(ctx, path); err != nil {
			return nil, err
		}
	}
	s, parts, err := l.parts()
	if err != nil {
		return nil, err
	}
	return newData(ctx, l.prefix, cfg, s, parts)
}

// loader reads the recordings of a path.
type loader struct {
	ctx  context.Context
	path string
	cfg  Config
	room data.Room
	sum  string
	// prefix is what names of files in errors begin with.
	prefix string
	// most bounds the bytes of samples that there is memory for before they are read.
	most int64
}

// mostPacked is about how many times the size of an archive the recordings in it have.
// If they have more there is memory for them when they are read: an archive may declare
// any size.
const mostPacked = 8

// errNotKept says that there is nothing in the cache.
var errNotKept = errors.New("not in the cache")

// parts returns the recordings, and which of them are of which part.
func (l *loader) parts() (*store, [3][]int, error) {
	all := l.all
	if l.room.Limit > 0 && l.cfg.Short != Drop {
		all = func() (*store, error) { return nil, errNotKept }
	}
	s, err := l.kept(all)
	if errors.Is(err, errNotKept) {
		return l.limited()
	}
	if err != nil {
		return nil, [3][]int{}, err
	}
	parts, err := s.split(l.cfg, l.room)
	if err != nil {
		err = fmt.Errorf("%s: %w", l.path, err)
	}
	return s, parts, err
}

// limited reads only the recordings that the limit lets in.
func (l *loader) limited() (*store, [3][]int, error) {
	c, err := survey(l.ctx, l.path, l.cfg)
	if err != nil {
		return nil, [3][]int{}, err
	}
	parts, err := c.split(l.cfg, l.room)
	if err != nil {
		return nil, parts, fmt.Errorf("%s: %w", l.path, err)
	}
	wanted := make([]bool, len(c.names))
	for _, p := range parts {
		for _, i := range p {
			wanted[i] = true
		}
	}
	s, err := l.read(c, wanted)
	if err == nil && l.cfg.Features == FeaturesMFCC {
		s, err = l.transform(s)
	}
	return s, parts, err
}

// all reads all recordings.
func (l *loader) all() (*store, error) {
	c, err := survey(l.ctx, l.path, l.cfg)
	if err != nil {
		return nil, err
	}
	wanted := make([]bool, len(c.names))
	for i := range wanted {
		wanted[i] = true
	}
	s, err := l.read(c, wanted)
	if err != nil || l.cfg.Short != Drop {
		return s, err
	}
	if s, err = s.without(); err != nil {
		return nil, fmt.Errorf("%s: of at least %d samples: %w", l.path, l.cfg.Length, err)
	}
	return s, nil
}

// source is what of a Config a store of samples depends on.
type source struct {
	Version  int      `json:"version"`
	Checksum string   `json:"checksum"`
	Layout   Layout   `json:"layout"`
	Classes  []string `json:"classes"`
	Rate     int      `json:"rate"`
	Resample bool     `json:"resample"`
	Length   int      `json:"length"`
	Drop     bool     `json:"drop"`
}

// kept returns what the cache has, or what all reads.
func (l *loader) kept(all func() (*store, error)) (*store, error) {
	key := source{storeVersion, l.sum, l.cfg.Layout, l.cfg.Classes, l.cfg.Rate, l.cfg.Resample, l.cfg.Length, l.cfg.Short == Drop}
	samples := func() (*store, error) {
		return data.Load(l.room.Keep("audio", "samples", key), data.Kept[*store]{
			Make: all, Save: (*store).tensors,
			Restore: func(ts []data.Tensor) (*store, error) { return restore(ts, FeaturesRaw) },
		})
	}
	if l.cfg.Features == FeaturesRaw {
		return samples()
	}
	return data.Load(l.room.Keep("audio", "mfcc", struct {
		source
		MFCC  MFCCConfig `json:"mfcc"`
		Short Short      `json:"short"`
	}{key, l.cfg.Coefficients.withDefaults(), l.cfg.Short}), data.Kept[*store]{
		Make: func() (*store, error) {
			s, err := samples()
			if err != nil {
				return nil, err
			}
			return l.transform(s)
		},
		Save:    (*store).tensors,
		Restore: func(ts []data.Tensor) (*store, error) { return restore(ts, FeaturesMFCC) },
	})
}

// Recordings that are decoded together: so many, or of so many bytes.
const (
	batchFiles = 256
	batchBytes = 4 << 20
)

// reading is a walk through the recordings.
type reading struct {
	l      *loader
	s      *store
	index  map[string]int
	first  string // the recording that the rate is from
	files  []encoded
	bytes  int
	meter  *data.Meter
	encode Encoding
	failed error // of decoding: it names the file already
}

// encoded is a recording that has been read.
type encoded struct {
	index   int
	file    []byte
	wave    *Wave
	samples []byte
}

// read reads the wanted recordings of a catalog.
func (l *loader) read(c *catalog, wanted []bool) (*store, error) {
	r := &reading{l: l, s: newStore(c, 1), index: map[string]int{}, encode: newEncoding(l.cfg, l.cfg.Rate)}
	var bytes int64 // of samples, if they have 16 bits
	for i, n := range c.names {
		if wanted[i] {
			r.index[n] = i
			bytes += c.bytes(n, l.cfg.Length)
		}
	}
	r.s.samples = make([]byte, 0, min(bytes, l.most))
	r.meter = l.room.Meter("reading recordings", int64(len(r.index)))
	defer r.meter.Close()
	err := data.Walk(l.ctx, l.path, data.Limits{File: maxBytes, Total: maxTotal}, r.member)
	if err == nil {
		err = r.failed
	}
	if err == nil {
		err = r.decode()
	}
	if err != nil {
		return nil, err
	}
	for _, n := range c.names {
		if _, left := r.index[n]; left {
			return nil, fmt.Errorf("%s: want a file %s, got none: it has gone while it was read", l.path, n)
		}
	}
	r.s.rate = r.encode.Rate
	return r.s, nil
}

// member reads a file if it is wanted.
func (r *reading) member(m data.Member) error {
	i, ok := r.index[m.Name]
	if !ok {
		return nil
	}
	delete(r.index, m.Name)
	if m.Size > maxBytes {
		return fmt.Errorf("want a recording of at most %d bytes, got %d", maxBytes, m.Size)
	}
	file := make([]byte, m.Size)
	if _, err := io.ReadFull(m, file); err != nil {
		return err
	}
	r.files = append(r.files, encoded{index: i, file: file})
	if r.bytes += len(file); len(r.files) < batchFiles && r.bytes < batchBytes {
		return nil
	}
	if r.failed = r.decode(); r.failed != nil {
		return fs.SkipAll
	}
	return nil
}

// decode decodes what has been read, and appends it in the order of reading.
func (r *reading) decode() error {
	err := data.Each(r.l.ctx, len(r.files), func(i int) error {
		f := &r.files[i]
		var err error
		f.wave, err = decode(f.file)
		return r.at(f, err)
	})
	if err != nil {
		return err
	}
	if len(r.files) > 0 && r.encode.Rate == 0 {
		r.encode.Rate, r.first = r.files[0].wave.Rate, r.s.names[r.files[0].index]
	}
	err = data.Each(r.l.ctx, len(r.files), func(i int) error {
		f := &r.files[i]
		w, err := r.encode.fit(f.wave)
		if err != nil && r.first != "" {
			err = fmt.Errorf("%w; the rate is that of %s", err, r.first)
		}
		if err != nil {
			return r.at(f, err)
		}
		if r.encode.Short != Drop || len(w.Samples) >= r.encode.Length {
			f.samples = appendSamples(make([]byte, 0, 2*len(w.Samples)), w.Samples)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range r.files {
		if f.samples == nil {
			continue
		}
		r.s.at[f.index], r.s.lengths[f.index] = r.s.steps(), int32(len(f.samples)/2)
		r.s.samples = append(r.s.samples, f.samples...)
	}
	r.meter.Add(int64(len(r.files)))
	clear(r.files)
	r.files, r.bytes = r.files[:0], 0
	return nil
}

// at names the file of an error.
func (r *reading) at(f *encoded, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s%s: %w", r.l.prefix, r.s.names[f.index], err)
}

// transform returns the coefficients of the recordings of samples.
func (l *loader) transform(s *store) (*store, error) {
	e := newEncoding(l.cfg, s.rate)
	m, err := NewMFCC(e.Coefficients)
	if err != nil {
		return nil, err
	}
	o := newStore(&s.catalog, m.Features())
	o.rate = s.rate
	at := int64(0)
	for i, n := range s.lengths {
		if s.at[i] < 0 {
			continue
		}
		if e.Short == Pad {
			n = int32(max(int(n), e.Length))
		}
		o.at[i], o.lengths[i] = at, int32(m.Frames(int(n)))
		at += int64(o.lengths[i])
	}
	o.frames = make([]float32, at*int64(o.width))
	meter := l.room.Meter("computing coefficients", int64(len(s.names)))
	defer meter.Close()
	return o, data.Each(l.ctx, len(s.names), func(i int) error {
		defer meter.Add(1)
		if s.at[i] < 0 {
			return nil
		}
		b := s.recording(i)
		samples := make([]float32, len(b)/2)
		for j := range samples {
			samples[j] = sample(b, j)
		}
		c, err := m.Compute(make([]float64, 0, int(o.lengths[i])*o.width), e.padded(samples))
		if err != nil {
			return fmt.Errorf("%s%s: %w", l.prefix, s.names[i], err)
		}
		for j, v := range c {
			o.coefficients(i)[j] = float32(v)
		}
		return nil
	})
}
