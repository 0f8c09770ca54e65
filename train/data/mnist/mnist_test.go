package mnist

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// newSample returns tiny sets.
func newSample() *sets {
	r := rand.New(rand.NewPCG(1, 2))
	s := newSets()
	for i, n := range []int{20, 4} {
		m := s.all()[i]
		for range n * Length {
			m.pixels = append(m.pixels, uint8(r.Uint32()))
		}
		for range n {
			m.labels = append(m.labels, uint8(r.IntN(Classes)))
		}
	}
	return s
}

// idx makes a file of its numbers, the first of which are the header.
func idx(elements []uint8, header ...uint32) []byte {
	var b []byte
	for _, v := range header {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return append(b, elements...)
}

// zipped compresses a file.
func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// files returns the published files of s.
func (s *sets) files() map[string][]byte {
	files := map[string][]byte{"README": []byte("text")}
	for i, m := range s.all() {
		prefix := [2]string{"train", "t10k"}[i]
		files[prefix+"-images-idx3-ubyte"] = idx(m.pixels, imagesMagic, uint32(m.len()), Side, Side)
		files[prefix+"-labels-idx1-ubyte"] = idx(m.labels, labelsMagic, uint32(m.len()))
	}
	return files
}

// with returns files with one changed, or without it.
func with(files map[string][]byte, name string, content []byte) map[string][]byte {
	changed := make(map[string][]byte)
	for k, v := range files {
		changed[k] = v
	}
	changed[name] = content
	if content == nil {
		delete(changed, name)
	}
	return changed
}

// folder writes files to a subfolder of a new folder, which it returns.
func folder(t *testing.T, sub string, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, sub, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// archive writes files to a tar.gz, in a folder sub, and returns its path.
func archive(t *testing.T, sub string, files map[string][]byte) string {
	t.Helper()
	var b bytes.Buffer
	a := tar.NewWriter(&b)
	for name, content := range files {
		if err := a.WriteHeader(&tar.Header{Name: sub + name, Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "mnist.tgz")
	if err := os.WriteFile(path, zipped(b.Bytes()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// compressed returns files as .gz.
func compressed(files map[string][]byte) map[string][]byte {
	all := make(map[string][]byte)
	for name, content := range files {
		all[name+".gz"] = zipped(content)
	}
	return all
}

func load1(t *testing.T, path string, cfg Config, room data.Room) *Data {
	t.Helper()
	d, err := Load(context.Background(), path, cfg, room)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// example returns the features and the label of example i.
func example(t *testing.T, d *Dataset, i int) (x []float64, label int) {
	t.Helper()
	b := task.NewBatch(d)
	if err := b.Load([]int{i}, 1, Length); err != nil {
		t.Fatal(err)
	}
	features, err1 := b.Array(task.X)
	y, err2 := b.Array(task.Target)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for k := range features.Len() {
		x = append(x, features.At(k))
	}
	return x, y.Ints[0]
}

// wantImage checks example i of d against image j of m, read in an order.
func wantImage(t *testing.T, d *Dataset, i int, m *images, j int, order []int) {
	t.Helper()
	x, label := example(t, d, i)
	if label != int(m.labels[j]) || d.Label(i) != label || !bytes.Equal(d.Picture(i).Pix, m.at(j)) {
		t.Errorf("label %d, want %d, or another picture", label, m.labels[j])
	}
	for k, p := range order {
		if want := float64(float32(m.at(j)[p]) / 255); x[k] != want {
			t.Fatalf("image %d: step %d is %g, want pixel %d, %g", j, k, x[k], p, want)
		}
	}
}

func TestLoadEveryForm(t *testing.T) {
	s := newSample()
	files := s.files()
	points := make(map[string][]byte)
	for name, content := range files {
		points[strings.Replace(name, "-idx", ".idx", 1)] = content
	}
	rows := Config{}.Permutation()
	for name, path := range map[string]string{
		"folder":          folder(t, "", files),
		"compressed":      folder(t, "", compressed(files)),
		"points":          folder(t, "", points),
		"package":         folder(t, "data", files),
		"raw":             folder(t, "FashionMNIST/raw", files),
		"archive":         archive(t, "package/data/", files),
		"archive of gzip": archive(t, "", compressed(files)),
	} {
		t.Run(name, func(t *testing.T) {
			r := data.Room{Cache: t.TempDir()}
			for range 2 {
				d := load1(t, path, Config{}, r)
				if d.Train.Len() != 18 || d.Val.Len() != 2 || d.Test.Len() != 4 {
					t.Fatalf("got %d, %d, %d images, want 18, 2, 4", d.Train.Len(), d.Val.Len(), d.Test.Len())
				}
				for i := range d.Test.Len() {
					wantImage(t, d.Test, i, s.test, i, rows)
				}
				for _, part := range []*Dataset{d.Train, d.Val} {
					for i, j := range part.index {
						wantImage(t, part, i, s.train, j, rows)
					}
				}
				if got, want := d.Val.Origin(1), fmt.Sprintf("%s: training image %d", path, d.Val.index[1]); got != want {
					t.Errorf("origin %q, want %q", got, want)
				}
				if counts := d.Test.ClassCounts(); counts[s.test.labels[0]] == 0 {
					t.Errorf("counts %v with a label %d", counts, s.test.labels[0])
				}
			}
		})
	}
}

// The Parquet files of the hub layout have images whose pixel (y, x) is i + y + x.
func TestLoadParquet(t *testing.T) {
	r := data.Room{Cache: t.TempDir()}
	for range 2 {
		d := load1(t, filepath.Join("..", "hub", "testdata", "mnist"), Config{}, r)
		if d.Train.Len() != 3 || d.Val.Len() != 1 || d.Test.Len() != 2 {
			t.Fatalf("got %d, %d, %d images, want 3, 1, 2", d.Train.Len(), d.Val.Len(), d.Test.Len())
		}
		for i, n := range d.Train.index {
			if d.Train.Label(i) != n {
				t.Errorf("image %d has the label %d", n, d.Train.Label(i))
			}
			for k, v := range d.Train.Picture(i).Pix {
				if int(v) != n+k/Side+k%Side {
					t.Fatalf("image %d: pixel %d is %d, want %d", n, k, v, n+k/Side+k%Side)
				}
			}
		}
	}
	if kept, err := os.ReadDir(r.Cache); err != nil || len(kept) != 1 {
		t.Errorf("the cache has %v, %v, want one file", kept, err)
	}
	_, err := Load(context.Background(), filepath.Join("..", "hub", "testdata", "cifar10"), Config{}, data.Room{})
	if err == nil || !strings.Contains(err.Error(), "train-00000-of-00001.parquet: row 0: want a picture of 28 x 28 pixels, got 32 x 32") {
		t.Errorf("images of another size: error %v", err)
	}
}

func TestOrders(t *testing.T) {
	s := newSample()
	path := folder(t, "", s.files())
	seen := map[string]bool{}
	for _, cfg := range []Config{{Order: BitReversal}, {Order: Random}, {Order: Random, OrderSeed: 1}} {
		order := cfg.Permutation()
		if sorted := slices.Sorted(slices.Values(order)); !slices.Equal(sorted, Config{}.Permutation()) {
			t.Errorf("%+v: not every pixel once", cfg)
		}
		if key := fmt.Sprint(order); seen[key] {
			t.Errorf("%+v: the order of another", cfg)
		} else {
			seen[key] = true
		}
		d := load1(t, path, cfg, data.Room{})
		wantImage(t, d.Test, 2, s.test, 2, order)
	}
	// The numbers below 1024 with their ten bits in reverse, those below 784.
	if got, want := bitReversal(Length)[:9], []int{0, 512, 256, 768, 128, 640, 384, 64, 576}; !slices.Equal(got, want) {
		t.Errorf("bit reversal begins with %v, want %v", got, want)
	}
}

func TestBadFiles(t *testing.T) {
	s := newSample()
	files := s.files()
	images, labels := files["train-images-idx3-ubyte"], files["train-labels-idx1-ubyte"]
	bad := zipped(images)
	bad[len(bad)-6] ^= 1 // its checksum
	for _, c := range []struct {
		name, file string
		content    []byte
		want       string
	}{
		{"missing", "t10k-labels-idx1-ubyte", nil, "want a file t10k-labels-idx1-ubyte, as it is or as .gz, got none"},
		{"empty", "train-images-idx3-ubyte", []byte{}, "want a header of 16 bytes: unexpected EOF"},
		{"short header", "train-labels-idx1-ubyte", labels[:5], "want a header of 8 bytes: unexpected EOF"},
		{"cut off", "train-images-idx3-ubyte", images[:len(images)-1], "image 19 of 20: unexpected EOF"},
		{"longer", "train-images-idx3-ubyte", append(slices.Clip(images), 0), "something after the last element"},
		{"labels cut off", "train-labels-idx1-ubyte", labels[:len(labels)-1], "label 19 of 20: unexpected EOF"},
		{"labels longer", "train-labels-idx1-ubyte", append(slices.Clip(labels), 0), "something after the last element"},
		{"label 10", "train-labels-idx1-ubyte", idx([]uint8{1, 10}, labelsMagic, 2), "label 1: want 0 to 9, got 10"},
		{"swapped", "train-images-idx3-ubyte", labels, "want an idx file that starts with 0x00000803, got 0x00000801"},
		{"swapped labels", "train-labels-idx1-ubyte", images, "want an idx file that starts with 0x00000801, got 0x00000803"},
		{"text", "train-labels-idx1-ubyte", []byte("5 0 4 1 9 2"), "want an idx file that starts with"},
		{"other size", "train-images-idx3-ubyte", idx(make([]uint8, 2*32*32), imagesMagic, 2, 32, 32), "want images of 28 x 28 pixels, got 32 x 32"},
		{"hostile size", "train-images-idx3-ubyte", idx(nil, imagesMagic, 1<<32-1, Side, Side), "want at most 131072 elements, got 4294967295"},
		{"more than there can be", "train-images-idx3-ubyte", idx(nil, imagesMagic, maxImages, Side, Side), "want a file of 131072 images, got 16 bytes"},
		{"few labels", "train-labels-idx1-ubyte", idx([]uint8{1, 2}, labelsMagic, 2), "train: want as many labels as images, got 2 and 20"},
		{"no test", "t10k-images-idx3-ubyte", idx(nil, imagesMagic, 0, Side, Side), "test: want as many labels as images, got 4 and 0"},
		{"bad checksum", "train-images-idx3-ubyte", bad, "gzip: invalid checksum"},
		{"gzip cut off", "train-images-idx3-ubyte", bad[:len(bad)/2], "unexpected EOF"},
		{"gzip start alone", "train-images-idx3-ubyte", bad[:3], "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := with(files, c.file, c.content)
			for _, path := range []string{folder(t, "", files), archive(t, "", files)} {
				r := data.Room{Cache: t.TempDir()}
				_, err := Load(context.Background(), path, Config{}, r)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || !strings.HasPrefix(err.Error(), "mnist: ") {
					t.Errorf("error %v, want %q and %s in it", err, c.want, path)
				}
				if kept, _ := os.ReadDir(r.Cache); len(kept) > 0 {
					t.Errorf("left in the cache: %v", kept)
				}
			}
		})
	}
	empty := with(with(files, "train-images-idx3-ubyte", idx(nil, imagesMagic, 0, Side, Side)), "train-labels-idx1-ubyte", idx(nil, labelsMagic, 0))
	if _, err := Load(context.Background(), folder(t, "", empty), Config{}, data.Room{}); err == nil || !strings.Contains(err.Error(), "train: want at least 2 images, got 0") {
		t.Errorf("no images: error %v", err)
	}
	if _, err := Load(context.Background(), t.TempDir(), Config{}, data.Room{}); err == nil || !strings.Contains(err.Error(), "no data: want the files train-images-idx3-ubyte") {
		t.Errorf("empty folder: error %v", err)
	}
	if _, err := Load(context.Background(), filepath.Join(t.TempDir(), "none"), Config{}, data.Room{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: error %v", err)
	}
	twice := archive(t, "", map[string][]byte{"a/train-labels-idx1-ubyte": labels, "b/train-labels-idx1-ubyte": labels})
	if _, err := Load(context.Background(), twice, Config{}, data.Room{}); err == nil || !strings.Contains(err.Error(), "want one file train-labels-idx1-ubyte, got more") {
		t.Errorf("a file twice: error %v", err)
	}
}

func TestCacheIsRebuilt(t *testing.T) {
	s := newSample()
	path := archive(t, "", s.files())
	var warnings []string
	r := data.Room{Cache: t.TempDir(), Warn: func(err error) { warnings = append(warnings, err.Error()) }}
	load1(t, path, Config{}, r)
	files, err := os.ReadDir(r.Cache)
	if err != nil || len(files) != 1 {
		t.Fatalf("the cache has %v, %v, want one file", files, err)
	}
	kept := filepath.Join(r.Cache, files[0].Name())
	whole, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, whole[:len(whole)-9], 0o644); err != nil {
		t.Fatal(err)
	}
	d := load1(t, path, Config{}, r)
	wantImage(t, d.Test, 1, s.test, 1, Config{}.Permutation())
	if len(warnings) != 1 || !strings.Contains(warnings[0], "cannot use the cache") {
		t.Errorf("warnings %q, want one", warnings)
	}
	if again, err := os.ReadFile(kept); err != nil || !bytes.Equal(again, whole) {
		t.Errorf("not repaired: %v", err)
	}
	s.train.labels[0] = Classes
	if _, err := restore(s.tensors()); err == nil || !strings.Contains(err.Error(), "train: label 0: want 0 to 9, got 10") {
		t.Errorf("a label in the cache: error %v", err)
	}
	s.train.labels = s.train.labels[1:]
	if _, err := restore(s.tensors()); err == nil || !strings.Contains(err.Error(), "train: want as many labels as images, got 19 and 20") {
		t.Errorf("few labels in the cache: error %v", err)
	}
}

func TestLimitAndCancel(t *testing.T) {
	path := folder(t, "", newSample().files())
	d := load1(t, path, Config{}, data.Room{Limit: 3})
	if d.Train.Len() != 3 || d.Val.Len() != 2 || d.Test.Len() != 3 {
		t.Errorf("got %d, %d, %d images, want 3, 2, 3", d.Train.Len(), d.Val.Len(), d.Test.Len())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, path := range []string{path, archive(t, "", newSample().files()), filepath.Join("..", "hub", "testdata", "mnist")} {
		if _, err := Load(ctx, path, Config{}, data.Room{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, ""},
		{Config{Order: "hilbert"}, `Config.Order: want "rows", "bit-reversal" or "random", got "hilbert"`},
		{Config{ValFraction: 1}, "Config.ValFraction: want in (0, 1), got 1"},
	} {
		err := c.cfg.Validate()
		if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%+v: error %v, want %q in it", c.cfg, err, c.want)
		}
		if c.want != "" {
			if _, err := Load(context.Background(), ".", c.cfg, data.Room{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Load with %+v: error %v", c.cfg, err)
			}
		}
	}
}

func FuzzIdx(f *testing.F) {
	files := newSample().files()
	for _, name := range []string{"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"} {
		b := files[name]
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(zipped(b))
		f.Add(zipped(b)[:40])
	}
	f.Add(idx(nil, imagesMagic, 1<<32-1, Side, Side))
	f.Add(idx(nil, imagesMagic, 2, 1<<31, 1<<31))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		err := ReadImages(bytes.NewReader(b), func(i int, pixels []uint8) error {
			if i != n || len(pixels) != Length {
				t.Errorf("image %d of %d bytes, want %d of %d", i, len(pixels), n, Length)
			}
			n++
			return nil
		})
		if err == nil && n > maxImages {
			t.Errorf("%d images", n)
		}
		_ = readLabels(bytes.NewReader(b), func(v uint8) {
			if v >= Classes {
				t.Errorf("label %d", v)
			}
		})
	})
}

// Digits that are drawn differ, are as their seed says, and are told apart by what is
// nearest to their means.
func TestDraw(t *testing.T) {
	draw := func(cfg Config) *Data {
		d, err := Draw(cfg, 300, 50)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d, again, other := draw(Config{}), draw(Config{Order: BitReversal}), draw(Config{Seed: 1})
	if !bytes.Equal(d.Test.images.pixels, again.Test.images.pixels) || bytes.Equal(d.Test.images.pixels, other.Test.images.pixels) {
		t.Error("the images do not depend on the seed alone")
	}
	if d.Train.Len() != 270 || d.Val.Len() != 30 || d.Test.Len() != 50 || d.Test.ClassCounts() != [Classes]int{5, 5, 5, 5, 5, 5, 5, 5, 5, 5} {
		t.Errorf("%d, %d, %d images, %v", d.Train.Len(), d.Val.Len(), d.Test.Len(), d.Test.ClassCounts())
	}
	var means [Classes][Length]float64
	for i := range d.Train.Len() {
		for j, v := range d.Train.Picture(i).Pix {
			means[d.Train.Label(i)][j] += float64(v) / 27
		}
	}
	right := 0
	for i := range d.Test.Len() {
		best, least := 0, -1.0
		for c, m := range means {
			sum := 0.0
			for j, v := range d.Test.Picture(i).Pix {
				sum += (float64(v) - m[j]) * (float64(v) - m[j])
			}
			if least < 0 || sum < least {
				best, least = c, sum
			}
		}
		if best == d.Test.Label(i) {
			right++
		}
	}
	if right < 25 {
		t.Errorf("%d of 50 digits are told apart, want more than half", right)
	}
	for _, n := range [][2]int{{1, 1}, {2, 0}, {maxImages + 1, 1}} {
		if _, err := Draw(Config{}, n[0], n[1]); err == nil || !strings.Contains(err.Error(), "mnist: draw: want 2 to") {
			t.Errorf("%v: error %v", n, err)
		}
	}
}
