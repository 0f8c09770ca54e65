package audio

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
)

// store is recordings in memory: the samples of 16 bits, or the coefficients.
type store struct {
	catalog
	rate int

	at      []int64   // where each recording begins, in steps; -1: it has not been read
	lengths []int32   // its steps
	samples []byte    // 2 for each sample; nil if there are coefficients
	frames  []float32 // (steps, width)
	width   int       // of a step: 1 for samples
}

// newStore returns one without recordings.
func newStore(c *catalog, width int) *store {
	s := &store{catalog: *c, width: width, at: make([]int64, len(c.names)), lengths: make([]int32, len(c.names))}
	s.sizes = nil
	for i := range s.at {
		s.at[i] = -1
	}
	return s
}

// steps returns the number of steps that are held.
func (s *store) steps() int64 {
	if s.samples != nil {
		return int64(len(s.samples) / 2)
	}
	return int64(len(s.frames) / s.width)
}

// recording returns the bytes of recording i.
func (s *store) recording(i int) []byte {
	return s.samples[2*s.at[i] : 2*(s.at[i]+int64(s.lengths[i]))]
}

// coefficients returns those of recording i, (length, width).
func (s *store) coefficients(i int) []float32 {
	w := int64(s.width)
	return s.frames[w*s.at[i] : w*(s.at[i]+int64(s.lengths[i]))]
}

// without returns the store without the recordings that have not been read.
func (s *store) without() (*store, error) {
	o := *s
	o.names, o.labels, o.listed, o.at, o.lengths = nil, nil, nil, nil, nil
	for i, at := range s.at {
		if at < 0 {
			continue
		}
		o.names, o.labels, o.listed = append(o.names, s.names[i]), append(o.labels, s.labels[i]), append(o.listed, s.listed[i])
		o.at, o.lengths = append(o.at, at), append(o.lengths, s.lengths[i])
	}
	return &o, o.checkClasses()
}

// Names of the tensors in a file of the cache.
const (
	tensorHead    = "head" // rate, width, and which of the lists there are
	tensorLayout  = "layout"
	tensorClasses = "classes" // a line each
	tensorNames   = "names"
	tensorLabels  = "labels"
	tensorListed  = "listed"
	tensorAt      = "at"
	tensorLengths = "lengths"
	tensorSamples = "samples"
	tensorFrames  = "frames"
)

// tensors returns the store as a file of the cache has it.
func (s *store) tensors() []data.Tensor {
	lists := [2]int64{}
	for i, l := range s.lists {
		if l != nil {
			lists[i] = 1
		}
	}
	ts := []data.Tensor{
		vector(tensorHead, []int64{int64(s.rate), int64(s.width), lists[0], lists[1]}),
		vector(tensorLayout, []byte(s.layout)),
		vector(tensorClasses, []byte(strings.Join(s.classes, "\n"))),
		vector(tensorNames, []byte(strings.Join(s.names, "\n"))),
		vector(tensorLabels, s.labels), vector(tensorListed, s.listed),
		vector(tensorAt, s.at), vector(tensorLengths, s.lengths),
	}
	if s.samples != nil {
		return append(ts, vector(tensorSamples, s.samples))
	}
	return append(ts, vector(tensorFrames, s.frames))
}

func vector[T any](name string, v []T) data.Tensor {
	return data.Tensor{Name: name, Shape: []int{len(v)}, Data: v}
}

