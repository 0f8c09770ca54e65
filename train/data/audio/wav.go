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

// decode is ReadWAV of a file in memory.
func decode(file []byte) (*Wave, error) {
	if len(file) > maxBytes {
		return nil, fmt.Errorf("want a WAV file of at most %d bytes, got more", maxBytes)
	}
	h, samples, err := chunks(file)
	if err != nil {
		return nil, err
	}
	ints, err := decodeInts(h, samples)
	if err != nil {
		return nil, err
	}
	w := &Wave{Rate: int(h.rate), Samples: make([]float32, len(ints)/h.channels)}
	if h.format == formatFloat {
		return w, w.mixFloats(ints, h.channels)
	}
	w.mix(ints, h)
	return w, nil
}

// chunks finds the format and the samples of a WAV file (RIFF, IBM and Microsoft
// 1991): after 12 bytes follow chunks, each an identifier of four bytes, a size of
// four, and so many bytes, one more if they are odd.
func chunks(file []byte) (h header, samples []byte, err error) {
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WAVE" {
		return h, nil, fmt.Errorf("want a WAV file, which starts with %q, a size and %q, got %d bytes that start with %q", "RIFF", "WAVE", len(file), file[:min(12, len(file))])
	}
	known := false
	for at := 12; len(file)-at >= 8; {
		id, size := string(file[at:at+4]), int64(binary.LittleEndian.Uint32(file[at+4:]))
		at += 8
		have := int64(len(file) - at)
		if id == "data" && size == unknownSize {
			size = have
		}
		if size > have {
			return h, nil, fmt.Errorf("offset %d: chunk %q: want the %d bytes of its header, got %d: cut off?", at, id, size, have)
		}
		body := file[at : at+int(size)]
		switch id {
		case "fmt ":
			if h, err = readHeader(body); err != nil {
				return h, nil, fmt.Errorf("offset %d: chunk %q: %w", at, id, err)
			}
			known = true
		case "data":
			if !known {
				return h, nil, fmt.Errorf("offset %d: want a chunk %q before %q", at, "fmt ", id)
			}
			if err := h.check(size); err != nil {
				return h, nil, fmt.Errorf("offset %d: chunk %q: %w", at, id, err)
			}
			return h, body, nil
		}
		at += int(size) + int(size)%2
	}
	return h, nil, errors.New("want chunks \"fmt \" and \"data\", got none of samples")
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
func (h header) check(size int64) error {
	switch frame := int64(h.frame()); {
	case size == 0:
		return errors.New("want at least one sample, got none")
	case size%frame != 0:
		return fmt.Errorf("want a multiple of %d bytes, %d channels of %d bits, got %d", frame, h.channels, h.depth, size)
	}
	return nil
}

// decodeInts decodes samples: the integers, or the bits of the floats. The decoder
// is given a header that has been checked and nothing else, as it would allocate for
// what other chunks say of themselves.
func decodeInts(h header, samples []byte) ([]int, error) {
	const headerSize = 44
	file := make([]byte, 0, headerSize+len(samples))
	le := binary.LittleEndian
	file = append(file, "RIFF"...)
	file = le.AppendUint32(file, uint32(headerSize-8+len(samples)))
	file = append(file, "WAVEfmt "...)
	file = le.AppendUint32(file, 16)
	file = le.AppendUint16(file, formatPCM)
	file = le.AppendUint16(file, uint16(h.channels))
	file = le.AppendUint32(file, h.rate)
	file = le.AppendUint32(file, h.rate*uint32(h.frame()))
	file = le.AppendUint16(file, uint16(h.frame()))
	file = le.AppendUint16(file, uint16(h.depth))
	file = append(file, "data"...)
	file = le.AppendUint32(file, uint32(len(samples)))
	file = append(file, samples...)
	buf := &goaudio.IntBuffer{Data: make([]int, len(samples)*8/h.depth)}
	n, err := wav.NewDecoder(bytes.NewReader(file)).PCMBuffer(buf)
	if err != nil {
		return nil, err
	}
	if n != len(buf.Data) {
		return nil, fmt.Errorf("want %d samples, got %d", len(buf.Data), n)
	}
	return buf.Data, nil
}

// mix fills the samples with the means of the channels' integers, divided by the
// largest: 1 << (depth - 1). Samples of 8 bits have no sign, and 128 is silence.
func (w *Wave) mix(ints []int, h header) {
	silence := 0
	if h.depth == 8 {
		silence = 128
	}
	scale := 1 / (float64(int64(1)<<(h.depth-1)) * float64(h.channels))
	for i := range w.Samples {
		sum := 0
		for _, v := range ints[i*h.channels : (i+1)*h.channels] {
			sum += v - silence
		}
		w.Samples[i] = float32(float64(sum) * scale)
	}
}

// mixFloats fills the samples with the means of the channels' floats.
func (w *Wave) mixFloats(bits []int, channels int) error {
	for i := range w.Samples {
		sum := 0.0
		for c, b := range bits[i*channels : (i+1)*channels] {
			v := math.Float32frombits(uint32(int32(b)))
			if v-v != 0 {
				return fmt.Errorf("sample %d of channel %d: want a finite number, got %v", i, c, v)
			}
			sum += float64(v)
		}
		w.Samples[i] = clamp(float32(sum / float64(channels)))
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
	if 2*len(wave.Samples) > maxBytes-44 {
		return fmt.Errorf("audio: want at most %d samples, got %d", (maxBytes-44)/2, len(wave.Samples))
	}
	file := append([]byte("RIFF"), make([]byte, 40+2*len(wave.Samples))...)
	le := binary.LittleEndian
	le.PutUint32(file[4:], uint32(len(file)-8))
	copy(file[8:], "WAVEfmt ")
	le.PutUint32(file[16:], 16)
	le.PutUint16(file[20:], formatPCM)
	le.PutUint16(file[22:], 1)
	le.PutUint32(file[24:], uint32(wave.Rate))
	le.PutUint32(file[28:], uint32(2*wave.Rate))
	le.PutUint16(file[32:], 2)
	le.PutUint16(file[34:], 16)
	copy(file[36:], "data")
	le.PutUint32(file[40:], uint32(2*len(wave.Samples)))
	for i, v := range wave.Samples {
		le.PutUint16(file[44+2*i:], uint16(quantize(v)))
	}
	_, err := w.Write(file)
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
