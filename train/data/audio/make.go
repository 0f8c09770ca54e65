package audio

import (
	"context"
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/train/data"
)

// Recording is a recording with the name of the file that it would be in.
type Recording struct {
	Name string
	*Wave
}

// Make presents recordings that are in memory as Load presents those of files, with
// the same errors. title is where they are from, for errors.
func Make(ctx context.Context, title string, rs []Recording, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d, err := makeData(ctx, title, rs, cfg.withDefaults(), room)
	if err != nil {
		return nil, fmt.Errorf("audio: %s: %w", title, err)
	}
	return d, nil
}

func makeData(ctx context.Context, title string, rs []Recording, cfg Config, room data.Room) (*Data, error) {
	waves := make(map[string]*Wave, len(rs))
	c := &catalog{lists: make([][]string, 2)}
	for _, r := range rs {
		if !isRecording(r.Name) || waves[r.Name] != nil || r.Wave == nil {
			return nil, fmt.Errorf("want recordings of different names *.wav, got %q", r.Name)
		}
		waves[r.Name] = r.Wave
		c.names = append(c.names, r.Name)
	}
	if len(rs) == 0 {
		return nil, fmt.Errorf("want recordings, got none")
	}
	slices.Sort(c.names)
	if err := c.sort(cfg); err != nil {
		return nil, err
	}
	l := &loader{ctx: ctx, path: title, cfg: cfg, room: room, prefix: title + ":"}
	if l.cfg.Rate == 0 {
		l.cfg.Rate = waves[c.names[0]].Rate
	}
	s, err := l.take(c, waves)
	if err != nil {
		return nil, err
	}
	parts, err := s.split(l.cfg, room)
	if err != nil {
		return nil, err
	}
	if l.cfg.Features == FeaturesMFCC {
		if s, err = l.transform(s); err != nil {
			return nil, err
		}
	}
	return newData(ctx, l.prefix, l.cfg, s, parts)
}

// take returns the recordings of a catalog, without those that are to be left out.
func (l *loader) take(c *catalog, waves map[string]*Wave) (*store, error) {
	s := newStore(c, 1)
	s.rate = l.cfg.Rate
	e := newEncoding(l.cfg, l.cfg.Rate)
	for i, n := range c.names {
		w, err := e.fit(waves[n])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		if e.Short == Drop && len(w.Samples) < e.Length {
			continue
		}
		s.at[i], s.lengths[i] = s.steps(), int32(len(w.Samples))
		s.samples = appendSamples(s.samples, w.Samples)
	}
	return s.without()
}