// restore returns the store that tensors were made of, of samples or of
// coefficients.
func restore(ts []data.Tensor, features Features) (*store, error) {
	var t tensors
	t.of = ts
	head := elements[int64](&t, tensorHead)
	layout := elements[uint8](&t, tensorLayout)
	classes, names := elements[uint8](&t, tensorClasses), elements[uint8](&t, tensorNames)
	s := &store{
		catalog: catalog{labels: elements[int32](&t, tensorLabels), listed: elements[uint8](&t, tensorListed), lists: make([][]string, 2)},
		at:      elements[int64](&t, tensorAt), lengths: elements[int32](&t, tensorLengths),
	}
	if features == FeaturesMFCC {
		s.frames = elements[float32](&t, tensorFrames)
	} else {
		s.samples = elements[uint8](&t, tensorSamples)
	}
	switch {
	case t.err != nil:
		return nil, t.err
	case len(head) != 4 || head[0] < 1 || head[0] > MaxRate || head[1] < 1 || head[1] > maxWindow:
		return nil, fmt.Errorf("%s: want a rate, a width and the lists, got %d", tensorHead, head)
	}
	s.rate, s.width = int(head[0]), int(head[1])
	for i := range s.lists {
		if head[2+i] != 0 {
			s.lists[i] = []string{}
		}
	}
	s.layout = Layout(layout)
	s.classes, s.names = strings.Split(string(classes), "\n"), strings.Split(string(names), "\n")
	return s, s.check()
}

// check reports what does not go together.
func (s *store) check() error {
	n := len(s.names)
	if len(s.labels) != n || len(s.listed) != n || len(s.at) != n || len(s.lengths) != n {
		return fmt.Errorf("want %d labels, parts, places and lengths, got %d, %d, %d and %d", n, len(s.labels), len(s.listed), len(s.at), len(s.lengths))
	}
	if s.samples == nil && len(s.frames)%s.width != 0 || len(s.samples)%2 != 0 || s.samples != nil && s.width != 1 {
		return fmt.Errorf("want steps of %d numbers, got %d bytes and %d coefficients", s.width, len(s.samples), len(s.frames))
	}
	all := s.steps()
	for i, at := range s.at {
		length := int64(s.lengths[i])
		switch {
		case at < 0 || length < 1 || length > all || at > all-length:
			return fmt.Errorf("recording %d: want 1 to %d steps, got %d from step %d on", i, all, length, at)
		case s.labels[i] < 0 || int(s.labels[i]) >= len(s.classes):
			return fmt.Errorf("recording %d: want a label 0 to %d, got %d", i, len(s.classes)-1, s.labels[i])
		case s.listed[i] > inTest:
			return fmt.Errorf("recording %d: want a part 0 to %d, got %d", i, inTest, s.listed[i])
		case s.layout == SpokenDigits && !digitName.MatchString(s.names[i][strings.LastIndexByte(s.names[i], '/')+1:]):
			return fmt.Errorf("recording %d: want a name DIGIT_SPEAKER_NUMBER.wav, got %q", i, s.names[i])
		}
	}
	for i, v := range s.frames {
		if v-v != 0 {
			return fmt.Errorf("coefficient %d: want a finite number, got %v", i, v)
		}
	}
	return s.checkClasses()
}

// tensors are those of a file, and the first error of reading them.
type tensors struct {
	of  []data.Tensor
	err error
}

func elements[T any](t *tensors, name string) []T {
	v, err := data.Elements[T](t.of, name)
	if err != nil && t.err == nil {
		t.err = err
	}
	return v
}

// appendSamples appends samples of 16 bits.
func appendSamples(dst []byte, samples []float32) []byte {
	for _, v := range samples {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(quantize(v)))
	}
	return dst
}

// moments sums up the samples of recording i, exactly, padded to so many.
func (s *store) moments(i, padded int) moments {
	b := s.recording(i)
	var sum, squares int64
	for j := range len(b) / 2 {
		v := int64(int16(binary.LittleEndian.Uint16(b[2*j:])))
		sum += v
		squares += v * v
	}
	const one = 1 << 15
	return moments{n: float64(max(len(b)/2, padded)), sum: float64(sum) / one, squares: float64(squares) / (one * one)}
}

// frameMoments sums up the coefficients of recording i.
func (s *store) frameMoments(i int, into []moments) {
	for j, v := range s.coefficients(i) {
		x := float64(v)
		into[j%s.width].add(moments{1, x, x * x})
	}
}
