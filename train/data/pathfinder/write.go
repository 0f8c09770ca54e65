package pathfinder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/train/data"
)

// batchPictures is the number of pictures of a folder imgs/<number>, as published.
const batchPictures = 1000

// noteName is the file that says what Write wrote beside it.
const noteName = "generated.json"

// note is what the pictures of a folder depend on.
type note struct {
	Version    int        `json:"generator_version"`
	Resolution int        `json:"resolution"`
	Difficulty Difficulty `json:"difficulty"`
	Pictures   int        `json:"pictures"`
	Seed       uint64     `json:"seed"`
}

// note returns what the generated pictures of c depend on.
func (c Config) note() note {
	return note{generatorVersion, c.Resolution, c.Difficulty, c.Pictures, c.Seed}
}

// Write draws the pictures that [Generate] draws, and writes them below dir as the
// published ones are: PNG files in pathfinder32/curv_contour_length_14/imgs/<number>,
// a thousand in each folder, and lines of text in metadata/<number>.npy. [Load] gives
// the same data set from there.
//
// A folder appears when all its pictures are written, and its metadata after that. If
// Write ends early, by an error, by its context or by the end of the program, the
// same call goes on where it was. A folder with other pictures is an error.
func Write(ctx context.Context, dir string, cfg Config, room data.Room) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	_, difficulty := cfg.Difficulty.contour()
	w := &writer{cfg: cfg, dir: filepath.Join(dir, cfg.setName(), difficulty), artists: cfg.artists(), params: published(cfg.Resolution, cfg.Difficulty)}
	w.encoder.BufferPool = new(buffers)
	w.meter = room.Meter("writing pictures to "+w.dir, int64(cfg.Pictures))
	defer w.meter.Close()
	if err := w.begin(); err != nil {
		return fmt.Errorf("pathfinder: write: %w", err)
	}
	for b := 0; b*batchPictures < cfg.Pictures; b++ {
		if err := w.batch(ctx, b); err != nil {
			return fmt.Errorf("pathfinder: write: %w", err)
		}
	}
	return nil
}

// writer writes the folder of a difficulty.
type writer struct {
	cfg     Config
	params  parameters
	dir     string
	artists *sync.Pool
	encoder png.Encoder
	meter   *data.Meter
}

// buffers is the memory of encoders.
type buffers struct{ pool sync.Pool }

// Get implements png.EncoderBufferPool.
func (b *buffers) Get() *png.EncoderBuffer {
	m, _ := b.pool.Get().(*png.EncoderBuffer) // nil makes the encoder get its own
	return m
}

// Put implements png.EncoderBufferPool.
func (b *buffers) Put(m *png.EncoderBuffer) { b.pool.Put(m) }

// begin makes the folder, or finds out that it is the right one.
func (w *writer) begin() error {
	want, err := json.Marshal(w.cfg.note())
	if err != nil {
		return err
	}
	path := filepath.Join(w.dir, noteName)
	got, err := os.ReadFile(path)
	switch {
	case err == nil && !bytes.Equal(bytes.TrimSpace(got), want):
		return fmt.Errorf("%s: want a folder of the pictures %s, got one of %s", w.dir, want, bytes.TrimSpace(got))
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for _, sub := range []string{"imgs", "metadata"} {
		if _, err := os.Lstat(filepath.Join(w.dir, sub)); err == nil {
			return fmt.Errorf("%s: want a folder without pictures from elsewhere, got one with %s", w.dir, sub)
		}
	}
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, 0o644, func(f io.Writer) error {
		_, err := f.Write(append(want, '\n'))
		return err
	})
}

// batch writes a folder and its metadata, if these are not there.
func (w *writer) batch(ctx context.Context, b int) error {
	first := b * batchPictures
	n := min(batchPictures, w.cfg.Pictures-first)
	imgs, meta := filepath.Join(w.dir, "imgs"), filepath.Join(w.dir, "metadata")
	name := filepath.Join(meta, fmt.Sprintf("%d.npy", b))
	if _, err := os.Stat(name); err == nil {
		w.meter.Add(int64(n))
		return nil
	}
	final, part := filepath.Join(imgs, fmt.Sprint(b)), filepath.Join(imgs, fmt.Sprintf(".%d.tmp", b))
	for _, old := range []string{final, part} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	for _, dir := range []string{part, meta} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	lines := make([]string, n)
	err := data.Each(ctx, n, func(i int) (err error) {
		lines[i], err = w.picture(ctx, part, b, i)
		w.meter.Add(1)
		return err
	})
	if err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	if err := os.Rename(part, final); err != nil {
		return err
	}
	return atomicfile.Write(name, 0o644, func(f io.Writer) error {
		for _, l := range lines {
			if _, err := io.WriteString(f, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// picture writes picture i of batch b into dir and returns its line of metadata.
func (w *writer) picture(ctx context.Context, dir string, b, i int) (line string, err error) {
	a := w.artists.Get().(*artist)
	defer w.artists.Put(a)
	d, err := a.draw(ctx, w.cfg.Seed, uint64(b*batchPictures+i), a.pixels)
	if err != nil {
		return "", err
	}
	side := w.cfg.Resolution
	var content bytes.Buffer
	if err := w.encoder.Encode(&content, &image.Gray{Pix: a.pixels, Stride: side, Rect: image.Rect(0, 0, side, side)}); err != nil {
		return "", err
	}
	p := &w.params
	line = fmt.Sprintf("imgs/%d sample_%d.png %d %d %g %d %d %d %g %d %d\n",
		b, i, i, d.label, p.continuity, p.paddles, p.distractor, p.length, p.thickness, d.margin, 1)
	return line, os.WriteFile(filepath.Join(dir, fmt.Sprintf("sample_%d.png", i)), content.Bytes(), 0o644)
}
