package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	goaudio "github.com/go-audio/audio"
	"github.com/go-audio/wav"
)

// maxBytes bounds what is read of a recording: its file, and so its samples.
const maxBytes = 256 << 20

// maxTotal bounds the files of a data set, of which Speech Commands has 4 GB.
const maxTotal = 16 << 30

// maxChannels bounds the channels that are mixed down.
const maxChannels = 64

// Wave is a recording of one channel.
type Wave struct {
	Rate    int       // samples per second
	Samples []float32 // in [-1, 1]
}

// The encodings of samples, by the number of the format in a WAV file.
const (
	formatPCM        = 1
	formatFloat      = 3
	formatExtensible = 0xfffe // the encoding is the first two bytes of a GUID
)

// unknownSize is the size of samples that are written as they come, to a pipe: they
// go on to the end.
const unknownSize = 1<<32 - 1

// header is what the chunk "fmt " of a WAV file says.
type header struct {
	format   uint16
	channels int
	rate     uint32
	depth    int // bits of a sample of one channel
}

// ReadWAV reads a WAV file: samples of 8, 16, 24 or 32 bits, or floats of 32 bits.
// Channels are mixed down to their mean. Chunks other than the format and the
// samples are skipped. A file that is not whole, whose sizes do not fit it or each
// other, or that holds a number that is not finite, is an error that says what was
// wanted and what came, with the offset in bytes.
func ReadWAV(r io.Reader) (*Wave, error) {
	file, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, err
	}
	return decode(file)
}

// decode is ReadWAV of a file in memory, which it changes.
func decode(file []byte) (*Wave, error) {
	if len(file) > maxBytes {
		return nil, fmt.Errorf("want a WAV file of at most %d bytes, got more", maxBytes)
	}
	h, at, size, err := chunks(file)
	if err != nil {
		return nil, err
	}
	w := &Wave{Rate: int(h.rate), Samples: make([]float32, 0, size/h.frame())}
	err = h.decodeBlocks(file, at, size, func(ints []int) error {
		if h.format == formatFloat {
			return w.mixFloats(ints, h.channels)
		}
		w.mix(ints, h)
		return nil
	})
	return w, err
}

// chunks finds the format and the samples of a WAV file (RIFF, IBM and Microsoft
// 1991): after 12 bytes follow chunks, each an identifier of four bytes, a size of
// four, and so many bytes, one more if they are odd. It returns where the samples
// begin, which is headerSize or later, and how many bytes they are.
func chunks(file []byte) (h header, at, size int, err error) {
	fail := func(format string, args ...any) (header, int, int, error) {
		return h, 0, 0, fmt.Errorf(format, args...)
	}
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WAVE" {
		return fail("want a WAV file, which starts with %q, a size and %q, got %d bytes that start with %q", "RIFF", "WAVE", len(file), file[:min(12, len(file))])
	}
	known := false
	for at = 12; len(file)-at >= 8; {
		id, want := string(file[at:at+4]), binary.LittleEndian.Uint32(file[at+4:])
		at += 8
		if size = len(file) - at; id != "data" || want != unknownSize {
			if int64(want) > int64(size) {
				return fail("offset %d: chunk %q: want the %d bytes of its header, got %d: cut off?", at, id, want, size)
			}
			size = int(want)
		}
		switch id {
		case "fmt ":
			if h, err = readHeader(file[at : at+size]); err != nil {
				return fail("offset %d: chunk %q: %w", at, id, err)
			}
			known = true
		case "data":
			if !known {
				return fail("offset %d: want a chunk %q before %q", at, "fmt ", id)
			}
			if err := h.check(size); err != nil {
				return fail("offset %d: chunk %q: %w", at, id, err)
			}
			return h, at, size, nil
		}
		at += size + size%2
	}
	return fail("want chunks %q and %q, got none of samples", "fmt ", "data")
}

