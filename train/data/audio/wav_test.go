package audio

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

// chunk returns a chunk of a RIFF file.
func chunk(id string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

// riff returns a WAV file of chunks.
func riff(chunks ...[]byte) []byte {
	body := slices.Concat(chunks...)
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body)+4))
	return append(append(b, "WAVE"...), body...)
}

// format returns a chunk "fmt ".
func format(code, channels, rate, depth int, more ...byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, uint16(code))
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(rate*channels*depth/8))
	b = le.AppendUint16(b, uint16(channels*depth/8))
	b = le.AppendUint16(b, uint16(depth))
	return chunk("fmt ", append(b, more...))
}

// floats returns the bytes of floats of 32 bits.
func floats(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// ints returns the bytes of integers of 16 bits.
func ints(v ...int16) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint16(b, uint16(x))
	}
	return b
}

func TestReadWAV(t *testing.T) {
	extensible := append([]byte{22, 0, 16, 0, 0, 0, 0, 0}, 1, 0, 0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113)
	pipe := riff(format(1, 1, 8000, 16), chunk("data", ints(16384, -16384)))
	binary.LittleEndian.PutUint32(pipe[len(pipe)-8:], math.MaxUint32)
	for name, c := range map[string]struct {
		file []byte
		rate int
		want []float32
	}{
		"8 bits":       {riff(format(1, 1, 8000, 8), chunk("data", []byte{128, 0, 255})), 8000, []float32{0, -1, 127. / 128}},
		"16 bits":      {riff(format(1, 1, 16000, 16), chunk("data", ints(0, -32768, 32767))), 16000, []float32{0, -1, 32767. / 32768}},
		"24 bits":      {riff(format(1, 1, 8000, 24), chunk("data", []byte{0, 0, 0x80, 0, 0, 0x40, 1, 0, 0})), 8000, []float32{-1, 0.5, 1. / (1 << 23)}},
		"32 bits":      {riff(format(1, 1, 8000, 32), chunk("data", []byte{0, 0, 0, 0x80, 0, 0, 0, 0x40})), 8000, []float32{-1, 0.5}},
		"float":        {riff(format(3, 1, 8000, 32), chunk("data", floats(0.25, -1.5))), 8000, []float32{0.25, -1}},
		"stereo":       {riff(format(1, 2, 44100, 16), chunk("data", ints(16384, 0, -16384, -16384))), 44100, []float32{0.25, -0.5}},
		"float stereo": {riff(format(3, 2, 8000, 32), chunk("data", floats(0.5, 0, -1, 1))), 8000, []float32{0.25, 0}},
		"extensible":   {riff(format(0xfffe, 1, 8000, 16, extensible...), chunk("data", ints(-32768))), 8000, []float32{-1}},
		"other chunks": {riff(chunk("LIST", []byte("INFOabc")), format(1, 1, 8000, 16), chunk("smpl", make([]byte, 3)), chunk("data", ints(16384)), []byte("tail")), 8000, []float32{0.5}},
		"of a pipe":    {pipe, 8000, []float32{0.5, -0.5}},
	} {
		w, err := ReadWAV(bytes.NewReader(c.file))
		if err != nil || w.Rate != c.rate || !slices.Equal(w.Samples, c.want) {
			t.Errorf("%s: got %v, %v, want %d and %v", name, w, err, c.rate, c.want)
		}
	}
}

// damaged returns files that are no WAV file, by what is said of them.
func damaged() map[string][]byte {
	good := riff(format(1, 1, 8000, 16), chunk("data", ints(1, 2, 3)))
	huge := riff(format(1, 1, 8000, 16), chunk("data", ints(1)))
	binary.LittleEndian.PutUint32(huge[40:], 1<<31)
	list := riff(chunk("LIST", nil), format(1, 1, 8000, 16), chunk("data", ints(1)))
	binary.LittleEndian.PutUint32(list[16:], 0xfffffff0)
	align := riff(format(1, 1, 8000, 16), chunk("data", ints(1)))
	align[32] = 7
	data := chunk("data", ints(1, 2))
	return map[string][]byte{
		`want a WAV file, which starts with "RIFF", a size and "WAVE", got 0 bytes`:         nil,
		`got 12 bytes that start with "RIFF\x00\x00\x00\x00AVI "`:                           []byte("RIFF\x00\x00\x00\x00AVI "),
		`offset 44: chunk "data": want the 6 bytes of its header, got 5: cut off?`:          good[:len(good)-1],
		`offset 44: chunk "data": want the 2147483648 bytes of its header, got 2`:           huge,
		`offset 20: chunk "LIST": want the 4294967280 bytes of its header`:                  list,
		`want chunks "fmt " and "data", got none of samples`:                                good[:36],
		`offset 20: want a chunk "fmt " before "data"`:                                      riff(data),
		`offset 20: chunk "fmt ": want at least 16 bytes, got 4`:                            riff(chunk("fmt ", make([]byte, 4)), data),
		`want at least 26 bytes of an extensible format, got 16`:                            riff(format(0xfffe, 1, 8000, 16), data),
		`want samples of format 1 (PCM) or 3 (float), got 85`:                               riff(format(85, 1, 8000, 16), data),
		`want 1 to 64 channels, got 0`:                                                      riff(format(1, 0, 8000, 16), data),
		`want 1 to 64 channels, got 65535`:                                                  riff(format(1, 65535, 8000, 16), data),
		`want a rate of 1 to 768000 samples a second, got 0`:                                riff(format(1, 1, 0, 16), data),
		`want samples of 8, 16, 24 or 32 bits, got 12`:                                      riff(format(1, 1, 8000, 12), data),
		`want floats of 32 bits, got 64`:                                                    riff(format(3, 1, 8000, 64), data),
		`want 2 bytes for each step of 1 channels of 16 bits, got 7`:                        align,
		`offset 44: chunk "data": want at least one sample, got none`:                       riff(format(1, 1, 8000, 16), chunk("data", nil)),
		`offset 44: chunk "data": want a multiple of 4 bytes, 2 channels of 16 bits, got 2`: riff(format(1, 2, 8000, 16), chunk("data", ints(1))),
		`sample 1 of channel 0: want a finite number, got NaN`:                              riff(format(3, 1, 8000, 32), chunk("data", floats(0, float32(math.NaN())))),
		`sample 0 of channel 1: want a finite number, got +Inf`:                             riff(format(3, 2, 8000, 32), chunk("data", floats(0, float32(math.Inf(1))))),
	}
}

