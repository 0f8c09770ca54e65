package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/audio"
)

// toneNames are the kinds of tones: how pitch and loudness go on, from any pitch.
var toneNames = []string{"steady", "rising", "falling", "peak", "dip", "vibrato", "tremolo", "pulses", "chord", "noise"}

// What tones are like: pitches well below half of half their rate, so that nothing is
// lost at it.
const (
	toneRate       = 8000
	toneLength     = 4000 // the most samples, twice as many as the fewest
	lowest, octave = 200., 2.
)

// generate makes tones in the place of recordings: as many of each class. A task of
// other classes has its classes told by pitch.
func (o *options) generate(ctx context.Context, cfg audio.Config, room data.Room) (*audio.Data, string, error) {
	if cfg.Rate == 0 {
		cfg.Rate = toneRate
	}
	length := cfg.Length
	if length == 0 {
		length = toneLength
	}
	names := cfg.Classes
	switch {
	case cfg.Layout == audio.SpokenDigits:
		names = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	case names == nil:
		names = toneNames
	}
	note := fmt.Sprintf("the %d recordings of each class are generated tones", o.Generated)
	own := slices.Equal(names, toneNames)
	if !own {
		note += ", in the place of words: this is no result about " + o.name
	}
	cfg.Layout, cfg.Classes, cfg.Split, cfg.Speaker = audio.Folders, names, audio.Random, ""
	rs := make([]audio.Recording, len(names)*o.Generated)
	err := data.Each(ctx, len(rs), func(i int) error {
		class, r := i%len(names), rand.New(rand.NewPCG(cfg.Seed, uint64(i)))
		n := length
		if cfg.Short != audio.Drop {
			n = max(1, length/2+r.IntN(length/2+1))
		}
		rs[i] = audio.Recording{Name: fmt.Sprintf("%s/%d.wav", names[class], i/len(names)), Wave: &audio.Wave{Rate: cfg.Rate, Samples: make([]float32, n)}}
		if kind := class; own {
			tone(rs[i].Samples, kind, cfg.Rate, r)
		} else {
			pitched(rs[i].Samples, class, len(names), cfg.Rate, r)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	d, err := audio.Make(ctx, "generated tones", rs, cfg, room)
	return d, note, err
}

// tone fills a recording with a tone of a kind, at a pitch, a loudness and a phase that
// are drawn, in some noise.
func tone(x []float32, kind, rate int, r *rand.Rand) {
	pitch := lowest * math.Pow(octave, 1+r.Float64()) // 400 to 800 Hz
	loud, noise := 0.2+0.3*r.Float64(), 0.02
	phase := 2 * math.Pi * r.Float64()
	for i := range x {
		t := float64(i) / float64(len(x)) // 0 to 1
		seconds := float64(i) / float64(rate)
		f, a := pitch, loud
		switch toneNames[kind] {
		case "rising":
			f *= math.Pow(octave, t-0.5)
		case "falling":
			f *= math.Pow(octave, 0.5-t)
		case "peak":
			f *= math.Pow(octave, 0.5-math.Abs(2*t-1))
		case "dip":
			f *= math.Pow(octave, math.Abs(2*t-1)-0.5)
		case "vibrato":
			f *= 1 + 0.1*math.Sin(2*math.Pi*12*seconds)
		case "tremolo":
			a *= 0.55 + 0.45*math.Sin(2*math.Pi*12*seconds)
		case "pulses":
			if math.Mod(10*seconds, 1) > 0.4 {
				a = 0
			}
		}
		phase += 2 * math.Pi * f / float64(rate)
		v := a * math.Sin(phase)
		switch toneNames[kind] {
		case "chord":
			v = a / 2 * (math.Sin(phase) + math.Sin(1.5*phase))
		case "noise":
			v = a / 2 * r.NormFloat64()
		}
		x[i] = float32(v + noise*r.NormFloat64())
	}
}

// pitched fills a recording with one of so many pitches, half an octave in all, of a
// loudness and phase that are drawn, in some noise.
func pitched(x []float32, class, classes, rate int, r *rand.Rand) {
	f := 2 * lowest * math.Pow(octave, 1.5*float64(class)/float64(classes))
	loud, phase := 0.2+0.3*r.Float64(), 2*math.Pi*r.Float64()
	for i := range x {
		x[i] = float32(loud*math.Sin(phase+2*math.Pi*f*float64(i)/float64(rate)) + 0.02*r.NormFloat64())
	}
}
