package cifar

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// n is the number of images of a batch in these tests.
const n = 4

// sample holds the images of a tiny data set, in colour.
type sample struct{ train, test *images }

func newSample() sample {
	r := rand.New(rand.NewPCG(1, 2))
	s := sample{newImages(trainBatches*n, 3), newImages(n, 3)}
	for _, m := range []*images{s.train, s.test} {
		for i := range m.pixels {
			m.pixels[i] = uint8(r.Uint32())
		}
		for i := range m.labels {
			m.labels[i] = uint8(r.IntN(Classes))
		}
	}
	return s
}

// encodeBinary makes a file of the published binary version.
func encodeBinary(m *images) []byte {
	var b []byte
	for i := range m.len() {
		b = append(b, m.labels[i])
		for c := range 3 {
			for j := range Length {
				b = append(b, m.at(i)[3*j+c])
			}
		}
	}
	return b
}

// encodePNG makes a PNG file of the package.
func encodePNG(t *testing.T, m *images) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, Length, m.len()))
	for i := range m.len() {
		for j := range Length {
			p := m.at(i)[3*j:]
			img.SetRGBA(j, i, color.RGBA{p[0], p[1], p[2], 255})
		}
	}
	return encodeImage(t, img)
}

func encodeImage(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeLabels(t *testing.T, m *images) []byte {
	t.Helper()
	labels := make([]int, m.len())
	for i, v := range m.labels {
		labels[i] = int(v)
	}
	b, err := json.Marshal(labels)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// binaryFiles returns the files of the published binary version.
func (s sample) binaryFiles() map[string][]byte {
	files := map[string][]byte{
		"test_batch.bin":   encodeBinary(s.test),
		"batches.meta.txt": []byte("airplane\n"),
		"readme.html":      {},
	}
	for i := range trainBatches {
		files[fmt.Sprintf("data_batch_%d.bin", i+1)] = encodeBinary(s.train.part(i*n, n))
	}
	return files
}

// packageFiles returns the files of the package.
func (s sample) packageFiles(t *testing.T) map[string][]byte {
	files := map[string][]byte{
		"package.json":      []byte("{}"),
		"test_batch.png":    encodePNG(t, s.test),
		"train_lables.json": encodeLabels(t, s.train),
		"test_lables.json":  encodeLabels(t, s.test),
	}
	for i := range trainBatches {
		files[fmt.Sprintf("data_batch_%d.png", i+1)] = encodePNG(t, s.train.part(i*n, n))
	}
	return files
}

// directory writes files to a subdirectory of a new directory, which it
// returns.
func directory(t *testing.T, sub string, files map[string][]byte) string {
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

// archive writes files to a .tar.gz, in a directory sub, and returns its path.
func archive(t *testing.T, sub string, files map[string][]byte) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	a := tar.NewWriter(z)
	if err := a.WriteHeader(&tar.Header{Name: sub + "/", Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		h := &tar.Header{Name: sub + "/" + name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
		if err := a.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(a.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cifar.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// sources returns paths to s in every form that Load takes.
func (s sample) sources(t *testing.T) map[string]string {
	bin, pack := s.binaryFiles(), s.packageFiles(t)
	return map[string]string{
		"binary directory":              directory(t, "", bin),
		"directory above the binary":    directory(t, "cifar-10-batches-bin", bin),
		"binary archive":                archive(t, "cifar-10-batches-bin", bin),
		"package directory":             directory(t, "", pack),
		"directory above the package":   directory(t, "package", pack),
		"package archive":               archive(t, "package", pack),
		"package archive, other folder": archive(t, "./a/b", pack),
	}
}

// wantImage checks example i of d against image j of m.
func wantImage(t *testing.T, d *Dataset, i int, m *images, j int, want func(r, g, b uint8) []float64) {
	t.Helper()
	const tol = 1e-6
	b := task.NewBatch(d)
	if err := b.Load([]int{i}, 1, Length); err != nil {
		t.Fatal(err)
	}
	x, err1 := b.Array(task.X)
	y, err2 := b.Array(task.Target)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if len(y.Ints) != 1 || y.Ints[0] != int(m.labels[j]) || d.Length(i) != Length {
		t.Errorf("labels %v, length %d, want %d and %d", y.Ints, d.Length(i), m.labels[j], Length)
	}
	got := make([]float64, x.Len())
	for k := range got {
		got[k] = x.At(k)
	}
	var all []float64
	for p := range Length {
		rgb := m.at(j)[3*p:]
		all = append(all, want(rgb[0], rgb[1], rgb[2])...)
	}
	if !slices.EqualFunc(got, all, func(a, b float64) bool { return math.Abs(a-b) <= tol }) {
		t.Errorf("image %d is not as written", j)
	}
}

func TestLoadEveryFormatAndEncoding(t *testing.T) {
	s := newSample()
	gray := func(r, g, b uint8) float64 {
		return math.Floor((19595*float64(r)+38470*float64(g)+7471*float64(b))/65536 + 0.5)
	}
	encodings := map[Encoding]func(r, g, b uint8) []float64{
		Gray: func(r, g, b uint8) []float64 { return []float64{(gray(r, g, b) - 122.6) / 61} },
		RGB: func(r, g, b uint8) []float64 {
			return []float64{
				(float64(r)/255 - 0.4914) / 0.247,
				(float64(g)/255 - 0.4822) / 0.243,
				(float64(b)/255 - 0.4465) / 0.261,
			}
		},
		Tokens: func(r, g, b uint8) []float64 { return []float64{gray(r, g, b)} },
	}
	for name, path := range s.sources(t) {
		for encoding, want := range encodings {
			t.Run(fmt.Sprintf("%s, %s", name, encoding), func(t *testing.T) {
				d, err := load(context.Background(), path, Config{Encoding: encoding}, data.Room{}, n)
				if err != nil {
					t.Fatal(err)
				}
				if d.Train.Len() != 18 || d.Val.Len() != 2 || d.Test.Len() != n {
					t.Fatalf("got %d, %d, %d images, want 18, 2, %d", d.Train.Len(), d.Val.Len(), d.Test.Len(), n)
				}
				for i := range d.Test.Len() {
					wantImage(t, d.Test, i, s.test, i, want)
				}
				for _, split := range []*Dataset{d.Train, d.Val} {
					for i, j := range split.index {
						wantImage(t, split, i, s.train, j, want)
					}
				}
			})
		}
	}
}

// TestLuma has values computed with the Python imaging library.
func TestLuma(t *testing.T) {
	for _, c := range []struct{ r, g, b, want uint8 }{
		{0, 0, 0, 0}, {255, 255, 255, 255}, {255, 0, 0, 76}, {0, 255, 0, 150}, {0, 0, 255, 29}, {1, 2, 3, 2},
		{127, 128, 129, 128}, {200, 100, 50, 124}, {3, 1, 0, 1}, {59, 62, 63, 61}, {10, 200, 30, 124},
	} {
		if got := luma(c.r, c.g, c.b); got != c.want {
			t.Errorf("luma(%d, %d, %d) = %d, want %d", c.r, c.g, c.b, got, c.want)
		}
	}
}

func TestSplit(t *testing.T) {
	path := directory(t, "", newSample().binaryFiles())
	split := func(cfg Config) ([]int, []int) {
		d, err := load(context.Background(), path, cfg, data.Room{}, n)
		if err != nil {
			t.Fatal(err)
		}
		return d.Train.index, d.Val.index
	}
	train, val := split(Config{ValFraction: 0.3})
	if len(val) != 6 {
		t.Errorf("%d validation images, want 6", len(val))
	}
	all := slices.Concat(train, val)
	slices.Sort(all)
	for i, j := range all {
		if i != j {
			t.Fatalf("training and validation images together are %v, want 0 to 19", all)
		}
	}
	if _, again := split(Config{ValFraction: 0.3}); !slices.Equal(again, val) {
		t.Errorf("another split of the same seed: %v, want %v", again, val)
	}
	if _, other := split(Config{ValFraction: 0.3, Seed: 1}); slices.Equal(other, val) {
		t.Errorf("the same split of another seed: %v", other)
	}
	for _, f := range []float64{1e-9, 1 - 1e-9} { // neither split may be empty
		if train, val := split(Config{ValFraction: f}); len(train) == 0 || len(val) == 0 {
			t.Errorf("ValFraction %v: %d training and %d validation images", f, len(train), len(val))
		}
	}
}

func TestClassCounts(t *testing.T) {
	s := newSample()
	d, err := load(context.Background(), directory(t, "", s.binaryFiles()), Config{}, data.Room{}, n)
	if err != nil {
		t.Fatal(err)
	}
	var want [Classes]int
	for _, v := range s.train.labels {
		want[v]++
	}
	got := d.Train.ClassCounts()
	for c, v := range d.Val.ClassCounts() {
		got[c] += v
	}
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFeatures(t *testing.T) {
	for e, want := range map[Encoding]int{Gray: 1, RGB: 3, Tokens: 0} {
		if got := e.Features(); got != want {
			t.Errorf("%s: %d features, want %d", e, got, want)
		}
	}
}

// with returns files with one of them changed, or taken away if content is
// nil.
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

func TestLoadBadFiles(t *testing.T) {
	s := newSample()
	bin, pack := s.binaryFiles(), s.packageFiles(t)
	badLabel := slices.Clone(bin["data_batch_3.bin"])
	badLabel[2*recordSize] = 10
	pixels := pack["data_batch_2.png"]
	corrupt := slices.Clone(pixels)
	corrupt[len(corrupt)/2] ^= 0xff
	huge := slices.Clone(pixels)
	copy(huge[len(pngStart):], "\x7f\xff\xff\xff\x7f\xff\xff\xff")
	square := image.Rect(0, 0, Length, n)
	for _, c := range []struct {
		name    string
		files   map[string][]byte
		file    string // that is changed
		content []byte
		want    string // part of the error besides the file
	}{
		{"binary missing", bin, "data_batch_1.bin", nil, ""},
		{"binary test missing", bin, "test_batch.bin", nil, ""},
		{"binary empty", bin, "data_batch_2.bin", []byte{}, "want 12292 bytes, 4 records of 3073, got 0"},
		{"binary truncated", bin, "data_batch_2.bin", bin["data_batch_2.bin"][:5000], "want 12292 bytes, 4 records of 3073, got 5000"},
		{"binary too long", bin, "data_batch_2.bin", append(slices.Clip(bin["data_batch_2.bin"]), 0), "got 12293"},
		{"binary label", bin, "data_batch_3.bin", badLabel, "record 2: want a label 0 to 9, got 10"},
		{"PNG missing", pack, "data_batch_5.png", nil, ""},
		{"PNG empty", pack, "data_batch_2.png", []byte{}, "want a PNG file, got 0 bytes"},
		{"PNG short", pack, "data_batch_2.png", pixels[:20], "want a PNG file, got 20 bytes"},
		{"PNG truncated", pack, "data_batch_2.png", pixels[:len(pixels)/2], "png: invalid format"},
		{"PNG corrupt", pack, "data_batch_2.png", corrupt, "png: invalid format"},
		{"no PNG", pack, "data_batch_2.png", bin["data_batch_2.bin"], "want a PNG file, got one that starts with"},
		{"PNG said to be huge", pack, "data_batch_2.png", huge, "got 2147483647 x 2147483647"},
		{"PNG of other size", pack, "test_batch.png", encodeImage(t, image.NewRGBA(image.Rect(0, 0, Side, Side))), "want 1024 x 4 pixels of depth 8 and colour type 2 (RGB), got 32 x 32"},
		{"PNG grey", pack, "test_batch.png", encodeImage(t, image.NewGray(square)), "colour type 0"},
		{"PNG palette", pack, "test_batch.png", encodeImage(t, image.NewPaletted(square, color.Palette{color.Black})), "colour type 3"},
		{"PNG 16 bits", pack, "test_batch.png", encodeImage(t, image.NewRGBA64(square)), "of depth 16"},
		{"PNG with alpha", pack, "test_batch.png", encodeImage(t, image.NewNRGBA(square)), "colour type 6"},
		{"labels missing", pack, "train_lables.json", nil, ""},
		{"labels empty", pack, "train_lables.json", []byte{}, "want a JSON array of labels: unexpected EOF"},
		{"labels truncated", pack, "train_lables.json", pack["train_lables.json"][:9], "want a JSON array of labels: unexpected EOF"},
		{"labels no array", pack, "test_lables.json", []byte("3"), "want a JSON array of labels"},
		{"labels of text", pack, "test_lables.json", []byte(`["cat"]`), "want a JSON array of labels"},
		{"labels of fractions", pack, "test_lables.json", []byte(`[1.5]`), "want a JSON array of labels"},
		{"labels and more", pack, "test_lables.json", []byte(`[1,2,3,4] 5`), "something after the JSON array"},
		{"too few labels", pack, "test_lables.json", []byte(`[1,2,3]`), "want 4 labels, got 3"},
		{"too many labels", pack, "test_lables.json", []byte(`[1,2,3,4,5]`), "want 4 labels, got 5"},
		{"label 10", pack, "test_lables.json", []byte(`[1,2,3,10]`), "label 3: want 0 to 9, got 10"},
		{"label -1", pack, "test_lables.json", []byte(`[-1,2,3,4]`), "label 0: want 0 to 9, got -1"},
		{"labels too large", pack, "test_lables.json", bytes.Repeat([]byte(" "), maxLabelsSize+1), "want at most 16777216 bytes of labels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := with(c.files, c.file, c.content)
			for form, path := range map[string]string{
				"directory": directory(t, "", files),
				"archive":   archive(t, "x", files),
			} {
				_, err := load(context.Background(), path, Config{}, data.Room{}, n)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file) || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: error %v, want %q, %s and %s in it", form, err, c.want, c.file, path)
				}
			}
		})
	}
}

func TestLoadBadPath(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(context.Background(), filepath.Join(dir, "none"), Config{}, data.Room{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: error %v", err)
	}
	if _, err := Load(context.Background(), dir, Config{}, data.Room{}); err == nil || !strings.Contains(err.Error(), dir+": no data: want data_batch_1.bin to data_batch_5.bin and test_batch.bin") {
		t.Errorf("empty directory: error %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "test_batch.bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(context.Background(), dir, Config{}, data.Room{}); err == nil {
		t.Error("directory in the place of a file: no error")
	}
}

func TestLoadBadArchive(t *testing.T) {
	s := newSample()
	whole, err := os.ReadFile(archive(t, "x", s.binaryFiles()))
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "want a folder, a tar, a tar.gz or a zip"},
		{"not gzip", []byte("a file of text"), "want a folder, a tar, a tar.gz or a zip"},
		{"truncated", whole[:len(whole)/2], "unexpected EOF"},
		{"without its end", whole[:len(whole)-8], "unexpected EOF"},
		{"bad checksum", flipped, "invalid checksum"},
	} {
		path := filepath.Join(t.TempDir(), "cifar-10-binary.tar.gz")
		if err := os.WriteFile(path, c.content, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := load(context.Background(), path, Config{}, data.Room{}, n)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want %q and %s in it", c.name, err, c.want, path)
		}
	}
	if _, err := load(context.Background(), archive(t, "x", map[string][]byte{"readme.html": {}}), Config{}, data.Room{}, n); err == nil || !strings.Contains(err.Error(), "no data: want") {
		t.Errorf("archive of something else: error %v", err)
	}
}

func TestLabelsWithAByteOrderMark(t *testing.T) {
	s := newSample()
	files := s.packageFiles(t)
	for _, name := range []string{"train_lables.json", "test_lables.json"} {
		files[name] = slices.Concat([]byte("\ufeff\r\n"), files[name], []byte("\r\n\r\n"))
	}
	if _, err := load(context.Background(), directory(t, "", files), Config{}, data.Room{}, n); err != nil {
		t.Error(err)
	}
}

func TestOriginIsTheFile(t *testing.T) {
	path := directory(t, "", newSample().binaryFiles())
	d, err := load(context.Background(), path, Config{}, data.Room{}, n)
	if err != nil {
		t.Fatal(err)
	}
	i := len(d.Train.index) - 1
	at := d.Train.index[i]
	if got, want := d.Train.Origin(i), fmt.Sprintf("%s: image %d of data_batch_%d", path, at%n, at/n+1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := d.Test.Origin(1), path+": image 1 of test_batch"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLoadWantsPublishedSizes gives the tiny data set to the exported
// function.
func TestLoadWantsPublishedSizes(t *testing.T) {
	s := newSample()
	_, err := Load(context.Background(), directory(t, "", s.binaryFiles()), Config{}, data.Room{})
	if err == nil || !strings.Contains(err.Error(), "want 30730000 bytes, 10000 records of 3073, got 12292") {
		t.Errorf("binary: error %v", err)
	}
	_, err = Load(context.Background(), directory(t, "", s.packageFiles(t)), Config{}, data.Room{})
	if err == nil || !strings.Contains(err.Error(), "want 1024 x 10000 pixels") {
		t.Errorf("package: error %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Encoding: "grey"}, `Config.Encoding: want "gray", "rgb" or "tokens", got "grey"`},
		{Config{ValFraction: 1}, "Config.ValFraction: want in (0, 1), got 1"},
		{Config{ValFraction: -0.1}, "Config.ValFraction"},
		{Config{ValFraction: math.NaN()}, "Config.ValFraction"},
	} {
		if err := c.cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q in it", c.cfg, err, c.want)
		}
		if _, err := Load(context.Background(), ".", c.cfg, data.Room{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Load with %+v: error %v, want %q in it", c.cfg, err, c.want)
		}
	}
}

// The Parquet files of the hub layout have images whose channel c of pixel (y, x) is
// i + y + 3 x + c.
func TestLoadParquet(t *testing.T) {
	path := filepath.Join("..", "hub", "testdata", "cifar10")
	room := data.Room{Cache: t.TempDir()}
	for range 2 {
		d, err := Load(context.Background(), path, Config{Encoding: RGB}, room)
		if err != nil {
			t.Fatal(err)
		}
		if d.Train.Len() != 3 || d.Val.Len() != 1 || d.Test.Len() != 2 {
			t.Fatalf("got %d, %d, %d images, want 3, 1, 2", d.Train.Len(), d.Val.Len(), d.Test.Len())
		}
		for i, j := range d.Train.index {
			m := d.Train.images
			if d.Train.Label(i) != j {
				t.Errorf("image %d has the label %d", j, d.Train.Label(i))
			}
			for k, v := range m.at(j) {
				if want := j + k/(3*Side) + k%(3*Side); int(v) != want {
					t.Fatalf("image %d: value %d is %d, want %d", j, k, v, want)
				}
			}
		}
		if got, want := d.Test.Origin(1), path+": row 1 of test"; got != want {
			t.Errorf("origin %q, want %q", got, want)
		}
	}
	if _, err := Load(context.Background(), filepath.Join("..", "hub", "testdata", "mnist"), Config{}, data.Room{}); err == nil || !strings.Contains(err.Error(), "row 0: want a picture of 32 x 32 pixels, got 28 x 28") {
		t.Errorf("images of another size: error %v", err)
	}
}

// What has been read once is not read again, in either number of channels, until it
// changes.
func TestLoadCaches(t *testing.T) {
	s := newSample()
	for name, path := range s.sources(t) {
		var warnings []string
		room := data.Room{Cache: t.TempDir(), Warn: func(err error) { warnings = append(warnings, err.Error()) }}
		get := func(e Encoding) *Data {
			d, err := load(context.Background(), path, Config{Encoding: e}, room, n)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Train.images.at(3); e == RGB && !slices.Equal(got, s.train.at(3)) {
				t.Errorf("%s: another image", name)
			}
			return d
		}
		for range 2 {
			get(RGB)
			get(Gray)
			get(Tokens)
		}
		kept, err := os.ReadDir(room.Cache)
		if err != nil {
			t.Fatal(err)
		}
		want := 2
		if strings.Contains(name, "binary") && strings.Contains(name, "directory") {
			want = 0
		}
		if len(kept) != want || len(warnings) > 0 {
			t.Errorf("%s: the cache has %d files, want %d; warnings %q", name, len(kept), want, warnings)
		}
		for _, f := range kept {
			if err := os.WriteFile(filepath.Join(room.Cache, f.Name()), []byte("damaged"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		get(RGB)
		if want > 0 && (len(warnings) != 1 || !strings.Contains(warnings[0], "cannot use the cache")) {
			t.Errorf("%s: warnings %q, want one", name, warnings)
		}
	}
}

func TestRestoreDistrusts(t *testing.T) {
	s := newSample()
	for _, c := range []struct {
		want   string
		change func(s *sets)
	}{
		{"test: label 1: want 0 to 9, got 10", func(s *sets) { s.test.labels[1] = Classes }},
		{"train: want 58368 values for 19 labels, got 61440", func(s *sets) { s.train.labels = s.train.labels[1:] }},
		{"train: want at least 2 images, got 1", func(s *sets) { s.train = s.train.part(0, 1) }},
	} {
		bad := newSample()
		changed := sets{train: bad.train, test: bad.test}
		c.change(&changed)
		got := sets{train: newImages(1, 3), test: newImages(1, 3)}
		if err := got.restore(changed.tensors()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	path := directory(t, "", s.packageFiles(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	room := data.Room{Cache: t.TempDir()}
	for _, path := range []string{path, directory(t, "", s.binaryFiles()), archive(t, "x", s.packageFiles(t))} {
		if _, err := load(ctx, path, Config{}, room, n); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", path, err)
		}
	}
	room.Limit = 3
	d, err := load(context.Background(), path, Config{}, room, n)
	if err != nil || d.Train.Len() != 3 || d.Val.Len() != 2 || d.Test.Len() != 3 {
		t.Errorf("limited: %v, %v", d, err)
	}
}

func FuzzReadBinary(f *testing.F) {
	b := encodeBinary(newSample().test.part(0, 2))
	f.Add(b)
	f.Add(b[:len(b)-1])
	b[0] = Classes
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newImages(2, 1)
		if err := m.readBinary(bytes.NewReader(b), int64(len(b))); err == nil && slices.Max(m.labels) >= Classes {
			t.Errorf("labels %v", m.labels)
		}
	})
}

func FuzzReadLabels(f *testing.F) {
	f.Add([]byte("[1,2]"))
	f.Add([]byte("\ufeff[1,\r\n2]"))
	f.Add([]byte("[1e99,2]"))
	f.Add([]byte("[[[[1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newImages(2, 1)
		if err := m.readLabels(bytes.NewReader(b), int64(len(b))); err == nil && slices.Max(m.labels) >= Classes {
			t.Errorf("labels %v", m.labels)
		}
	})
}

// Images that are drawn are as their seed says, of all classes, and of the colours of
// these.
func TestDraw(t *testing.T) {
	d, err1 := Draw(Config{Encoding: RGB}, 40, 20)
	again, err2 := Draw(Config{Encoding: RGB, ValFraction: 0.5}, 40, 20)
	gray, err3 := Draw(Config{}, 40, 20)
	other, err4 := Draw(Config{Encoding: RGB, Seed: 1}, 40, 20)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	m := d.Train.images
	if !bytes.Equal(m.pixels, again.Train.images.pixels) || bytes.Equal(m.pixels, other.Train.images.pixels) {
		t.Error("the images do not depend on the seed alone")
	}
	if p := m.at(3); gray.Train.images.at(3)[77] != luma(p[3*77], p[3*77+1], p[3*77+2]) {
		t.Error("the grey images are others")
	}
	for i := range m.len() {
		if int(m.labels[i]) != i%Classes {
			t.Errorf("image %d has the label %d", i, m.labels[i])
		}
		warm, most := 0, 0
		for j := range Length {
			p := m.at(i)[3*j:]
			if p[0] >= 200 {
				warm++
			}
			most = max(most, int(p[0]), int(p[2]))
		}
		if (warm > 0) != (m.labels[i] < 5) || most < 200 {
			t.Errorf("image %d of class %d has %d warm pixels", i, m.labels[i], warm)
		}
	}
	for _, n := range [][2]int{{1, 1}, {2, 0}, {50001, 1}} {
		if _, err := Draw(Config{}, n[0], n[1]); err == nil || !strings.Contains(err.Error(), "cifar: draw: want 2 to") {
			t.Errorf("%v: error %v", n, err)
		}
	}
}