// readHeader reads the chunk "fmt ".
func readHeader(b []byte) (h header, err error) {
	if len(b) < 16 {
		return h, fmt.Errorf("want at least 16 bytes, got %d", len(b))
	}
	le := binary.LittleEndian
	h = header{format: le.Uint16(b), channels: int(le.Uint16(b[2:])), rate: le.Uint32(b[4:]), depth: int(le.Uint16(b[14:]))}
	if h.format == formatExtensible {
		if len(b) < 26 {
			return h, fmt.Errorf("want at least 26 bytes of an extensible format, got %d", len(b))
		}
		h.format = le.Uint16(b[24:])
	}
	align := int(le.Uint16(b[12:]))
	switch {
	case h.format != formatPCM && h.format != formatFloat:
		return h, fmt.Errorf("want samples of format %d (PCM) or %d (float), got %d", formatPCM, formatFloat, h.format)
	case h.channels < 1 || h.channels > maxChannels:
		return h, fmt.Errorf("want 1 to %d channels, got %d", maxChannels, h.channels)
	case h.rate < 1 || h.rate > MaxRate:
		return h, fmt.Errorf("want a rate of 1 to %d samples a second, got %d", MaxRate, h.rate)
	case h.format == formatFloat && h.depth != 32:
		return h, fmt.Errorf("want floats of 32 bits, got %d", h.depth)
	case h.depth != 8 && h.depth != 16 && h.depth != 24 && h.depth != 32:
		return h, fmt.Errorf("want samples of 8, 16, 24 or 32 bits, got %d", h.depth)
	case align != h.frame():
		return h, fmt.Errorf("want %d bytes for each step of %d channels of %d bits, got %d", h.frame(), h.channels, h.depth, align)
	}
	return h, nil
}

// frame returns the bytes of a step, of all channels.
func (h header) frame() int { return h.channels * h.depth / 8 }

// check reports samples of so many bytes that are none, or not whole.
func (h header) check(size int) error {
	switch frame := h.frame(); {
	case size == 0:
		return errors.New("want at least one sample, got none")
	case size%frame != 0:
		return fmt.Errorf("want a multiple of %d bytes, %d channels of %d bits, got %d", frame, h.channels, h.depth, size)
	}
	return nil
}

// headerSize is the size of what is before the samples of the simplest WAV file, and
// the least of any.
const headerSize = 44

// putHeader makes the bytes before the samples, of which there are as many, the header
// of a file that has nothing else.
func (h header) putHeader(b []byte, samples int) {
	le := binary.LittleEndian
	copy(b, "RIFF")
	le.PutUint32(b[4:], uint32(headerSize-8+samples))
	copy(b[8:], "WAVEfmt ")
	le.PutUint32(b[16:], 16)
	le.PutUint16(b[20:], formatPCM)
	le.PutUint16(b[22:], uint16(h.channels))
	le.PutUint32(b[24:], h.rate)
	le.PutUint32(b[28:], h.rate*uint32(h.frame()))
	le.PutUint16(b[32:], uint16(h.frame()))
	le.PutUint16(b[34:], uint16(h.depth))
	copy(b[36:], "data")
	le.PutUint32(b[40:], uint32(samples))
}

// blockSteps is how many steps of all channels are decoded at a time.
const blockSteps = 4096

// decodeBlocks decodes the samples of a file that begin at an offset, and calls f with
// the integers of some steps, or the bits of the floats. The decoder is given a header
// that has been checked and nothing else, as it would allocate for what other chunks
// say of themselves: it replaces what is before the samples in file.
func (h header) decodeBlocks(file []byte, at, size int, f func(ints []int) error) error {
	file = file[at-headerSize : at+size]
	h.putHeader(file, size)
	d := wav.NewDecoder(bytes.NewReader(file))
	steps := size / h.frame()
	buf := &goaudio.IntBuffer{Data: make([]int, h.channels*min(steps, blockSteps))}
	for steps > 0 {
		buf.Data = buf.Data[:h.channels*min(steps, blockSteps)]
		n, err := d.PCMBuffer(buf)
		if err == nil && n != len(buf.Data) {
			err = fmt.Errorf("want %d samples, got %d", len(buf.Data), n)
		}
		if err == nil {
			err = f(buf.Data)
		}
		if err != nil {
			return err
		}
		steps -= n / h.channels
	}
	return nil
}

