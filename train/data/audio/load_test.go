package audio

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/internal/names"
)

// tree is files by name.
type tree map[string][]byte

// folder writes the files to a new directory.
func (f tree) folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range f {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// archive writes the files to a new tar.gz, backwards.
func (f tree) archive(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	names := slices.Sorted(maps.Keys(f))
	slices.Reverse(names)
	for _, name := range names {
		err := w.WriteHeader(&tar.Header{Name: "./" + name, Size: int64(len(f[name])), Mode: 0o644, Typeflag: tar.TypeReg})
		if err == nil {
			_, err = w.Write(f[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "data.tar.gz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// recording returns a WAV file of n samples: from, from+1, ...
func recording(rate, from, n int) []byte {
	v := make([]int16, n)
	for i := range v {
		v[i] = int16(from + i)
	}
	return riff(format(1, 1, rate, 16), chunk("data", ints(v...)))
}

// digits returns 6 numbers of 2 speakers of all digits, at 8 kHz. The first sample
// of each tells which it is.
func digits() tree {
	f := tree{"fsdd/README.md": []byte("text"), "fsdd/recordings/._0_a_0.wav": []byte("fork")}
	for digit := range 10 {
		for s, speaker := range []string{"a", "bb"} {
			for number := range 6 {
				from := digit*1000 + s*100 + number*10
				f[fmt.Sprintf("fsdd/recordings/%d_%s_%d.wav", digit, speaker, number)] = recording(8000, from, 3+digit)
			}
		}
	}
	return f
}

// commands returns 20 recordings of each of the words, at 16 kHz: of 16000 samples,
// but for the last of each word. Those of number 0 are for validation, 1 for test.
func commands(words ...string) tree {
	f := tree{"_background_noise_/noise.wav": recording(16000, 0, 9), "README.md": []byte("text"), ".DS_Store": nil}
	for w, word := range words {
		for i := range 20 {
			n := 16000
			if i == 19 {
				n = 5000
			}
			name := fmt.Sprintf("%s/%08x_nohash_%d.wav", word, i, w%2)
			f[name] = recording(16000, w*1000+i*10, n)
			switch i {
			case 0:
				f[valList] = append(f[valList], name+"\r\n"...)
			case 1:
				f[testList] = append(f[testList], name+"\n"...)
			}
		}
	}
	return f
}

func mustLoad(t testing.TB, path string, cfg Config, room data.Room) *Data {
	t.Helper()
	d, err := Load(context.Background(), path, cfg, room)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// example is what a data set gives.
type example struct {
	origin string
	x      []float32
	target int
}

func examples(t testing.TB, d *Dataset) []example {
	t.Helper()
	var out []example
	for i := range d.Len() {
		b := task.NewBatch(d)
		if err := b.Load([]int{i}, 1, d.Length(i)); err != nil {
			t.Fatal(err)
		}
		x, err1 := b.Array(task.X)
		y, err2 := b.Array(task.Target)
		if err := errors.Join(err1, err2); err != nil || x.Shape[1] != d.Length(i) || x.Shape[2] != d.Encoding().Width() {
			t.Fatal(x, err)
		}
		if y.Ints[0] != d.Target(i) {
			t.Fatalf("label %d, Target %d", y.Ints[0], d.Target(i))
		}
		out = append(out, example{filepath.Base(d.Origin(i)), slices.Clone(x.Float32s), y.Ints[0]})
	}
	return out
}

// all returns the examples of all parts.
func all(t testing.TB, d *Data) [][]example {
	t.Helper()
	var out [][]example
	for _, part := range d.All() {
		out = append(out, examples(t, part))
	}
	return out
}

func TestDigits(t *testing.T) {
	cfg := Digits()
	cfg.Scale, cfg.Length, cfg.ValFraction = Unit, 10, 0.5
	d := mustLoad(t, digits().folder(t), cfg, data.Room{})
	if got := [3]int{d.Train.Len(), d.Val.Len(), d.Test.Len()}; got != [3]int{10, 10, 100} {
		t.Fatalf("parts of %d, want 10, 10 and 100", got)
	}
	if strings.Join(d.Classes, "") != "0123456789" {
		t.Errorf("classes %q", d.Classes)
	}
	for part, es := range all(t, d) {
		for i, e := range es {
			if e.target != i%10 {
				t.Errorf("part %d: example %d is of class %d: want the classes in turn", part, i, e.target)
			}
			name := digitName.FindStringSubmatch(strings.Split(e.origin, ":")[0])
			if name == nil || name[1] != fmt.Sprint(e.target) || (name[3] < "5") != (part == inTest) {
				t.Errorf("part %d: %s is of class %d", part, e.origin, e.target)
				continue
			}
			first := e.target*1000 + len(name[2])*100 - 100 + 10*int(name[3][0]-'0')
			for j, v := range e.x {
				if v != float32(first+j)/(1<<15) {
					t.Fatalf("%s: sample %d is %v", e.origin, j, v*(1<<15))
				}
			}
			if want := min(10, 3+e.target); len(e.x) != want {
				t.Errorf("%s: %d samples, want %d", e.origin, len(e.x), want)
			}
		}
	}
	if got := d.Test.ClassCounts(); !slices.Equal(got, slices.Repeat([]int{10}, 10)) {
		t.Errorf("class counts %d", got)
	}
	cfg.Split, cfg.Speaker = BySpeaker, "bb"
	d = mustLoad(t, digits().archive(t), cfg, data.Room{})
	for part, es := range all(t, d) {
		for _, e := range es {
			if strings.Contains(e.origin, "_bb_") != (part == inTest) {
				t.Errorf("speaker bb for the test: part %d has %s", part, e.origin)
			}
		}
	}
}

// The words of SC35 that a tiny tree has are not enough; the other rules are those
// of its configuration.
func TestSpeechCommands(t *testing.T) {
	words := []string{"yes", "no", "up"}
	cfg := SC35()
	cfg.Classes = words[:2]
	path := commands(words...).folder(t)
	d := mustLoad(t, path, cfg, data.Room{})
	if got := [3]int{d.Train.Len(), d.Val.Len(), d.Test.Len()}; got != [3]int{36, 2, 2} || !slices.Equal(d.Classes, words[:2]) {
		t.Fatalf("parts of %d of %q, want 36, 2 and 2", got, d.Classes)
	}
	for i, part := range []*Dataset{d.Val, d.Test} {
		for _, e := range examples(t, part) {
			if !strings.HasPrefix(e.origin, fmt.Sprintf("%08x_", i)) {
				t.Errorf("part %d has %s", 1+i, e.origin)
			}
		}
	}
	// Padded, standardised with all that a model is trained on.
	n, sum, squares := 0., 0., 0.
	es := examples(t, d.Train)
	for _, e := range es {
		if len(e.x) != 16000 {
			t.Fatalf("%s: %d samples", e.origin, len(e.x))
		}
		for _, v := range e.x {
			n++
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
	}
	if mean, dev := sum/n, math.Sqrt(squares/n); math.Abs(mean) > 1e-4 || math.Abs(dev-1) > 1e-3 {
		t.Errorf("mean %v and deviation %v, want 0 and 1", mean, dev)
	}
	for _, e := range es {
		if strings.HasPrefix(e.origin, "00000013_") && e.x[15999] != d.Encoding.scaled(0, 0) {
			t.Errorf("%s: ends in %v, want silence", e.origin, e.x[15999])
		}
	}

	cfg = SC10()
	cfg.Classes = words
	d = mustLoad(t, path, cfg, data.Room{})
	if got := [3]int{d.Train.Len(), d.Val.Len(), d.Test.Len()}; got != [3]int{39, 9, 9} { // 19 of each that are long enough
		t.Errorf("parts of %d, want 39, 9 and 9", got)
	}
	for i, part := range d.All() {
		if c := part.ClassCounts(); c[0] != c[1] || c[1] != c[2] {
			t.Errorf("part %d: class counts %d", i, c)
		}
	}
	other := cfg
	other.Seed = 1
	if a, b := examples(t, d.Test), examples(t, mustLoad(t, path, other, data.Room{}).Test); reflect.DeepEqual(a, b) {
		t.Error("another seed has the same test set")
	}
}

func TestFolders(t *testing.T) {
	f := tree{}
	for _, class := range []string{"de", "fr"} {
		for i := range 20 {
			f[fmt.Sprintf("sounds/%s/digits/%d.WAV", class, i)] = recording(8000, i, 5)
		}
	}
	d := mustLoad(t, f.archive(t), Config{}, data.Room{})
	if got := [3]int{d.Train.Len(), d.Val.Len(), d.Test.Len()}; got != [3]int{28, 6, 6} || !slices.Equal(d.Classes, []string{"de", "fr"}) || d.Encoding.Rate != 8000 {
		t.Errorf("parts of %d, classes %q, rate %d", got, d.Classes, d.Encoding.Rate)
	}
	d = mustLoad(t, f.folder(t), Config{Classes: []string{"fr", "de"}}, data.Room{})
	for _, part := range d.All() {
		for i := range part.Len() {
			if want := filepath.Join("sounds", d.Classes[part.Target(i)], "digits"); !strings.Contains(part.Origin(i), want) {
				t.Errorf("%s is of class %q", part.Origin(i), d.Classes[part.Target(i)])
			}
		}
	}
}

// What is loaded depends neither on the form, nor on the cache, nor on the number of
// processors.
func TestLoadIsPure(t *testing.T) {
	for name, f := range map[string]tree{"digits": digits(), "commands": commands("yes", "no")} {
		for _, features := range []Features{FeaturesRaw, FeaturesMFCC} {
			cfg := Config{Features: features, Coefficients: MFCCConfig{Window: 4, Mels: 2, Coefficients: 2}, Length: 100, Seed: 3}
			want := all(t, mustLoad(t, f.folder(t), cfg, data.Room{}))
			before := runtime.GOMAXPROCS(1)
			room := data.Room{Cache: t.TempDir(), Warn: func(err error) { t.Error(err) }}
			archive := f.archive(t)
			for range 2 { // made, kept
				if got := all(t, mustLoad(t, archive, cfg, room)); !reflect.DeepEqual(got, want) {
					t.Errorf("%s, %s: an archive and a folder differ", name, features)
				}
			}
			runtime.GOMAXPROCS(before)
			for i := range want {
				want[i] = want[i][:min(2, len(want[i]))]
			}
			for _, room := range []data.Room{room, {}, {Cache: t.TempDir()}} {
				room.Limit = 2
				cfg.Scale = Unit
				got := all(t, mustLoad(t, archive, cfg, room))
				for i, es := range got {
					for j, e := range es {
						if e.origin != want[i][j].origin || len(got) != len(want) || len(es) != len(want[i]) {
							t.Errorf("%s, %s, limited: part %d: example %d of %d is %s, want %s of %d", name, features, i, j, len(es), e.origin, want[i][j].origin, len(want[i]))
						}
					}
				}
			}
		}
	}
}

// A damaged file of the cache is made anew.
func TestCorruptCache(t *testing.T) {
	room := data.Room{Cache: t.TempDir()}
	path := digits().archive(t)
	want := all(t, mustLoad(t, path, Digits(), room))
	files, err := filepath.Glob(filepath.Join(room.Cache, "audio-*.safetensors"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(files[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	warned := 0
	room.Warn = func(error) { warned++ }
	for range 2 {
		if got := all(t, mustLoad(t, path, Digits(), room)); !reflect.DeepEqual(got, want) {
			t.Error("other examples")
		}
	}
	if warned != 1 {
		t.Errorf("%d warnings, want 1", warned)
	}
}

func TestRestoreErrors(t *testing.T) {
	c := catalog{layout: SpokenDigits, classes: []string{"0", "1"}, names: []string{"0_a_0.wav", "1_a_0.wav"}, labels: []int32{0, 1}, lists: make([][]string, 2), listed: []uint8{0, 0}}
	for want, damage := range map[string]func(*store){
		"":                                      func(*store) {},
		"want a rate, a width and the lists":    func(s *store) { s.rate = 0 },
		"want 2 labels, parts, places":          func(s *store) { s.labels = s.labels[:1] },
		"want 1 to 3 steps, got 2 from step 2":  func(s *store) { s.at[1] = 2 },
		"want 1 to 3 steps, got -1":             func(s *store) { s.lengths[1] = -1 },
		"want 1 to 3 steps, got 1 from step -1": func(s *store) { s.at[0] = -1 },
		"want a label 0 to 1, got 2":            func(s *store) { s.labels[1] = 2 },
		"want a part 0 to 2, got 3":             func(s *store) { s.listed[1] = 3 },
		"want steps of 1 numbers":               func(s *store) { s.samples = s.samples[:5] },
		"want a name DIGIT_SPEAKER_NUMBER.wav":  func(s *store) { s.names[1] = "x.wav" },
		`want recordings of the class "1"`:      func(s *store) { s.labels[1] = 0 },
	} {
		s := newStore(&c, 1)
		s.names, s.labels, s.listed = slices.Clone(c.names), slices.Clone(c.labels), slices.Clone(c.listed)
		s.rate, s.at, s.lengths, s.samples = 8000, []int64{0, 1}, []int32{1, 2}, ints(1, 2, 3)
		damage(s)
		if _, err := restore(s.tensors(), FeaturesRaw); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := restore(nil, FeaturesMFCC); err == nil || err.Error() != `want a tensor "head"` {
		t.Errorf("got error %v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	two := func() tree { return commands("yes", "no") }
	with := func(f tree, name string, content []byte) tree { f[name] = content; return f }
	without := func(f tree, name string) tree { delete(f, name); return f }
	sc := Config{Layout: SpeechCommands}
	const first = "yes/00000000_nohash_0.wav"
	for want, c := range map[string]struct {
		files tree
		cfg   Config
	}{
		"want files *.wav, got none":                                  {tree{"a.txt": nil}, Config{}},
		first + ": offset 44: chunk":                                  {with(two(), first, recording(16000, 0, 9)[:50]), sc},
		first + ": want 16000 samples a second, got 8000: say":        {with(two(), first, recording(8000, 0, 9)), Config{Rate: 16000}},
		"want 8000 samples a second, got 16000":                       {with(two(), "no/00000000_nohash_1.wav", recording(8000, 0, 9)), Config{}},
		"the rate is that of no/00000000_nohash_1.wav":                {with(two(), "no/00000000_nohash_1.wav", recording(8000, 0, 9)), Config{}},
		testList + ":2: want WORD/FILE.wav, got \"x\"":                {with(two(), testList, []byte("no/00000001_nohash_1.wav\nx\n")), sc},
		"want a file yes/gone.wav, got none":                          {with(two(), testList, []byte("yes/gone.wav\n")), sc},
		first + " is in validation_list.txt too":                      {with(two(), testList, []byte(first)), sc},
		"want validation_list.txt and testing_list.txt for the split": {without(two(), valList), sc},
		"more than one list of this name":                             {with(two(), "yes/"+valList, nil), sc},
		`want recordings of the class "maybe", got none`:              {two(), Config{Classes: []string{"yes", "maybe"}}},
		"want recordings of 2 to 65536 classes, got 1":                {commands("yes"), sc},
		"test: want at least one recording, got none of 40":           {with(two(), testList, nil), sc},
		"0_a.wav: want a name DIGIT_SPEAKER_NUMBER.wav":               {tree{"0_a.wav": nil}, Config{Layout: SpokenDigits}},
		`want one of the speakers ["a" "bb"], got "c"`:                {digits(), Config{Split: BySpeaker, Speaker: "c"}},
		`want the split "random" or "speaker" for folders`:            {tree{"a/1.wav": recording(8000, 0, 9), "b/1.wav": recording(8000, 0, 9)}, Config{Split: Official}},
		"1.wav: want it in the folder of a class":                     {tree{"1.wav": nil, "b/1.wav": nil}, Config{}},
		"of at least 16001 samples: want recordings of the class":     {two(), Config{Length: 16001, Short: Drop}},
		"0_a_0.wav: want more than 100 samples for a frame of 200":    {tree{"0_a_0.wav": recording(8000, 0, 99), "1_a_5.wav": recording(8000, 0, 999), "1_a_6.wav": recording(8000, 0, 999)}, Config{Features: FeaturesMFCC, ValFraction: 0.5}},
	} {
		room := data.Room{Cache: t.TempDir()}
		for _, path := range []string{c.files.folder(t), c.files.archive(t)} {
			if _, err := Load(context.Background(), path, c.cfg, room); err == nil || !strings.HasPrefix(err.Error(), "audio: "+path) && !strings.HasPrefix(err.Error(), "audio: "+strings.TrimSuffix(path, ".tar.gz")) || !strings.Contains(err.Error(), want) {
				if want == "the rate is that of no/00000000_nohash_1.wav" || want == "want 8000 samples a second, got 16000" {
					if strings.HasSuffix(path, ".tar.gz") {
						continue // which has the files in another order
					}
				}
				t.Errorf("got error %v, want %q", err, want)
			}
		}
		if left, err := filepath.Glob(filepath.Join(room.Cache, "audio-*mfcc*")); err != nil || len(left) > 0 {
			t.Errorf("%q: left in the cache: %q", want, left)
		}
	}
	if _, err := Load(context.Background(), filepath.Join(t.TempDir(), "none"), Config{}, data.Room{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Load(ctx, two().folder(t), sc, data.Room{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got error %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	for want, c := range map[string]Config{
		`Config.Layout: want "speech-commands"`:                      {Layout: "x"},
		`Config.Split: want "official", "random", "speaker" or none`: {Split: "x"},
		`Config.Short: want "keep", "pad" or "drop"`:                 {Short: "x"},
		`Config.Features: want "raw" or "mfcc", got "x"`:             {Features: "x"},
		`Config.Scale: want "standard" or "unit", got "x"`:           {Scale: "x"},
		"Config.Classes: want none, or 2 to 65536 names":             {Classes: []string{"a"}},
		"Config.Classes[1]: want another name":                       {Classes: []string{"a", "a"}},
		"Config.Speaker: want a name if, and only if":                {Speaker: "a"},
		"Config.ValFraction: want with TestFraction":                 {ValFraction: 0.9},
		"Config.Rate: want 0 to 768000":                              {Rate: -1},
		"Config.Rate: want a rate for Resample":                      {Resample: true},
		"Config.Length: want 0 to":                                   {Length: -1},
		`Config.Length: want one for Short "pad"`:                    {Short: Pad},
		"Config.Subsample: want >= 1":                                {Subsample: -1},
		"Config.Subsample: want 1 for MFCC":                          {Subsample: 2, Features: FeaturesMFCC},
		"Config.Coefficients.Rate: want 0":                           {Coefficients: MFCCConfig{Rate: 1}},
		"Config.Coefficients: MFCCConfig.Window":                     {Coefficients: MFCCConfig{Window: 3}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	for _, c := range []Config{{}, SC35(), SC10(), Digits()} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
	if len(SC35().Classes) != 35 || names.Repeated(SC35().Classes) >= 0 || len(SC10().Classes) != 10 {
		t.Error("want 35 and 10 words")
	}
}

// Every second sample, scaled as all are.
func TestSubsample(t *testing.T) {
	path := digits().folder(t)
	whole := mustLoad(t, path, Digits(), data.Room{})
	half, err := whole.Test.Subsample(2)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Digits()
	cfg.Subsample = 2
	loaded := mustLoad(t, path, cfg, data.Room{})
	want := examples(t, whole.Test)
	for _, d := range []*Dataset{half, loaded.Test} {
		for i, e := range examples(t, d) {
			var x []float32
			for j := 0; j < len(want[i].x); j += 2 {
				x = append(x, want[i].x[j])
			}
			if !slices.Equal(e.x, x) || e.target != want[i].target {
				t.Fatalf("example %d: got %v, want %v", i, e, x)
			}
		}
	}
	if quarter, err := half.Subsample(2); err != nil || quarter.Encoding().Subsample != 4 {
		t.Errorf("every second of every second: got %v", err)
	}
	if _, err := whole.Test.Subsample(0); err == nil {
		t.Error("0: got no error")
	}
	cfg = Config{Features: FeaturesMFCC, Coefficients: MFCCConfig{Window: 4, Mels: 2, Coefficients: 2}}
	if _, err := mustLoad(t, path, cfg, data.Room{}).Test.Subsample(2); err == nil || !strings.Contains(err.Error(), "want samples, got coefficients") {
		t.Errorf("got error %v", err)
	}
}

// Decimated recordings are those that were resampled, scaled as all are: a tone that
// half the rate holds stays, and one that it cannot hold is gone.
func TestDecimate(t *testing.T) {
	const rate, n = 8000, 1000
	tone := func(hertz float64) *Wave {
		w := &Wave{Rate: rate, Samples: make([]float32, n)}
		for i := range w.Samples {
			w.Samples[i] = float32(0.5 * math.Sin(2*math.Pi*hertz*float64(i)/rate))
		}
		return w
	}
	store := newStore(&catalog{names: []string{"low", "high"}, labels: []int32{0, 0}, listed: make([]uint8, 2), classes: []string{"tone"}}, 1)
	store.rate = rate
	for i, hertz := range []float64{500, 3000} {
		store.at[i], store.lengths[i] = store.steps(), n
		store.samples = appendSamples(store.samples, tone(hertz).Samples)
	}
	whole := &Dataset{store: store, index: []int{0, 1}, code: Encoding{Rate: rate, Subsample: 1, Features: FeaturesRaw, Mean: []float64{0.25}, Dev: []float64{2}}}
	half, err := whole.Decimate(2)
	if err != nil {
		t.Fatal(err)
	}
	got := examples(t, half)
	for i, hertz := range []float64{500, 3000} {
		w, err := tone(hertz).Resample(rate / 2)
		if err != nil {
			t.Fatal(err)
		}
		for j, v := range w.Samples {
			if want := whole.code.scaled(v, 0); math.Abs(float64(got[i].x[j]-want)) > 1e-4 {
				t.Fatalf("%g Hz, step %d: want %g as resampled, got %g", hertz, j, want, got[i].x[j])
			}
		}
	}
	silence := whole.code.scaled(0, 0)
	for j, v := range got[1].x[50:450] {
		if math.Abs(float64(v-silence)) > 1e-3 {
			t.Fatalf("3000 Hz at a rate of 4000, step %d: want silence, %g, got %g", 50+j, silence, v)
		}
	}
	same, err := whole.Decimate(1)
	if err != nil || !slices.Equal(examples(t, same)[1].x, examples(t, whole)[1].x) {
		t.Errorf("every step: want the recordings as they are, got others, error %v", err)
	}
	if _, err := whole.Decimate(0); err == nil || !strings.Contains(err.Error(), "audio: Decimate: want every k-th step") {
		t.Errorf("0: got error %v", err)
	}
}

// Other recordings are scaled as those of the training were.
func TestAs(t *testing.T) {
	path := digits().folder(t)
	cfg := Digits()
	d := mustLoad(t, path, cfg, data.Room{})
	e := d.Encoding
	e.Mean, e.Dev = []float64{0.5}, []float64{2}
	other, err := d.As(e)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Scale = Unit
	for i, unit := range examples(t, mustLoad(t, path, cfg, data.Room{}).Test) {
		if got := examples(t, other.Test)[i].x[0]; got != float32((float64(unit.x[0])-0.5)/2) {
			t.Fatalf("example %d: %v of %v", i, got, unit.x[0])
		}
	}
	if !reflect.DeepEqual(other.Encoding, e) || d.Encoding.Mean[0] == 0.5 {
		t.Errorf("encodings %+v and %+v", other.Encoding, d.Encoding)
	}
	e.Length = 7
	if _, err := d.As(e); err == nil || !strings.Contains(err.Error(), "want recordings as those of the training") {
		t.Errorf("got error %v", err)
	}
	if _, err := d.As(Encoding{}); err == nil {
		t.Error("no encoding: got no error")
	}
}

// An encoding does with a recording what the data set did with its file.
func TestEncode(t *testing.T) {
	files := digits()
	path := files.folder(t)
	for _, cfg := range []Config{
		Digits(), {Length: 7}, {Length: 9, Short: Pad}, {Subsample: 3}, {Rate: 8000, Resample: true, Scale: Unit},
		{Features: FeaturesMFCC, Coefficients: MFCCConfig{Window: 4, Mels: 2, Coefficients: 2}, Length: 20, Short: Pad},
	} {
		d := mustLoad(t, path, cfg, data.Room{})
		for i, e := range examples(t, d.Test) {
			w, err := ReadWAV(bytes.NewReader(files["fsdd/recordings/"+e.origin]))
			if err != nil {
				t.Fatal(err)
			}
			x, err := d.Encoding.Encode(w)
			if err != nil || !slices.Equal(x, e.x) {
				t.Fatalf("%+v: example %d: got %v, %v, want %v", cfg, i, x, err, e.x)
			}
		}
	}
	e := mustLoad(t, path, Digits(), data.Room{}).Encoding
	if _, err := e.Encode(&Wave{16000, make([]float32, 9)}); err == nil || !strings.Contains(err.Error(), "want 8000 samples a second, got 16000") {
		t.Errorf("got error %v", err)
	}
	if _, err := e.Encode(&Wave{8000, nil}); err == nil {
		t.Error("no samples: got no error")
	}
	e.Resample = true
	if x, err := e.Encode(&Wave{16000, make([]float32, 9)}); err != nil || len(x) != 5 {
		t.Errorf("resampled: %d samples, %v, want 5", len(x), err)
	}
	for want, damage := range map[string]func(*Encoding){
		"want a Rate, Subsample and Features": func(e *Encoding) { e.Features = "" },
		"want 1 means and deviations":         func(e *Encoding) { e.Mean = nil },
		"feature 0: want a finite mean":       func(e *Encoding) { e.Dev = []float64{0} },
		"want coefficients of the rate 8000":  func(e *Encoding) { e.Features = FeaturesMFCC },
		"Config.Length":                       func(e *Encoding) { e.Length = -1 },
	} {
		d := e
		damage(&d)
		if _, err := d.Encode(&Wave{8000, make([]float32, 9)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// A list is read or refused; what is read are names of recordings.
func FuzzReadList(f *testing.F) {
	for _, s := range []string{
		"yes/a_nohash_0.wav\n", "\ufeffyes/a.wav\r\n\r\nno/b.wav", "yes/a.wav\x00", "../a.wav", "/a.wav", "a//b.wav", "a/../b.wav", "yes", "\xff/\xfe.wav", strings.Repeat("a", 5000) + "/b.wav",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := readList(data.Member{Name: valList, Size: int64(len(text)), Reader: io.Reader(bytes.NewReader(text))})
		if err != nil {
			return
		}
		for _, name := range list {
			if len(name) > longestName || len(folders(name)) != 1 || !isRecording(name) {
				t.Errorf("read %q", name)
			}
		}
	})
}

// Recordings in memory are presented as those of files.
func TestMake(t *testing.T) {
	files := digits()
	var rs []Recording
	for name, b := range files {
		if !isRecording(name) {
			continue
		}
		w, err := ReadWAV(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, Recording{name, w})
	}
	for _, cfg := range []Config{Digits(), {Length: 3, Short: Drop, ValFraction: 0.3}, {Features: FeaturesMFCC, Coefficients: MFCCConfig{Window: 4, Mels: 2, Coefficients: 2}}} {
		d, err := Make(context.Background(), "memory", rs, cfg, data.Room{Limit: 9})
		want := mustLoad(t, files.folder(t), cfg, data.Room{Limit: 9})
		if err != nil || !reflect.DeepEqual(all(t, d)[0][0].x, all(t, want)[0][0].x) || !reflect.DeepEqual(d.Encoding, want.Encoding) {
			t.Errorf("%+v: got %v, another data set", cfg, err)
		}
		if !strings.HasPrefix(d.Test.Origin(0), "memory:fsdd/") {
			t.Errorf("origin %q", d.Test.Origin(0))
		}
	}
	for want, rs := range map[string][]Recording{
		"audio: memory: want recordings, got none":                         nil,
		`audio: memory: want recordings of different names *.wav, got "x"`: {{"x", rs[0].Wave}},
		`want recordings of different names *.wav, got "a/1.wav"`:          {{"a/1.wav", rs[0].Wave}, {"a/1.wav", rs[0].Wave}},
		"b/1.wav: want 8000 samples a second, got 1":                       {{"a/1.wav", rs[0].Wave}, {"b/1.wav", &Wave{1, []float32{1}}}},
		"want at least one recording, got none of 2":                       {{"a/1.wav", rs[0].Wave}, {"b/1.wav", rs[1].Wave}},
	} {
		if _, err := Make(context.Background(), "memory", rs, Config{}, data.Room{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// An archive that declares much more than it has takes no memory for it.
func TestDeclaredSizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digits.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for i := range 60 {
		w, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%d_a_%d.wav", i%2, i), Method: zip.Deflate, CompressedSize64: 4, UncompressedSize64: maxBytes})
		if err == nil {
			_, err = io.WriteString(w, "RIFF")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Load(t.Context(), path, Config{}, data.Room{})
	runtime.ReadMemStats(&after)
	if err == nil || !strings.HasPrefix(err.Error(), "audio: "+path+":0_a_0.wav: ") {
		t.Errorf("got error %v, want one of the first file", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 2*maxBytes {
		t.Errorf("%d bytes allocated, want those of one file at most", got)
	}
}

// An error of a recording names it once, also when others have been read behind it.
func TestErrorNamesTheRecording(t *testing.T) {
	files := digits()
	for i := range batchFiles {
		files[fmt.Sprintf("recordings/0_theo_%d.wav", 100+i)] = recording(8000, 0, 10)
	}
	files["recordings/0_theo_150.wav"] = []byte("RIFF")
	for _, path := range []string{files.folder(t), files.archive(t)} {
		_, err := Load(t.Context(), path, Config{}, data.Room{})
		if err == nil || !strings.Contains(err.Error(), "0_theo_150.wav: want a WAV file") || strings.Count(err.Error(), ".wav") != 1 {
			t.Errorf("got error %v", err)
		}
	}
}

// A cache in the folder of the recordings is found again.
func TestCacheBesideRecordings(t *testing.T) {
	dir := digits().folder(t)
	room := data.Room{Cache: filepath.Join(dir, "cache")}
	for range 3 {
		mustLoad(t, dir, Config{}, room)
	}
	if files, err := os.ReadDir(room.Cache); err != nil || len(files) != 1 {
		t.Errorf("got %d files in the cache, %v, want 1", len(files), err)
	}
}

// The archive of the recordings may be beside them, however large it is; a recording
// may not be that large.
func TestLargeFiles(t *testing.T) {
	files := digits()
	files["fsdd.tar.gz"] = nil
	files["fsdd/recordings/0_zz_0.wav"] = recording(8000, 0, 3)
	dir := files.folder(t)
	for _, c := range []struct{ name, want string }{{"fsdd.tar.gz", ""}, {"fsdd/recordings/0_zz_0.wav", "0_zz_0.wav: want a recording of at most 268435456 bytes, got 1099511627776"}} {
		if err := os.Truncate(filepath.Join(dir, filepath.FromSlash(c.name)), 1<<40); err != nil {
			t.Skip("no large files here:", err)
		}
		_, err := Load(t.Context(), dir, Config{}, data.Room{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasSuffix(err.Error(), c.want)) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
		}
	}
}
