package generate

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/models"
)

// raw is a tokenizer of bytes.
type raw struct{}

func (raw) Vocab() int { return 256 }
func (raw) EOS() int   { return -1 }

func (raw) Encode(dst []int, text []byte) ([]int, error) {
	for _, b := range text {
		dst = append(dst, int(b))
	}
	return dst, nil
}

func (raw) Decode(dst []byte, ids ...int) []byte {
	for _, id := range ids {
		dst = append(dst, byte(id))
	}
	return dst
}

// What a writer gives out of a text that comes byte by byte, or in other pieces, is the
// text up to the stop string that is complete first, as string([]rune(...)) has it.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("the end of it"), "nd", "end", uint64(3))
	f.Add([]byte("\xe2\x82\xac, \xe2\x82 or \xff\xc3"), "\u20ac", "x", uint64(0))
	f.Add([]byte("aaab"), "aab", "ab", uint64(5))
	f.Fuzz(func(t *testing.T, text []byte, a, b string, cuts uint64) {
		o := Options{Stop: []string{a, b}}
		if o.Validate() != nil {
			return
		}
		whole := text
		at, stop := firstStop(text, [][]byte{[]byte(a), []byte(b)})
		if stop != nil {
			whole = text[:at]
		}
		w := newWriter(raw{}, o.Stop, nil)
		got := ""
		for len(text) > 0 && w.found == "" {
			// Where a token has several bytes, the first stop string to be complete is
			// the same.
			n := min(1+int(cuts&3), len(text))
			cuts = cuts>>2 | cuts<<62
			piece := w.write(text[:n])
			if !utf8.ValidString(piece) {
				t.Fatalf("piece %q", piece)
			}
			got += piece
			text = text[n:]
		}
		if w.found == "" {
			got += w.flush(false)
		}
		if want := string([]rune(string(whole))); got != want || w.found != string(stop) {
			t.Errorf("got %q and %q, want %q and %q", got, w.found, want, stop)
		}
	})
}

// Options that are read from JSON are valid, and the same when they are written and
// read again.
func FuzzOptions(f *testing.F) {
	f.Add([]byte(`{"max_tokens":3,"temperature":0.5,"top_p":0.9,"stop":["a"],"logit_bias":{"3":-1},"seed":7}`))
	f.Add([]byte(`{"top_p":0}`))
	f.Add([]byte(`{"stop":[""]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var o, again Options
		if err := json.Unmarshal(text, &o); err != nil {
			if !reflect.DeepEqual(o, Options{}) {
				t.Errorf("after error %v: %+v", err, o)
			}
			return
		}
		if err := o.Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if c, err := json.Marshal(again); err != nil || !bytes.Equal(b, c) {
			t.Errorf("got %s, %v, want %s", c, err, b)
		}
	})
}

// Bytes that are no state of a model are an error, and those that are can be gone on
// from.
func FuzzState(f *testing.F) {
	m, err := models.NewLanguageModel(G.NewGraph(), tensor.Float32, models.LanguageModelConfig{
		Vocab: 256, Stack: layers.StackConfig{Blocks: []layers.BlockConfig{{Mixer: layers.AttentionConfig{DModel: 2, Heads: 1, Causal: true}}, {Mixer: layers.S4DConfig{DModel: 2, DState: 2}}}},
	}, 1)
	if err != nil {
		f.Fatal(err)
	}
	e, err := NewEngine(m, raw{}, EngineConfig{MaxRows: 2})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			f.Error(err)
		}
	})
	s, err := e.Submit(context.Background(), Request{Text: "ab", Options: Options{MaxTokens: 2}, KeepState: true})
	if err != nil {
		f.Fatal(err)
	}
	<-s.Done()
	good, err := s.Result().State.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, 0, int64(0))
	for i := range len(s.Result().State) {
		f.Add(good, i, int64(-1))
		f.Add(good, i, int64(1<<40))
	}
	f.Fuzz(func(t *testing.T, b []byte, at int, v int64) {
		var x layers.State
		if x.UnmarshalBinary(b) != nil { // the check sum: change what is behind it
			if x.UnmarshalBinary(good) != nil {
				t.Fatal("the state")
			}
			t := x[uint(at)%uint(len(x))].Value
			for i := range min(t.Size(), len(b)) {
				switch d := t.Data().(type) {
				case []int64:
					d[i] = v + int64(b[i])
				case []float32:
					d[i] = float32(v) / float32(b[i])
				}
			}
		}
		err := e.CheckState(x)
		s, submitted := e.Submit(context.Background(), Request{State: x, Text: "a", Options: Options{MaxTokens: 2}})
		if (err == nil) != (submitted == nil) {
			t.Fatalf("got errors %v and %v", err, submitted)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "generate: Engine: ") {
				t.Errorf("got error %v", err)
			}
			return
		}
		for err == nil {
			_, err = s.Next()
		}
		if err != io.EOF && (!strings.Contains(err.Error(), "want scores") || strings.Contains(err.Error(), "panic")) {
			t.Errorf("got error %v", err)
		}
	})
}
