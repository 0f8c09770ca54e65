package mnist

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/hub"
	"github.com/gorgonia-s4/s4/train/data/internal/hubimages"
	"github.com/gorgonia-s4/s4/train/data/internal/pngfile"
)

// readerVersion changes whenever the same files would give other images.
const readerVersion = 1

// Load reads MNIST, or a data set of its format, from path, which is one of
//
//   - a folder of the four published files, train-images-idx3-ubyte,
//     train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each
//     as it is or compressed by gzip, .gz, or a folder with them in data, raw,
//     MNIST/raw, FashionMNIST/raw or package/data, as packages have it;
//   - a tar, tar.gz or zip of such files;
//   - a folder of Parquet files as a dataset hub has them, train-00000-of-00001.parquet
//     and test-00000-of-00001.parquet, with columns image (PNG bytes) and label.
//
// The images are kept at one byte a pixel, 55 MB. What is in an archive or in Parquet
// files is read once and then taken from the room's cache. Whatever is missing,
// damaged, of another size or of another format is an error that says where.
func Load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s, err := load(ctx, path, room)
	if err != nil {
		return nil, fmt.Errorf("mnist: %w", err)
	}
	return s.present(cfg, path, room), nil
}

// load reads the published sets.
func load(ctx context.Context, path string, room data.Room) (*sets, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	read := readArchive
	if info.IsDir() {
		if dir := idxFolder(path); dir != "" {
			return readFolder(ctx, dir)
		}
		read = readHub
	}
	c := data.Cache{}
	if room.Cache != "" {
		sum, err := room.Checksum(ctx, path)
		if err != nil {
			return nil, err
		}
		c = room.Keep("mnist", sum[:8], struct {
			Version  int    `json:"reader_version"`
			Checksum string `json:"checksum"`
		}{readerVersion, sum})
	}
	return data.Load(c, data.Kept[*sets]{
		Make: func() (*sets, error) {
			s, err := read(ctx, path, room)
			if err != nil {
				return nil, err
			}
			if err := s.check(); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			return s, nil
		},
		Save: (*sets).tensors, Restore: restore,
	})
}

// part is one of the published files.
type part struct {
	name string
	read func(r io.Reader, size int64) error // of so many bytes
}

// mostDeflated is how many times its size a file compressed by gzip can hold.
const mostDeflated = 1032

// parts returns the files that s is read from.
func (s *sets) parts() (all []part) {
	for i, m := range s.all() {
		prefix := [2]string{"train", "t10k"}[i]
		all = append(all,
			part{prefix + "-images-idx3-ubyte", func(r io.Reader, size int64) error {
				begin := func(n int) error {
					if int64(n)*Length > mostDeflated*size { // before there is memory for them
						return fmt.Errorf("want a file of %d images, got %d bytes: %w", n, size, io.ErrUnexpectedEOF)
					}
					m.pixels = make([]uint8, 0, n*Length)
					return nil
				}
				return readImages(r, begin, func(_ int, pixels []uint8) error {
					m.pixels = append(m.pixels, pixels...)
					return nil
				})
			}},
			part{prefix + "-labels-idx1-ubyte", func(r io.Reader, _ int64) error {
				return readLabels(r, func(v uint8) { m.labels = append(m.labels, v) })
			}})
	}
	return all
}

// is reports whether a file is called as p is: with or without .gz, and with a point
// before idx in some copies.
func (p part) is(name string) bool {
	return strings.Replace(strings.TrimSuffix(name, ".gz"), ".idx", "-idx", 1) == p.name
}

// idxFolder returns the folder in, or which is, path, that has the first of the
// files, or "".
func idxFolder(path string) string {
	for _, sub := range []string{"", "data", "raw", "MNIST/raw", "FashionMNIST/raw", "package/data"} {
		dir := filepath.Join(path, filepath.FromSlash(sub))
		for _, p := range newSets().parts() {
			if p.find(dir) != "" {
				return dir
			}
		}
	}
	return ""
}

// find returns the path of the file in a folder, or "".
func (p part) find(dir string) string {
	files, _ := os.ReadDir(dir) // that it cannot be read is found out later
	for _, f := range files {
		if p.is(f.Name()) {
			return filepath.Join(dir, f.Name())
		}
	}
	return ""
}

// readFolder reads the published files of a folder.
func readFolder(ctx context.Context, dir string) (*sets, error) {
	s := newSets()
	for _, p := range s.parts() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name := p.find(dir)
		if name == "" {
			return nil, fmt.Errorf("%s: want a file %s, as it is or as .gz, got none", dir, p.name)
		}
		if err := data.ReadFile(name, p.read); err != nil {
			return nil, err
		}
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return s, nil
}

// readArchive reads the published files of an archive.
func readArchive(ctx context.Context, file string, room data.Room) (*sets, error) {
	s := newSets()
	parts := s.parts()
	seen := make(map[string]bool)
	meter := room.Meter("reading "+file, 0)
	defer meter.Close()
	err := data.Walk(ctx, file, data.Limits{}, func(m data.Member) error {
		for _, p := range parts {
			if !p.is(path.Base(m.Name)) {
				continue
			}
			if seen[p.name] {
				return fmt.Errorf("want one file %s, got more", p.name)
			}
			seen[p.name] = true
			return p.read(meter.Reader(m), m.Size)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if !seen[p.name] {
			return nil, fmt.Errorf("%s: want a file %s, as it is or as .gz, got none", file, p.name)
		}
	}
	return s, nil
}

// readHub reads the Parquet files of a folder.
func readHub(ctx context.Context, dir string, room data.Room) (*sets, error) {
	s := newSets()
	for i, m := range s.all() {
		files, err := hub.Find(dir, setNames[i])
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s: no data: want the files train-images-idx3-ubyte and so on, or train-00000-of-00001.parquet and so on", dir)
		}
		if m.pixels, m.labels, err = hubImages.Read(ctx, files, room); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// hubImages reads Parquet files.
var hubImages = hubimages.Reader{
	Image: []string{"image.bytes", "img.bytes"}, Label: []string{"label"}, Classes: Classes, Most: maxImages,
	Decode: func(png []byte) ([]uint8, error) { return pngfile.Gray(png, Side, Side) },
}
