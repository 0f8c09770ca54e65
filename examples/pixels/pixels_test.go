package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/examples/internal/experiment/experimenttest"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data/cifar"
	"github.com/gorgonia-s4/s4/train/data/mnist"
)

// of returns the program with some of its tasks.
func of(tasks ...experiment.Task) experiment.Program {
	p := program
	p.Tasks = tasks
	return p
}

func TestPresets(t *testing.T) { experimenttest.Presets(t, of(sMNIST, sCIFAR)) }

// All images of MNIST's format have the same recipes.
func TestRecipesOfMNIST(t *testing.T) {
	for _, preset := range []string{"paper", "small", "smoke"} {
		var want *experiment.Recipe
		for _, name := range []string{"smnist", "pmnist", "fashion"} {
			got, err := program.Check([]string{"-task", name, "-preset", preset, "-data", "x", "-out", "x"}, 54000, mnist.Length)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = got
			}
			if !reflect.DeepEqual(got.Model, want.Model) || !reflect.DeepEqual(got.Train, want.Train) {
				t.Errorf("%s-%s: another recipe than smnist-%s", name, preset, preset)
			}
		}
	}
}

func TestEveryOption(t *testing.T) {
	experimenttest.EveryOption(t, of(sMNIST, sCIFAR), map[string][]string{
		"generated": {"0", "20", "1000"}, "order-seed": {"0", "7"},
	})
}

func TestHelp(t *testing.T) { experimenttest.HelpFits(t, program) }

// The smoke presets train on what is drawn.
func TestSmoke(t *testing.T) {
	for name, want := range map[string]string{
		"smnist":  "digits of seven segments: 36 training, 4 validation, 20 test examples",
		"pmnist":  "digits of seven segments, pixels in bit-reversed order: 36 training",
		"fashion": "digits of seven segments: 36 training",
		"scifar":  "shapes in colours: 36 training, 4 validation, 20 test examples",
	} {
		dir := t.TempDir()
		out := experimenttest.MustRun(t, program, "-task", name, "-preset", "smoke", "-cache", dir, "-out", filepath.Join(dir, "run"))
		for _, want := range []string{want, "test accuracy", "always guessing the commonest class: 10.00 %"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", name, want, out)
			}
		}
	}
}

// A user's own images are predicted, one of a file or many.
func TestSmokeOfFiles(t *testing.T) {
	digit := load(t, &mnistOptions{Order: mnist.Rows, Generated: 40}).Train.(*mnist.Dataset).Picture(0)
	for name, content := range map[string][]byte{
		"pmnist": idx(slices.Concat(digit.Pix, digit.Pix), 0x803, 2, mnist.Side, mnist.Side),
		"scifar": encode(t, image.NewRGBA(image.Rect(0, 0, cifar.Side, cifar.Side))),
	} {
		file := filepath.Join(t.TempDir(), "mine")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		experimenttest.Smoke(t, program, name, file)
	}
}