// mix appends the means of the channels' integers, divided by the largest:
// 1 << (depth - 1). Samples of 8 bits have no sign, and 128 is silence.
func (w *Wave) mix(ints []int, h header) {
	silence := 0
	if h.depth == 8 {
		silence = 128
	}
	scale := 1 / (float64(int64(1)<<(h.depth-1)) * float64(h.channels))
	for ; len(ints) > 0; ints = ints[h.channels:] {
		sum := 0
		for _, v := range ints[:h.channels] {
			sum += v - silence
		}
		w.Samples = append(w.Samples, float32(float64(sum)*scale))
	}
}

// mixFloats appends the means of the channels' floats.
func (w *Wave) mixFloats(bits []int, channels int) error {
	for ; len(bits) > 0; bits = bits[channels:] {
		sum := 0.0
		for c, b := range bits[:channels] {
			v := math.Float32frombits(uint32(int32(b)))
			if v-v != 0 {
				return fmt.Errorf("sample %d of channel %d: want a finite number, got %v", len(w.Samples), c, v)
			}
			sum += float64(v)
		}
		w.Samples = append(w.Samples, clamp(float32(sum/float64(channels))))
	}
	return nil
}

// clamp returns the sample nearest to v.
func clamp(v float32) float32 { return max(-1, min(1, v)) }

// WriteWAV writes a recording as a WAV file of 16 bits. Samples outside [-1, 1] are
// clipped.
func WriteWAV(w io.Writer, wave *Wave) error {
	if wave.Rate < 1 || wave.Rate > MaxRate {
		return fmt.Errorf("audio: want a rate of 1 to %d samples a second, got %d", MaxRate, wave.Rate)
	}
	if 2*len(wave.Samples) > maxBytes-headerSize {
		return fmt.Errorf("audio: want at most %d samples, got %d", (maxBytes-headerSize)/2, len(wave.Samples))
	}
	h := header{formatPCM, 1, uint32(wave.Rate), 16}
	file := make([]byte, headerSize, headerSize+2*len(wave.Samples))
	h.putHeader(file, 2*len(wave.Samples))
	_, err := w.Write(appendSamples(file, wave.Samples))
	return err
}

// quantize returns the sample of 16 bits nearest to v in [-1, 1].
func quantize(v float32) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, math.RoundToEven(float64(v)*(1<<15)))))
}

// ReadPCM reads raw samples, of 16 bits, little-endian, one channel, until r ends.
func ReadPCM(r io.Reader, rate int) (*Wave, error) {
	if rate < 1 || rate > MaxRate {
		return nil, fmt.Errorf("want a rate of 1 to %d samples a second, got %d", MaxRate, rate)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxBytes:
		return nil, fmt.Errorf("want at most %d bytes of samples, got more", maxBytes)
	case len(b) == 0 || len(b)%2 != 0:
		return nil, fmt.Errorf("want samples of 2 bytes, at least one, got %d bytes", len(b))
	}
	w := &Wave{Rate: rate, Samples: make([]float32, len(b)/2)}
	for i := range w.Samples {
		w.Samples[i] = sample(b, i)
	}
	return w, nil
}

// sample returns sample i of samples of 16 bits.
func sample(b []byte, i int) float32 {
	return float32(int16(binary.LittleEndian.Uint16(b[2*i:]))) / (1 << 15)
}

// MaxRate bounds the samples per second of a recording.
const MaxRate = 768000