func TestReadWAVErrors(t *testing.T) {
	for want, file := range damaged() {
		if w, err := ReadWAV(bytes.NewReader(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v, want %q", w, err, want)
		}
	}
}

func TestWriteWAV(t *testing.T) {
	want := &Wave{11025, []float32{0, 0.5, -1, 32767. / 32768, 1. / 32768}}
	var b bytes.Buffer
	if err := WriteWAV(&b, want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadWAV(&b); err != nil || got.Rate != want.Rate || !slices.Equal(got.Samples, want.Samples) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if err := WriteWAV(&b, &Wave{}); err == nil || !strings.Contains(err.Error(), "want a rate of 1 to") {
		t.Errorf("got error %v", err)
	}
	b.Reset()
	if err := WriteWAV(&b, &Wave{8000, []float32{7, -7}}); err != nil || !bytes.Equal(b.Bytes()[44:], ints(32767, -32768)) {
		t.Errorf("clipped: got % x, %v", b.Bytes(), err)
	}
}

func TestReadPCM(t *testing.T) {
	w, err := ReadPCM(bytes.NewReader(ints(16384, -32768)), 8000)
	if err != nil || w.Rate != 8000 || !slices.Equal(w.Samples, []float32{0.5, -1}) {
		t.Errorf("got %v, %v", w, err)
	}
	for _, b := range [][]byte{nil, {1}, {1, 2, 3}} {
		if _, err := ReadPCM(bytes.NewReader(b), 8000); err == nil {
			t.Errorf("% x: got no error", b)
		}
	}
	if _, err := ReadPCM(bytes.NewReader(ints(1)), 0); err == nil {
		t.Error("rate 0: got no error")
	}
}

// A file is read or refused: without a panic, and with no more samples than it has
// bytes.
func FuzzReadWAV(f *testing.F) {
	for _, file := range damaged() {
		f.Add(file)
	}
	f.Add(riff(format(1, 2, 8000, 24), chunk("cue ", []byte{255, 255, 255, 255}), chunk("data", make([]byte, 12))))
	f.Fuzz(func(t *testing.T, file []byte) {
		w, err := ReadWAV(bytes.NewReader(file))
		if err != nil {
			return
		}
		if w.Rate < 1 || len(w.Samples) < 1 || len(w.Samples) > len(file) {
			t.Errorf("%d samples at rate %d of %d bytes", len(w.Samples), w.Rate, len(file))
		}
		for i, v := range w.Samples {
			if !(v >= -1 && v <= 1) {
				t.Fatalf("sample %d is %v", i, v)
			}
		}
	})
}

// A tone keeps its pitch and its loudness at another rate, and one that the other
// rate cannot hold is gone.
func TestResample(t *testing.T) {
	tone := func(rate int, hz float64) *Wave {
		w := &Wave{rate, make([]float32, rate/4)}
		for i := range w.Samples {
			w.Samples[i] = float32(0.5 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
		}
		return w
	}
	for _, c := range []struct {
		from, to int
		hz, gain float64
	}{{16000, 8000, 1000, 1}, {8000, 16000, 3000, 1}, {44100, 16000, 440, 1}, {16000, 8000, 6000, 0}, {8000, 8000, 100, 1}} {
		got, err := tone(c.from, c.hz).Resample(c.to)
		if err != nil {
			t.Fatal(err)
		}
		want := tone(c.to, c.hz)
		if got.Rate != c.to || math.Abs(float64(len(got.Samples)-len(want.Samples))) > 1 {
			t.Fatalf("%v: %d samples at %d, want about %d", c, len(got.Samples), got.Rate, len(want.Samples))
		}
		for i := 100; i < len(want.Samples)-100; i++ { // away from the ends
			if e := math.Abs(float64(got.Samples[i]) - c.gain*float64(want.Samples[i])); e > 1e-3 {
				t.Fatalf("%v: sample %d is %v, want %v times %v", c, i, got.Samples[i], c.gain, want.Samples[i])
			}
		}
	}
	for _, rate := range []int{0, MaxRate + 1} {
		if _, err := tone(8000, 1).Resample(rate); err == nil {
			t.Errorf("rate %d: got no error", rate)
		}
	}
	if _, err := (&Wave{767_999, make([]float32, 9)}).Resample(768_000); err == nil || !strings.Contains(err.Error(), "larger common divisor") {
		t.Errorf("got error %v", err)
	}
}