// idx makes a file of MNIST's format.
func idx(elements []byte, header ...uint32) []byte {
	var b []byte
	for _, v := range header {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return append(b, elements...)
}

// zipped compresses a file.
func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// writeMNIST writes 20 training and 4 test images.
func writeMNIST(t *testing.T, dir string) {
	t.Helper()
	for name, content := range map[string][]byte{
		"train-images-idx3-ubyte":   idx(make([]byte, 20*mnist.Length), 0x803, 20, mnist.Side, mnist.Side),
		"train-labels-idx1-ubyte":   idx(bytes.Repeat([]byte{1, 2}, 10), 0x801, 20),
		"t10k-images-idx3-ubyte.gz": zipped(t, idx(make([]byte, 4*mnist.Length), 0x803, 4, mnist.Side, mnist.Side)),
		"t10k-labels-idx1-ubyte":    idx([]byte{1, 1, 1, 2}, 0x801, 4),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPublishedFiles(t *testing.T) {
	dir := t.TempDir()
	writeMNIST(t, dir)
	out := experimenttest.MustRun(t, program, "-task", "fashion", "-preset", "smoke", "-data", dir, "-limit", "10", "-out", filepath.Join(dir, "run"))
	if want := "Fashion-MNIST: 10 training, 2 validation, 4 test examples (-limit 10); always guessing the commonest class is 75.00 % of the test examples"; !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
	if err := os.Remove(filepath.Join(dir, "t10k-labels-idx1-ubyte")); err != nil {
		t.Fatal(err)
	}
	_, err := experimenttest.Run(t, t.Context(), program, "-task", "smnist", "-preset", "smoke", "-data", dir, "-out", filepath.Join(dir, "run2"))
	if err == nil || !strings.Contains(err.Error(), "want a file t10k-labels-idx1-ubyte") {
		t.Errorf("a missing file: error %v", err)
	}
}

func TestErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"-task smnist and -task pmnist need -data: the four": {"-task", "pmnist"},
		"-task scifar needs -data":                           {"-task", "scifar"},
		"-generated: want 0 or >= 20, got 3":                 {"-generated", "3"},
		"-generated: want 0 or >= 20, got 4":                 {"-task", "scifar", "-generated", "4"},
		"want one of rows, bit-reversal, random":             {"-order", "hilbert"},
		"no such file":                                       {"-task", "fashion", "-data", "/nonexistent"},
		"nonexistent: no such file":                          {"-task", "scifar", "-data", "/nonexistent"},
	} {
		args = append(args, "-out", filepath.Join(t.TempDir(), "run"), "-cache", t.TempDir())
		if _, err := experimenttest.Run(t, t.Context(), program, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
}

// load loads what a task draws.
func load(t *testing.T, o experiment.Options) *experiment.Data {
	t.Helper()
	d, err := o.Load(context.Background(), experiment.Source{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// read reads a file of a user.
func read(t *testing.T, c experiment.Codec, file []byte) (all []experiment.Example) {
	t.Helper()
	err := c.Read(bytes.NewReader(file), "file", func(e experiment.Example) error {
		all = append(all, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantExample checks that an example is example i of the training data.
func wantExample(t *testing.T, d *experiment.Data, e experiment.Example, i int) {
	t.Helper()
	b := task.NewBatch(d.Train)
	if err := b.Load([]int{i}, 1, d.Train.Length(i)); err != nil {
		t.Fatal(err)
	}
	want, err := b.Array(task.X)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float64, 0, want.Len())
	for _, v := range e.Tokens {
		got = append(got, float64(v))
	}
	for _, v := range e.Features {
		got = append(got, float64(v))
	}
	if len(got) != want.Len() || e.Target != task.Ignore {
		t.Fatalf("got %d numbers, target %d, want %d, %d", len(got), e.Target, want.Len(), task.Ignore)
	}
	for k, v := range got {
		if math.Abs(v-want.At(k)) > 1e-6 {
			t.Fatalf("number %d is %g, want %g", k, v, want.At(k))
		}
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

// An image of a user, and one of a file of many, are what the data set has, and are
// shown as they are, in every order.
func TestDigits(t *testing.T) {
	for _, order := range []mnist.Order{mnist.Rows, mnist.BitReversal, mnist.Random} {
		d := load(t, &mnistOptions{Order: order, OrderSeed: 5, Generated: 40})
		digits := d.Train.(*mnist.Dataset)
		many := idx(slices.Concat(digits.Picture(3).Pix, digits.Picture(4).Pix), 0x803, 2, mnist.Side, mnist.Side)
		for _, file := range [][]byte{many, zipped(t, many)} {
			all := read(t, d.Codec, file)
			if len(all) != 2 || all[1].Origin != "file: image 1" {
				t.Fatalf("got %d examples, want 2", len(all))
			}
			wantExample(t, d, all[0], 3)
			wantExample(t, d, all[1], 4)
		}
		one := read(t, d.Codec, encode(t, digits.Picture(3)))
		wantExample(t, d, one[0], 3)
		if got := d.Codec.Show(one[0]).Pixels; !bytes.Equal(got, digits.Picture(3).Pix) {
			t.Errorf("%s: shown as another image", order)
		}
		stop := errors.New("stop")
		if err := d.Codec.Read(bytes.NewReader(many), "file", func(experiment.Example) error { return stop }); err != stop {
			t.Errorf("an error of who reads: got %v", err)
		}
		for _, bad := range [][]byte{many[:len(many)-1], {0, 0}, {0x1f, 0x8b}, nil, []byte("text")} {
			if err := d.Codec.Read(bytes.NewReader(bad), "file", func(experiment.Example) error { return nil }); err == nil || !strings.HasPrefix(err.Error(), "file: ") {
				t.Errorf("a file of %d bytes: error %v", len(bad), err)
			}
		}
	}
	for o, want := range map[*mnistOptions]string{{Order: mnist.Rows, fashion: true}: "ankle boot", {Order: mnist.Rows}: "9"} {
		if got := o.codec(false).Classes()[9]; got != want {
			t.Errorf("class 9 is %q, want %q", got, want)
		}
	}
}

func TestImages(t *testing.T) {
	for _, encoding := range []cifar.Encoding{cifar.RGB, cifar.Gray, cifar.Tokens} {
		d := load(t, &cifarOptions{Encoding: encoding, Generated: 40})
		colours := load(t, &cifarOptions{Encoding: cifar.RGB, Generated: 40})
		b := task.NewBatch(colours.Train)
		if err := b.Load([]int{2}, 1, cifar.Length); err != nil {
			t.Fatal(err)
		}
		x, err := b.Array(task.X)
		if err != nil {
			t.Fatal(err)
		}
		mean, deviation := cifar.RGB.Scale()
		img := image.NewRGBA(image.Rect(0, 0, cifar.Side, cifar.Side))
		for i := range cifar.Length {
			v := func(c int) uint8 { return uint8(math.Round(255 * (x.At(3*i+c)*deviation[c] + mean[c]))) }
			img.Set(i%cifar.Side, i/cifar.Side, color.RGBA{v(0), v(1), v(2), 255})
		}
		wantExample(t, d, read(t, d.Codec, encode(t, img))[0], 2)
		if got := d.Codec.Classes()[0]; got != "warm disc" {
			t.Errorf("class 0 is %q", got)
		}
	}
}

func TestReplicas(t *testing.T) { experimenttest.Replicas(t, program, "smnist") }
