package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	goimage "image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/examples/internal/experiment/experimenttest"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/pathfinder"
)

// show runs the command that shows pictures.
func show(args ...string) (string, error) {
	var out bytes.Buffer
	err := pictures(context.Background(), args, &out)
	return out.String(), err
}

// Above are the pictures with a path, below those without.
func TestContactSheet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sheet.png")
	if out, err := show("-difficulty", "easy", "-sheet", path, "-seed", "3", "-pictures", "1000"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	const side, zoom, each, columns = 32, 3, 100, 10
	if b := img.Bounds(); b.Dx() != columns*each || b.Dy() != columns*each {
		t.Fatalf("got a sheet of %v", b)
	}
	d, err := pathfinder.Generate(context.Background(), pathfinder.Config{Difficulty: pathfinder.Easy, Pictures: 1000, Seed: 3}, data.Room{Limit: 400})
	if err != nil {
		t.Fatal(err)
	}
	var at [2]int
	for i := range d.Train.Len() {
		label := d.Train.Label(i)
		n := at[label]
		at[label]++
		if n >= 50 {
			continue
		}
		left, top := n%columns*each, (n/columns+5*(1-label))*each
		r, g, _, _ := img.At(left, top).RGBA()
		if (g > r) != (label == 1) {
			t.Errorf("picture %d of label %d has another frame", i, label)
		}
		p := d.Train.Picture(i)
		for y := range side {
			for x := range side {
				if got := color.GrayModel.Convert(img.At(left+frameSide+x*zoom, top+frameSide+y*zoom)); got != p.GrayAt(x, y) {
					t.Fatalf("picture %d: pixel (%d, %d) is %v, want %v", i, y, x, got, p.GrayAt(x, y))
				}
			}
		}
	}
}

// A user's own picture is predicted.
func TestSmokeOfPictures(t *testing.T) {
	for name, side := range map[string]int{"pathfinder": 32, "pathx": 64} {
		file := filepath.Join(t.TempDir(), "mine.png")
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(png.Encode(f, goimage.NewGray(goimage.Rect(0, 0, side, side))), f.Close()); err != nil {
			t.Fatal(err)
		}
		experimenttest.Smoke(t, program, name, file)
	}
}

// What is written is read and trained on like what is drawn.
func TestWrittenPictures(t *testing.T) {
	dir := t.TempDir()
	if out, err := show("-difficulty", "easy", "-pictures", "40", "-write", dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	common := []string{"-task", "pathfinder", "-preset", "smoke"}
	drawn := mustRun(t, append(common, "-cache", t.TempDir(), "-out", filepath.Join(dir, "drawn"))...)
	read := mustRun(t, append(common, "-cache", t.TempDir(), "-data", dir, "-out", filepath.Join(dir, "read"))...)
	result := func(out string) string {
		_, after, _ := strings.Cut(out, "test accuracy")
		line, _, _ := strings.Cut(after, "\n")
		return line
	}
	if result(drawn) == "" || result(drawn) != result(read) {
		t.Errorf("got %q of pictures that are drawn, %q of those that are read", result(drawn), result(read))
	}
}

func TestPictureErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"want -sheet, -write or both":            {},
		"want none with -data":                   {"-write", "x", "-data", "x"},
		"-resolution: want one of [32 64 128 25": {"-resolution", "31", "-sheet", "x"},
		"-pictures: want 3 to":                   {"-pictures", "1", "-sheet", "x"},
		"no such file":                           {"-data", "/nonexistent", "-sheet", "x"},
	} {
		if _, err := show(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pictures(ctx, []string{"-write", t.TempDir()}, io.Discard); err == nil || !strings.Contains(err.Error(), "interrupted (context canceled) before all was written") {
		t.Errorf("interrupted: error %v", err)
	}
	if out, err := show("-h"); err != flag.ErrHelp || !strings.HasPrefix(out, "usage: lra pictures") || !strings.Contains(out, "-difficulty") {
		t.Errorf("-h: error %v\n%s", err, out)
	}
}

// A picture of a file is what the data set has.
func TestPathCodec(t *testing.T) {
	for _, encoding := range []pathfinder.Encoding{pathfinder.Unit, pathfinder.Centred, pathfinder.Tokens} {
		o := pathOptions{Resolution: 32, Difficulty: pathfinder.Easy, Encoding: encoding, Pictures: 5}
		d, err := o.Load(context.Background(), experiment.Source{})
		if err != nil {
			t.Fatal(err)
		}
		checkCodec(t, d, d.Train.(*pathfinder.Dataset).Picture(1), 1)
	}
}

// checkCodec checks that an image of a file becomes example i of the training data,
// and is shown as it is.
func checkCodec(t *testing.T, d *experiment.Data, img goimage.Image, i int) {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	var got []experiment.Example
	err := d.Codec.Read(&file, "picture.png", func(e experiment.Example) error {
		got = append(got, e)
		return nil
	})
	if err != nil || len(got) != 1 {
		t.Fatalf("got %d examples, %v, want 1", len(got), err)
	}
	b := task.NewBatch(d.Train)
	if err := b.Load([]int{i}, 1, d.Train.Length(i)); err != nil {
		t.Fatal(err)
	}
	want, err := b.Array(task.X)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got[0].Features) + len(got[0].Tokens); n != want.Len() {
		t.Fatalf("got %d numbers, want %d", n, want.Len())
	}
	for k := range want.Len() {
		v := 0.0
		if got[0].Tokens != nil {
			v = float64(got[0].Tokens[k])
		} else {
			v = float64(got[0].Features[k])
		}
		if math.Abs(v-want.At(k)) > 1e-6 {
			t.Fatalf("step %d is %g, want %g", k, v, want.At(k))
		}
	}
	shown := d.Codec.Show(got[0])
	for k, v := range shown.Pixels {
		if c := color.GrayModel.Convert(img.At(k%shown.Width, k/shown.Width)).(color.Gray); c.Y != v {
			t.Fatalf("pixel %d is shown as %d, want %d", k, v, c.Y)
		}
	}
}
