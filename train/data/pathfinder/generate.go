package pathfinder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gorgonia-s4/s4/train/data"
)

// generatorVersion changes whenever the same Config would give other pictures, so
// that no older cache is taken for them.
const generatorVersion = 1

// Generate draws the data set of cfg, or takes it from the room's cache if an
// earlier Generate left it there. Picture i depends on the seed and on i alone, so
// the result depends on cfg only. A room with a limit draws only what it lets in,
// unless all is in the cache. In memory a picture of 32 x 32 pixels takes about 0.8
// kB, one of 128 x 128 about 4.
func Generate(ctx context.Context, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	from := source{
		n:     cfg.Pictures,
		cache: room.Keep("pathfinder", fmt.Sprintf("%d-%s-seed%d", cfg.Resolution, cfg.Difficulty, cfg.Seed), cfg.note()),
		fetch: func(ctx context.Context, numbers []int) (*pictures, error) { return cfg.drawAll(ctx, numbers, room) },
	}
	d, err := from.load(ctx, cfg, room)
	if err != nil {
		return nil, fmt.Errorf("pathfinder: generate: %w", err)
	}
	return d, nil
}

// drawAll draws the pictures of the given numbers.
func (c Config) drawAll(ctx context.Context, numbers []int, room data.Room) (*pictures, error) {
	meter := room.Meter(fmt.Sprintf("drawing pictures of %d x %d pixels", c.Resolution, c.Resolution), int64(len(numbers)))
	defer meter.Close()
	artists := c.artists()
	p := &pictures{side: c.Resolution}
	err := p.gather(ctx, len(numbers), meter, func(i int, b []uint8) ([]uint8, uint8, error) {
		a := artists.Get().(*artist)
		defer artists.Put(a)
		d, err := a.draw(ctx, c.Seed, uint64(numbers[i]), a.pixels)
		return pack(b, a.pixels), d.label, err
	})
	return p, err
}

// artists returns artists of the pictures of c for many goroutines.
func (c Config) artists() *sync.Pool {
	t := newTools(published(c.Resolution, c.Difficulty))
	return &sync.Pool{New: func() any { return t.artist() }}
}

// source is where pictures come from.
type source struct {
	n      int // of all of them; -1 is not known before they are fetched, all at once
	origin place
	cache  data.Cache
	// fetch makes the pictures of the given numbers, which ascend.
	fetch func(ctx context.Context, numbers []int) (*pictures, error)
	files bool // they are of files
}

// errNotKept says that there is no cache of the pictures.
var errNotKept = errors.New("not kept")

// load presents the pictures as cfg and the room say.
func (s *source) load(ctx context.Context, cfg Config, room data.Room) (*Data, error) {
	kept := data.Kept[*pictures]{
		Make:    func() (*pictures, error) { return s.fetch(ctx, upTo(max(s.n, 0))) },
		Save:    (*pictures).tensors,
		Restore: func(ts []data.Tensor) (*pictures, error) { return s.restore(ctx, ts, cfg) },
	}
	limited := room.Limit > 0 && s.n >= 0
	if limited { // and so there is no use in making all
		kept.Make = func() (*pictures, error) { return nil, errNotKept }
	}
	p, err := data.Load(s.cache, kept)
	if !limited || err != errNotKept {
		if err != nil {
			return nil, err
		}
		return cfg.present(p, nil, cfg.split(p.len(), room), s.origin), nil
	}
	parts := cfg.split(s.n, room)
	all := slices.Concat(parts[:]...)
	slices.Sort(all)
	if p, err = s.fetch(ctx, all); err != nil {
		return nil, err
	}
	return cfg.present(p, all, parts, s.origin), nil
}

// restore returns the pictures of a file of the cache.
func (s *source) restore(ctx context.Context, ts []data.Tensor, cfg Config) (*pictures, error) {
	p, err := restore(ctx, ts, cfg.Resolution, s.files)
	if err == nil && s.n >= 0 && p.len() != s.n {
		err = fmt.Errorf("want %d pictures, got %d", s.n, p.len())
	}
	return p, err
}

// upTo returns 0 to n-1.
func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
