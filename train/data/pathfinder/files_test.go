package pathfinder

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
)

// tiny is a small data set that is drawn in a moment.
var tiny = Config{Difficulty: Easy, Pictures: 40, Seed: 3}

func generate(t *testing.T, cfg Config, room data.Room) *Data {
	t.Helper()
	d, err := Generate(context.Background(), cfg, room)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// example returns the pixels or features and the label of example i.
func example(t *testing.T, d *Dataset, i int) (x []float64, label int) {
	t.Helper()
	b := task.NewBatch(d)
	if err := b.Load([]int{i}, 1, d.Length(i)); err != nil {
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

// wantSame checks that two data sets are equal.
func wantSame(t *testing.T, what string, got, want *Data) {
	t.Helper()
	for s, w := range want.All() {
		g := got.All()[s]
		if g.Len() != w.Len() {
			t.Errorf("%s: %s has %d pictures, want %d", what, data.SplitNames[s], g.Len(), w.Len())
			continue
		}
		for i := range w.Len() {
			x, y := example(t, g, i)
			wx, wy := example(t, w, i)
			if y != wy || !slices.Equal(x, wx) {
				t.Errorf("%s: picture %d of %s differs", what, i, data.SplitNames[s])
			}
		}
	}
}

// room returns one with a cache, and what it is warned of.
func room(t *testing.T) (data.Room, *[]string) {
	var warnings []string
	return data.Room{Cache: t.TempDir(), Warn: func(err error) { warnings = append(warnings, err.Error()) }}, &warnings
}

// write writes tiny and returns the folder of its pictures.
func write(t *testing.T, cfg Config) (dir, set string) {
	t.Helper()
	dir = t.TempDir()
	if err := Write(context.Background(), dir, cfg, data.Room{}); err != nil {
		t.Fatal(err)
	}
	_, folder := cfg.withDefaults().Difficulty.contour()
	return dir, filepath.Join(dir, cfg.withDefaults().setName(), folder)
}

func TestGenerateOnAnyNumberOfWorkers(t *testing.T) {
	want := generate(t, tiny, data.Room{})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	wantSame(t, "one worker", generate(t, tiny, data.Room{}), want)
	runtime.GOMAXPROCS(7)
	wantSame(t, "seven workers", generate(t, tiny, data.Room{}), want)
}

func TestSplit(t *testing.T) {
	d := generate(t, tiny, data.Room{})
	if d.Train.Len() != 32 || d.Val.Len() != 4 || d.Test.Len() != 4 {
		t.Fatalf("got %d, %d, %d pictures, want 32, 4, 4", d.Train.Len(), d.Val.Len(), d.Test.Len())
	}
	numbers := slices.Concat(d.Train.number, d.Val.number, d.Test.number)
	slices.Sort(numbers)
	if !slices.Equal(numbers, upTo(40)) {
		t.Errorf("the splits have the pictures %v, want 0 to 39", numbers)
	}
	other := tiny
	other.Seed = 4
	if slices.Equal(generate(t, other, data.Room{}).Val.number, d.Val.number) {
		t.Error("the same split of another seed")
	}
	for _, f := range []float64{1e-9, 0.49999} { // no split may be empty
		cfg := Config{Difficulty: Easy, Pictures: 3, ValFraction: f, TestFraction: f}
		d := generate(t, cfg, data.Room{})
		if d.Train.Len() != 1 || d.Val.Len() != 1 || d.Test.Len() != 1 {
			t.Errorf("fractions %v: %d, %d, %d pictures, want 1 each", f, d.Train.Len(), d.Val.Len(), d.Test.Len())
		}
	}
}

func TestEncodings(t *testing.T) {
	want := generate(t, Config{Difficulty: Easy, Pictures: 5, Encoding: Tokens}, data.Room{})
	pixels, label := example(t, want.Train, 1)
	img := want.Train.Picture(1)
	for i, v := range img.Pix {
		if float64(v) != pixels[i] {
			t.Fatalf("pixel %d of the picture is %d, want %g", i, v, pixels[i])
		}
	}
	for encoding, f := range map[Encoding]func(v float64) float64{
		Unit:    func(v float64) float64 { return v / 255 },
		Centred: func(v float64) float64 { return 2*v/255 - 1 },
	} {
		d := generate(t, Config{Difficulty: Easy, Pictures: 5, Encoding: encoding}, data.Room{})
		x, y := example(t, d.Train, 1)
		if y != label || y != d.Train.Label(1) {
			t.Errorf("%s: label %d, want %d", encoding, y, label)
		}
		for i, v := range pixels {
			if got, want := x[i], f(v); got-want > 1e-6 || want-got > 1e-6 {
				t.Fatalf("%s: pixel %d is %g, want %g", encoding, i, got, want)
			}
		}
	}
}

func TestWriteIsThePublishedLayout(t *testing.T) {
	_, set := write(t, tiny)
	b, err := os.ReadFile(filepath.Join(set, "metadata", "0.npy"))
	if err != nil {
		t.Fatal(err)
	}
	a := newTools(published(32, Easy)).artist()
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		d, err := a.draw(context.Background(), 3, uint64(i), a.pixels)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("imgs/0 sample_%d.png %d %d 1 6 2 2 0.5 1 1", i, i, d.label); line != want {
			t.Errorf("line %q, want %q", line, want)
		}
		f, err := os.ReadFile(filepath.Join(set, "imgs", "0", fmt.Sprintf("sample_%d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(f))
		if err != nil {
			t.Fatal(err)
		}
		if g, ok := img.(*image.Gray); !ok || !bytes.Equal(g.Pix, a.pixels) {
			t.Errorf("picture %d is not as drawn", i)
		}
	}
}

func TestLoadGivesWhatWasWritten(t *testing.T) {
	dir, set := write(t, tiny)
	want := generate(t, tiny, data.Room{})
	for what, path := range map[string]string{
		"folder above":     dir,
		"resolution":       filepath.Dir(set),
		"difficulty":       set,
		"tar.gz":           pack1(t, dir, "tgz", ""),
		"tar.gz, release":  pack1(t, dir, "tgz", "lra_release/lra_release/"),
		"tar":              pack1(t, dir, "tar", ""),
		"zip":              pack1(t, dir, "zip", ""),
		"zip of one":       pack1(t, filepath.Dir(set), "zip", ""),
		"zip, no folder":   pack1(t, set, "zip", ""),
		"folder, relative": ".",
	} {
		if path == "." {
			t.Chdir(set)
		}
		got, err := Load(context.Background(), path, tiny, data.Room{})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		wantSame(t, what, got, want)
		from := "/"
		if strings.HasPrefix(what, "tar") || strings.HasPrefix(what, "zip") {
			from = path + ": "
		}
		if o := got.Val.Origin(1); !strings.HasSuffix(o, from+fmt.Sprintf("imgs/0/sample_%d.png", got.Val.number[1])) {
			t.Errorf("%s: origin %s", what, o)
		}
	}
}

// pack1 makes an archive of a folder, with a prefix before all names.
func pack1(t *testing.T, dir, form, prefix string) string {
	t.Helper()
	var b bytes.Buffer
	var add func(name string, content []byte) error
	var end func() error
	switch form {
	case "zip":
		z := zip.NewWriter(&b)
		add = func(name string, content []byte) error {
			w, err := z.Create(name)
			if err == nil {
				_, err = w.Write(content)
			}
			return err
		}
		end = z.Close
	default:
		z := gzip.NewWriter(&b)
		a := tar.NewWriter(z)
		if form == "tar" {
			a = tar.NewWriter(&b)
		}
		add = func(name string, content []byte) error {
			err := a.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644})
			if err == nil {
				_, err = a.Write(content)
			}
			return err
		}
		end = func() error {
			err := a.Close()
			if form == "tgz" {
				err = errors.Join(err, z.Close())
			}
			return err
		}
	}
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return add(prefix+name, content)
	})
	if err := errors.Join(err, end()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Numbers of folders are in the order of numbers, not of names; other files are
// passed over.
func TestLoadOrder(t *testing.T) {
	set := filepath.Join(t.TempDir(), "curv_baseline")
	content := encode(t, image.NewGray(image.Rect(0, 0, 32, 32)))
	for _, b := range []int{10, 9, 0} {
		put(t, set, fmt.Sprintf("metadata/%d.npy", b), []byte(fmt.Sprintf("imgs/%d sample_1.png 0 1\r\n\r\nimgs/%d sample_0.png 1 0\n", b, b)))
		for i := range 2 {
			put(t, set, fmt.Sprintf("imgs/%d/sample_%d.png", b, i), content)
		}
	}
	put(t, set, "metadata/combined.npy", []byte("anything"))
	put(t, set, "imgs/0/sample_9.png", []byte("not in the metadata"))
	for _, path := range []string{set, pack1(t, set, "zip", "curv_baseline/")} {
		d, err := Load(context.Background(), path, tiny, data.Room{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range d.Train.pictures.files {
			got = append(got, f.String())
		}
		want := []string{"imgs/0/sample_1.png", "imgs/0/sample_0.png", "imgs/9/sample_1.png", "imgs/9/sample_0.png", "imgs/10/sample_1.png", "imgs/10/sample_0.png"}
		if !slices.Equal(got, want) || !slices.Equal(d.Train.pictures.labels, []uint8{1, 0, 1, 0, 1, 0}) {
			t.Errorf("got %v with labels %v, want %v", got, d.Train.pictures.labels, want)
		}
	}
}

func put(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func encode(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// small returns a folder of three pictures that is in order.
func small(t *testing.T, folder string) string {
	set := filepath.Join(t.TempDir(), "pathfinder32", folder)
	put(t, set, "metadata/0.npy", []byte("imgs/0 sample_0.png 0 0\nimgs/0 sample_172.png 1 1\nimgs/0 sample_2.png 2 1\nimgs/0 sample_3.png 3 0\n"))
	for _, i := range []int{0, 172, 2, 3} {
		put(t, set, fmt.Sprintf("imgs/0/sample_%d.png", i), encode(t, image.NewGray(image.Rect(0, 0, 32, 32))))
	}
	return set
}

func TestBadFiles(t *testing.T) {
	gray := func(side int) []byte { return encode(t, image.NewGray(image.Rect(0, 0, side, side))) }
	colours := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for i := range 32 * 32 {
		colours.Set(i%32, i/32, color.RGBA{1, 2, 3, 255})
	}
	one := "imgs/0 sample_0.png 0 0\n"
	for _, c := range []struct {
		name, file string
		content    []byte // nil: not there
		want       string
	}{
		{"picture missing", "imgs/0/sample_2.png", nil, "file"},
		{"picture empty", "imgs/0/sample_2.png", []byte{}, "want a PNG file, got an empty one"},
		{"picture of other size", "imgs/0/sample_2.png", gray(64), "want a picture of 32 x 32 pixels, got 64 x 64"},
		{"picture cut off", "imgs/0/sample_2.png", gray(32)[:60], "unexpected EOF"},
		{"picture of text", "imgs/0/sample_2.png", []byte("hello world"), "want a PNG file, got one that starts with"},
		{"picture too large", "imgs/0/sample_2.png", make([]byte, maxPNG+1), "want a picture of at most"},
		{"picture in colour", "imgs/0/sample_2.png", encode(t, colours), "row 0, column 0: want a grey pixel"},
		{"no metadata", "metadata/0.npy", nil, "want 3 to"},
		{"empty metadata", "metadata/0.npy", []byte{}, "want 3 to"},
		{"too little metadata", "metadata/0.npy", []byte(one), "want 3 to 16777216 pictures in the files metadata/<number>.npy, got 1"},
		{"few columns", "metadata/0.npy", []byte(one + "imgs/0 sample_1.png 0\n"), "0.npy:2: want at least 4 columns, got 3"},
		{"label", "metadata/0.npy", []byte(one + "imgs/0 sample_1.png 0 2\n"), `0.npy:2: want a label 0 or 1 in column 4, got "2"`},
		{"folder", "metadata/0.npy", []byte(one + "imgs/../../x sample_1.png 0 1\n"), "0.npy:2: want a folder imgs/<number>"},
		{"file", "metadata/0.npy", []byte(one + "imgs/0 sample_1.png/../../x.png 0 1\n"), "0.npy:2: want a file sample_<number>.png"},
		{"leading 0", "metadata/0.npy", []byte(one + "imgs/00 sample_1.png 0 1\n"), "want a folder imgs/<number>"},
		{"two labels", "metadata/0.npy", []byte(one + "imgs/0 sample_0.png 0 1\n"), "imgs/0/sample_0.png is there with the labels 0 and 1"},
		{"long line", "metadata/0.npy", []byte(one + strings.Repeat("x", maxLine+1)), "0.npy:2: "},
		{"array", "metadata/0.npy", []byte("\x93NUMPY\x01\x00\xff\xff{'descr'"), "array of NumPy, got one that is cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := small(t, "curv_baseline")
			path := filepath.Join(set, c.file)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if c.content != nil {
				put(t, set, c.file, c.content)
			}
			for _, path := range []string{set, pack1(t, set, "tgz", ""), pack1(t, set, "zip", "")} {
				r, _ := room(t)
				_, err := Load(context.Background(), path, tiny, r)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || !strings.HasPrefix(err.Error(), "pathfinder: ") {
					t.Errorf("error %v, want %q and %s in it", err, c.want, path)
				}
				if strings.HasPrefix(c.name, "picture") && (err == nil || !strings.Contains(err.Error(), c.file)) {
					t.Errorf("error %v, want %s in it", err, c.file)
				}
				if kept, _ := os.ReadDir(r.Cache); len(kept) > 0 {
					t.Errorf("left in the cache: %v", kept)
				}
			}
		})
	}
}

func TestBadPath(t *testing.T) {
	set := small(t, "curv_baseline")
	hard := tiny
	hard.Difficulty = Hard
	large := tiny
	large.Resolution = 64
	for _, c := range []struct {
		path string
		cfg  Config
		want string
	}{
		{filepath.Join(set, "none"), tiny, "no such file"},
		{t.TempDir(), tiny, "no data: want a folder pathfinder32/curv_baseline with the folders imgs and metadata"},
		{set, hard, "want the folder curv_contour_length_14 of pathfinder32"},
		{set, large, "want the folder curv_baseline of pathfinder64"},
		{filepath.Dir(set), hard, "no data"},
		{pack1(t, filepath.Dir(set), "zip", ""), hard, "want 3 to"},
		{pack1(t, filepath.Dir(filepath.Dir(set)), "zip", ""), large, "want 3 to"},
		{filepath.Join(set, "metadata/0.npy"), tiny, "want a folder, a tar, a tar.gz or a zip"},
	} {
		if _, err := Load(context.Background(), c.path, c.cfg, data.Room{}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("error %v, want %q and %s in it", err, c.want, c.path)
		}
	}
}

// The one picture that is empty as published is passed over, and no other.
func TestPublishedEmptyPicture(t *testing.T) {
	set := small(t, "curv_baseline")
	put(t, set, "imgs/0/sample_172.png", nil)
	for _, path := range []string{set, pack1(t, set, "tgz", "")} {
		r, warnings := room(t)
		d, err := Load(context.Background(), path, tiny, r)
		if err != nil {
			t.Fatal(err)
		}
		if n := d.Train.pictures.len(); n != 3 {
			t.Errorf("%d pictures, want 3", n)
		}
		if w := *warnings; len(w) != 1 || !strings.Contains(w[0], "sample_172.png is empty, as published: passed over") {
			t.Errorf("warnings %q, want one about sample_172.png", w)
		}
	}
	hard := tiny
	hard.Difficulty = Hard
	set = small(t, "curv_contour_length_14")
	put(t, set, "imgs/0/sample_172.png", nil)
	for _, path := range []string{set, pack1(t, set, "tgz", "")} {
		if _, err := Load(context.Background(), path, hard, data.Room{}); err == nil || !strings.Contains(err.Error(), "got an empty one") {
			t.Errorf("error %v, want one about an empty file", err)
		}
	}
}

// A picture that the metadata name twice counts once.
func TestPictureNamedTwice(t *testing.T) {
	set := small(t, "curv_baseline")
	put(t, set, "metadata/1.npy", []byte("imgs/0 sample_2.png 2 1\n"))
	for _, path := range []string{set, pack1(t, set, "zip", "")} {
		r, warnings := room(t)
		d, err := Load(context.Background(), path, tiny, r)
		if err != nil {
			t.Fatal(err)
		}
		if n := d.Train.pictures.len(); n != 4 {
			t.Errorf("%d pictures, want 4", n)
		}
		if w := *warnings; len(w) != 1 || !strings.Contains(w[0], "more than once, 1 times in all: passed over") {
			t.Errorf("warnings %q, want one", w)
		}
	}
}

// Arrays that NumPy wrote: of code points by Python 3, of bytes by Python 2.
func TestMetadataOfNumPy(t *testing.T) {
	for _, name := range []string{"python3.npy", "python2.npy"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readMetadata(b)
		want := []entry{{file{0, 0}, 0}, {file{0, 1}, 1}, {file{0, 2}, 0}, {file{0, 3}, 1}}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
		change := func(old, new string) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
		for _, c := range []struct {
			b    []byte
			want string
		}{
			{b[:7], "cut off"},
			{b[:100], "cut off"},
			{b[:len(b)-1], "bytes of 4 x 11 strings, got"},
			{append(slices.Clip(b), 0), "bytes of 4 x 11 strings, got"},
			{change("(4, 11)", "(999999999, 11)"), "bytes of 999999999 x 11 strings, got"},
			{change("(4, 11)", "(44,)"), "want an array of strings in two dimensions"},
			{change("(4, 11)", "(11, 4)"), "row 1, column"},
			{change("(4, 11)", "(1, 44)"), ""},
			{change("(4, 11)", "(22, 2)"), "row 0: want at least 4 columns, got 2"},
			{change("False", "True"), "row by row"},
			{change("U32", "f32"), "want an array of strings"},
			{change("NUMPY\x01", "NUMPY\x04"), "want version 1 to 3 of the array format, got 4"},
			{change("U32", "U99999999"), "want 1 to 1024 characters"},
			{change("\x00\x00\x00s\x00\x00\x00", "\x00\x00\x00s\x00\xff\x00"), "row 0, column"},
		} {
			if bytes.Equal(c.b, b) {
				continue // not in this one
			}
			if _, err := readMetadata(c.b); c.want != "" && (err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(c.want, "1, column"))) {
				t.Errorf("%s: error %v, want %q in it", name, err, c.want)
			}
		}
	}
}

// touch changes the pictures of a folder without changing what a checksum sees.
func touch(t *testing.T, set string) {
	for i := range 40 {
		path := filepath.Join(set, "imgs/0", fmt.Sprintf("sample_%d.png", i))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		put(t, set, fmt.Sprintf("imgs/0/sample_%d.png", i), make([]byte, info.Size()))
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoadCaches(t *testing.T) {
	_, set := write(t, tiny)
	want := generate(t, tiny, data.Room{})
	r, warnings := room(t)
	for range 2 {
		got, err := Load(context.Background(), set, tiny, r)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "cached", got, want)
		if o := got.Train.Origin(0); o != set+fmt.Sprintf("/imgs/0/sample_%d.png", got.Train.number[0]) {
			t.Errorf("origin %s", o)
		}
		touch(t, set)
	}
	other := tiny // the cache has all splits and encodings
	other.Encoding, other.ValFraction, other.Seed = Tokens, 0.3, 77
	if _, err := Load(context.Background(), set, other, r); err != nil {
		t.Error(err)
	}
	if len(*warnings) > 0 {
		t.Errorf("warnings %q", *warnings)
	}
	put(t, set, "imgs/0/sample_3.png", []byte("changed"))
	if _, err := Load(context.Background(), set, tiny, r); err == nil {
		t.Error("a changed file was not seen")
	}
}

func TestCacheIsRebuilt(t *testing.T) {
	want := generate(t, tiny, data.Room{})
	_, set := write(t, tiny)
	for what, load := range map[string]func(r data.Room) (*Data, error){
		"generated": func(r data.Room) (*Data, error) { return Generate(context.Background(), tiny, r) },
		"loaded":    func(r data.Room) (*Data, error) { return Load(context.Background(), set, tiny, r) },
	} {
		r, warnings := room(t)
		get := func(when string) {
			t.Helper()
			got, err := load(r)
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, what+when, got, want)
		}
		get("")
		files, err := os.ReadDir(r.Cache)
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: the cache has %v, %v, want one file", what, files, err)
		}
		path := filepath.Join(r.Cache, files[0].Name())
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, damaged := range [][]byte{{}, whole[:len(whole)/2], append(whole[:len(whole)-1:len(whole)-1], whole[len(whole)-1]^1)} {
			*warnings = nil
			if err := os.WriteFile(path, damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			get(", damaged")
			if w := *warnings; len(w) != 1 || !strings.Contains(w[0], "cannot use the cache") {
				t.Errorf("%s: warnings %q, want one", what, w)
			}
			*warnings = nil
			get(", again")
			if len(*warnings) > 0 {
				t.Errorf("%s: not repaired: %q", what, *warnings)
			}
		}
	}
}

// A whole file of the cache may be of something else.
func TestRestoreDistrusts(t *testing.T) {
	of := func(change func(p *pictures)) []data.Tensor {
		all := generate(t, tiny, data.Room{}).Train.pictures
		p := &pictures{side: 32, packed: slices.Clone(all.packed), ends: slices.Clone(all.ends), labels: slices.Clone(all.labels)}
		change(p)
		return p.tensors()
	}
	for _, c := range []struct {
		want   string
		change func(p *pictures)
	}{
		{"picture 3: want a label < 2, got 2", func(p *pictures) { p.labels[3] = 2 }},
		{"want as many labels as sizes, got 41 and 40", func(p *pictures) { p.labels = append(p.labels, 0) }},
		{"picture 0: want the pieces of one picture", func(p *pictures) { p.ends[0]++ }},
		{"bytes of pictures, got", func(p *pictures) { p.packed = append(p.packed, 0) }},
		{"picture 0: want a size in", func(p *pictures) { p.ends = []int{1 << 30}; p.labels = p.labels[:1]; p.ends[0] = -1 }},
	} {
		ts := of(func(*pictures) {})
		if c.want == "picture 0: want a size in" {
			ts[2].Data.([]int32)[0] = -1
		} else {
			ts = of(c.change)
		}
		if _, err := restore(context.Background(), ts, 32, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	if _, err := restore(context.Background(), of(func(*pictures) {}), 32, true); err == nil || !strings.Contains(err.Error(), `"files"`) {
		t.Errorf("no files: error %v", err)
	}
	if _, err := restore(context.Background(), of(func(*pictures) {}), 64, false); err == nil {
		t.Error("pictures of another side: no error")
	}
}

func TestLimit(t *testing.T) {
	_, set := write(t, tiny)
	all := generate(t, tiny, data.Room{})
	check := func(what string, d *Data) {
		t.Helper()
		if d.Train.Len() != 3 || d.Val.Len() != 3 || d.Test.Len() != 3 {
			t.Fatalf("%s: %d, %d, %d pictures, want 3 each", what, d.Train.Len(), d.Val.Len(), d.Test.Len())
		}
		for s, part := range d.All() {
			for i := range part.Len() {
				x, y := example(t, part, i)
				wx, wy := example(t, all.All()[s], i)
				if y != wy || !slices.Equal(x, wx) {
					t.Errorf("%s: picture %d of %s is not the first %d-th", what, i, data.SplitNames[s], i)
				}
			}
		}
	}
	r, warnings := room(t)
	r.Limit = 3
	for _, when := range []string{"fresh", "cached"} {
		check("generated, "+when, generate(t, tiny, r))
		d, err := Load(context.Background(), set, tiny, r)
		if err != nil {
			t.Fatal(err)
		}
		check("loaded, "+when, d)
		if n := d.Train.pictures.len(); when == "fresh" && n != 9 {
			t.Errorf("%d pictures were read, want 9", n)
		}
		files, err := os.ReadDir(r.Cache)
		if err != nil {
			t.Fatal(err)
		}
		if when == "fresh" {
			if len(files) > 0 {
				t.Errorf("a part was kept: %v", files)
			}
			r.Limit = 0
			generate(t, tiny, r)
			if _, err := Load(context.Background(), set, tiny, r); err != nil {
				t.Fatal(err)
			}
			touch(t, set)
			r.Limit = 3
		}
	}
	if len(*warnings) > 0 {
		t.Errorf("warnings %q", *warnings)
	}
}

func TestWriteGoesOn(t *testing.T) {
	cfg := Config{Difficulty: Easy, Pictures: batchPictures + 10, Seed: 1}
	dir := t.TempDir()
	set := filepath.Join(dir, "pathfinder32", "curv_baseline")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Write(ctx, dir, cfg, data.Room{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	if files, err := os.ReadDir(filepath.Join(set, "imgs")); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if err := Write(context.Background(), dir, cfg, data.Room{}); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(set, "imgs/0/sample_0.png"))
	if err != nil {
		t.Fatal(err)
	}
	// The program ended while it wrote the second folder.
	if err := os.Remove(filepath.Join(set, "metadata/1.npy")); err != nil {
		t.Fatal(err)
	}
	put(t, set, "imgs/1/sample_3.png", []byte("cut off"))
	put(t, set, "imgs/.1.tmp/sample_3.png", []byte("cut off"))
	if err := Write(context.Background(), dir, cfg, data.Room{}); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(filepath.Join(set, "imgs/0/sample_0.png"))
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the first folder was written anew: %v", err)
	}
	got, err := Load(context.Background(), dir, cfg, data.Room{})
	if err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(filepath.Join(set, "imgs")); err != nil || len(files) != 2 {
		t.Errorf("folders %v, %v, want 0 and 1", files, err)
	}
	want := generate(t, cfg, data.Room{})
	for s, d := range got.All() {
		for i := range d.Len() {
			if w := want.All()[s]; d.Label(i) != w.Label(i) || !bytes.Equal(d.Picture(i).Pix, w.Picture(i).Pix) {
				t.Fatalf("picture %d of %s differs", i, data.SplitNames[s])
			}
		}
	}
	cfg.Seed = 2
	if err := Write(context.Background(), dir, cfg, data.Room{}); err == nil || !strings.Contains(err.Error(), "want a folder of the pictures") {
		t.Errorf("another seed: error %v", err)
	}
	if err := Write(context.Background(), filepath.Dir(filepath.Dir(small(t, "curv_baseline"))), cfg, data.Room{}); err == nil || !strings.Contains(err.Error(), "want a folder without pictures from elsewhere") {
		t.Errorf("published pictures: error %v", err)
	}
}

func TestCancelled(t *testing.T) {
	_, set := write(t, tiny)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, _ := room(t)
	if _, err := Generate(ctx, tiny, r); !errors.Is(err, context.Canceled) {
		t.Errorf("generate: error %v", err)
	}
	for _, path := range []string{set, pack1(t, set, "tgz", "")} {
		if _, err := Load(ctx, path, tiny, r); !errors.Is(err, context.Canceled) {
			t.Errorf("load: error %v", err)
		}
	}
	if kept, _ := os.ReadDir(r.Cache); len(kept) > 0 {
		t.Errorf("left in the cache: %v", kept)
	}
}

func TestValidate(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Resolution: 33}, "Config.Resolution: want one of [32 64 128 256], got 33"},
		{Config{Difficulty: "14"}, `Config.Difficulty: want one of ["easy" "intermediate" "hard"], got "14"`},
		{Config{Encoding: "gray"}, `Config.Encoding: want "unit", "centred" or "tokens", got "gray"`},
		{Config{Pictures: 2}, "Config.Pictures: want 3 to 16777216, got 2"},
		{Config{Pictures: 1 << 40}, "Config.Pictures"},
		{Config{ValFraction: 1}, "Config.ValFraction: want in (0, 1), got 1"},
		{Config{ValFraction: 0.5, TestFraction: 0.5}, "Config.TestFraction"},
		{Config{TestFraction: -1}, "Config.TestFraction"},
	} {
		_, err1 := Load(context.Background(), ".", c.cfg, data.Room{})
		_, err2 := Generate(context.Background(), c.cfg, data.Room{})
		for _, err := range []error{c.cfg.Validate(), err1, err2, Write(context.Background(), t.TempDir(), c.cfg, data.Room{})} {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: error %v, want %q in it", c.cfg, err, c.want)
			}
		}
	}
}

func TestPack(t *testing.T) {
	for _, pixels := range [][]uint8{
		make([]uint8, 1024), bytes.Repeat([]byte{7}, 1024), bytes.Repeat([]byte{0, 1}, 512), bytes.Repeat([]byte{0, 0, 1, 2}, 256),
		append(make([]uint8, 1023), 1), append([]uint8{1}, make([]uint8, 1023)...), append(make([]uint8, 255), bytes.Repeat([]byte{3}, 769)...),
	} {
		b := pack([]byte("x"), pixels)[1:]
		got := bytes.Repeat([]byte{9}, len(pixels))
		if err := unpack(got, b); err != nil || !bytes.Equal(got, pixels) {
			t.Errorf("%v became %v, %v", pixels, got, err)
		}
		for _, bad := range [][]byte{b[:len(b)-1], append(slices.Clip(b), 0), {0, 0}, nil} {
			if err := unpack(got, bad); err == nil {
				t.Errorf("pieces %v: no error", bad)
			}
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte{255, 0, 255, 0, 255, 0, 255, 0, 4, 0})
	f.Add([]byte{0, 2, 1, 2})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		pixels := make([]uint8, 1024)
		if unpack(pixels, b) != nil {
			return
		}
		again := make([]uint8, 1024)
		if err := unpack(again, pack(nil, pixels)); err != nil || !bytes.Equal(again, pixels) {
			t.Errorf("%v becomes %v, %v", pixels, again, err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	for _, name := range []string{"python3.npy", "python2.npy"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(bytes.Replace(b, []byte("(4, 11)"), []byte("(999999999, 64)"), 1))
	}
	f.Add([]byte("imgs/0 sample_0.png 0 1 1.8 14 4 5 1.5 2 1\r\nimgs/0 sample_1.png 1 0\n"))
	f.Add([]byte("\ufeffimgs/0 sample_0.png 0 1\x00\n\xff\xfe"))
	f.Add([]byte("imgs/4294967296 sample_0.png 0 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := readMetadata(b)
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.label >= Classes || e.file.batch < 0 || e.file.sample < 0 {
				t.Errorf("%q: got %v", b, e)
			}
		}
	})
}

// The files that wait to be decoded are bounded by their bytes too.
func TestWaitingFiles(t *testing.T) {
	a := &archive{cfg: Config{}.withDefaults(), packed: map[file][]uint8{}, damaged: map[file]error{}}
	content := make([]byte, maxPNG)
	for i := range 2 * maxWaiting / maxPNG {
		m := data.Member{Name: fmt.Sprintf("imgs/0/sample_%d.png", i), Size: maxPNG, Reader: bytes.NewReader(content)}
		if err := a.member(t.Context(), "pictures.zip", m); err != nil {
			t.Fatal(err)
		}
		if n := len(a.waiting) * maxPNG; n > maxWaiting || len(a.damaged)+len(a.waiting) != i+1 {
			t.Fatalf("%d bytes wait after %d files, want at most %d", n, i+1, maxWaiting)
		}
	}
}
