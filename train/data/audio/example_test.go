package audio_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/audio"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// tone returns half a second of a tone.
func tone(frequency float64) *audio.Wave {
	w := &audio.Wave{Rate: 8000, Samples: make([]float32, 4000)}
	for i := range w.Samples {
		w.Samples[i] = float32(0.5 * math.Sin(2*math.Pi*frequency*float64(i)/float64(w.Rate)))
	}
	return w
}

// Recordings in folders, one for each class, read and split; the same at half the rate;
// and one of a user's own, encoded as they are.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "audio")
	check(err)
	defer os.RemoveAll(dir)
	for class, frequency := range map[string]float64{"low": 200, "high": 900} {
		check(os.Mkdir(filepath.Join(dir, class), 0o755))
		for i := range 6 {
			f, err := os.Create(filepath.Join(dir, class, fmt.Sprint(i, ".wav")))
			check(err)
			check(audio.WriteWAV(f, tone(frequency+float64(i))), f.Close())
		}
	}
	cfg := audio.Config{
		Layout: audio.Folders, Split: audio.Random, ValFraction: 0.2, TestFraction: 0.2,
		Length: 4000, Short: audio.Pad, Features: audio.FeaturesRaw, Scale: audio.Standard,
	}
	check(cfg.Validate())
	d, err := audio.Load(context.Background(), dir, cfg, data.Room{})
	check(err)
	var test *audio.Dataset = d.Test
	fmt.Println(d.Classes, test.Length(0), "steps,", test.ClassCounts(), test.Target(0) < 2, test.Origin(0) != "")
	half, err := test.Subsample(2)
	check(err)
	fmt.Println(half.Length(0), "steps at half the rate")
	half, err = test.Decimate(2) // without the tones that half the rate cannot hold
	check(err)
	fmt.Println(half.Length(0), "steps behind a low-pass filter")

	var e audio.Encoding = test.Encoding() // saved beside a model
	steps, err := e.Encode(tone(440))
	check(err)
	fmt.Println(len(steps)/e.Width(), "steps of", e.Width(), "feature")
	same, err := d.As(e) // scaled as the recordings of a model that has been trained
	check(err)
	fmt.Println(same.Test.Len() == test.Len())
	// Output:
	// [high low] 4000 steps, [1 1] true true
	// 2000 steps at half the rate
	// 2000 steps behind a low-pass filter
	// 4000 steps of 1 feature
	// true
}

// Recordings in memory, as coefficients; and the tasks of the papers.
func ExampleMake() {
	var rs []audio.Recording
	for i := range 8 {
		rs = append(rs, audio.Recording{Name: fmt.Sprintf("%s/%d.wav", []string{"low", "high"}[i%2], i), Wave: tone(200 + 700*float64(i%2))})
	}
	d, err := audio.Make(context.Background(), "tones", rs, audio.Config{
		Layout: audio.Folders, Split: audio.Random, ValFraction: 0.25, TestFraction: 0.25,
		Features: audio.FeaturesMFCC, Short: audio.Keep, Scale: audio.Standard,
	}, data.Room{})
	check(err)
	fmt.Println(d.Train.Len(), d.Val.Len(), d.Test.Len(), d.Encoding.Width(), "coefficients")
	fmt.Println(audio.SC35().Split, audio.SC10().Short, audio.Digits().Layout)
	// Output:
	// 4 2 2 20 coefficients
	// official drop spoken-digits
}

// A file, raw samples, another rate, and the coefficients of a recording.
func ExampleReadWAV() {
	var file bytes.Buffer
	check(audio.WriteWAV(&file, tone(440)))
	w, err := audio.ReadWAV(&file)
	check(err)
	slow, err := w.Resample(4000)
	check(err)
	fmt.Println(len(w.Samples), len(slow.Samples))

	raw := binary.LittleEndian.AppendUint16(nil, 1<<14)
	pcm, err := audio.ReadPCM(bytes.NewReader(raw), 8000)
	check(err)
	_, err = audio.ReadPCM(bytes.NewReader(raw), audio.MaxRate+1)
	fmt.Println(pcm.Samples, err != nil)

	mfcc, err := audio.NewMFCC(audio.MFCCConfig{Rate: 8000, Mels: 32})
	check(err)
	v, err := mfcc.Compute(nil, w.Samples)
	check(err)
	fmt.Println(mfcc.Frames(len(w.Samples)), "frames of", mfcc.Features(), len(v))
	// Output:
	// 4000 2000
	// [0.5] true
	// 41 frames of 20 820
}
