package text_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/text"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"plain\n":            "plain\n",
		"\ufeffmarked\ufeff": "marked\ufeff",
		"a\r\nb\rc\r\n":      "a\nb\rc\n",
		"a\x00b\x1b":         "a\x00b\x1b",
		"a\xff\xfeb\xe6\x97": "a\ufffd\ufffdb\ufffd\ufffd",
		"日本\r\n\xed\xa0\x80": "日本\n\ufffd\ufffd\ufffd",
		"\r\n\ufeff":         "\n\ufeff",
	} {
		got := string(text.Clean([]byte(in)))
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if again := string(text.Clean([]byte(got))); again != got && !strings.HasPrefix(got, "\ufeff") {
			t.Errorf("%q: clean %q, then %q", in, got, again)
		}
	}
}

func TestPrefix(t *testing.T) {
	const s = "aé日𝄞b"
	for n, want := range []string{"", "a", "aé", "aé日", "aé日𝄞", s, s, s} {
		if got := string(text.Prefix([]byte(s), n)); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestTexts(t *testing.T) {
	var all text.Texts
	want := []string{"a", "", "日本", "b"}
	for _, s := range want {
		all.Add([]byte(s))
	}
	same := func(ts *text.Texts) {
		t.Helper()
		if ts.Len() != 4 || ts.Size() != 8 {
			t.Errorf("%d texts of %d bytes", ts.Len(), ts.Size())
		}
		for i, s := range want {
			if got := string(ts.At(i)); got != s {
				t.Errorf("%d: got %q, want %q", i, got, s)
			}
		}
	}
	same(&all)
	tensors := all.Tensors("x")
	again, err := text.Restore(tensors, "x")
	if err != nil {
		t.Fatal(err)
	}
	same(again)
	for want, ends := range map[string]any{
		`want a tensor "x.ends"`:                     nil,
		`tensor "x.ends": want []int64, got []int32`: []int32{1},
		"x 1: want its end in [5, 8], got 4":         []int64{5, 4, 8},
		"x 0: want its end in [0, 8], got 9":         []int64{9},
		"x: want 3 bytes, got 8":                     []int64{1, 3},
	} {
		bad := []data.Tensor{tensors[0], {Name: "x.ends", Data: ends}}
		if ends == nil {
			bad = bad[:1]
		}
		if _, err := text.Restore(bad, "x"); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if _, err := text.Restore(tensors, "y"); err == nil {
		t.Error("another name: no error")
	}
}

// counts of "aaabbc" and of others that are rarer.
func counts() *text.Counts {
	var c, more text.Counts
	c.Add([]byte("abé"), 2)
	more.Add([]byte("acéz日"), 1)
	c.Merge(&more)
	return &c
}

func vocabulary(t *testing.T, level text.Level, minCount, lMax int, omitEOS bool) *text.Vocabulary {
	t.Helper()
	v, err := text.New(level, counts(), minCount, lMax, omitEOS)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVocabulary(t *testing.T) {
	for _, c := range []struct {
		level    text.Level
		minCount int
		lMax     int
		omit     bool
		size     int
		in       string
		want     []int
	}{
		// a 3, é 3, b 2, then c, z and 日, which are equally rare.
		{text.Char, 1, 9, false, 9, "abc", []int{3, 5, 6, 2}},
		{text.Char, 1, 9, false, 9, "é日xz", []int{4, 8, 1, 7, 2}},
		{text.Char, 2, 9, false, 6, "abcé", []int{3, 5, 1, 4, 2}},
		{text.Char, 1, 4, false, 9, "abcab", []int{3, 5, 6, 2}},
		{text.Char, 1, 3, false, 9, "日日日", []int{8, 8, 2}},
		{text.Char, 1, 3, true, 9, "abca", []int{3, 5, 6}},
		{text.Char, 1, 9, false, 9, "", []int{2}},
		{text.Char, 1, 9, true, 9, "", []int{0}},
		{text.Char, 1, 9, false, 9, "\ufeffa\r\n", []int{3, 1, 2}},
		{text.Byte, 0, 9, false, 258, "a\x00\r\né", []int{98, 1, 11, 0xc3 + 1, 0xa9 + 1, 257}},
		{text.Byte, 0, 3, false, 258, "aé", []int{98, 0xc3 + 1, 257}},
		{text.Byte, 0, 2, true, 258, "aé", []int{98, 0xc3 + 1}},
		{text.Byte, 0, 2, true, 258, "", []int{0}},
	} {
		v := vocabulary(t, c.level, c.minCount, c.lMax, c.omit)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var read text.Vocabulary
		if err := json.Unmarshal(b, &read); err != nil {
			t.Fatal(err)
		}
		for _, v := range []*text.Vocabulary{v, &read} {
			if got := v.Encode(c.in); !slices.Equal(got, c.want) || v.Size() != c.size {
				t.Errorf("%+v: got %v of %d", c, got, v.Size())
			}
		}
		if n := v.Length(text.Clean([]byte(c.in))); n != len(c.want) {
			t.Errorf("%+v: length %d", c, n)
		}
	}
}

func TestVocabularyTokens(t *testing.T) {
	v := vocabulary(t, text.Char, 1, 9, false)
	if got := strings.Join(v.Pieces(v.Encode("ax日")), " "); got != "a <unk> 日 <eos>" {
		t.Errorf("got %q", got)
	}
	if got := v.Pieces([]int{0, 9, -1}); !slices.Equal(got, []string{"<pad>", "<token 9>", "<token -1>"}) {
		t.Errorf("got %q", got)
	}
	v = vocabulary(t, text.Byte, 1, 9, false)
	if got := strings.Join(v.Pieces([]int{0, 1, 98, 256, 257, 258}), "|"); got != "<pad>|\x00|a|\xff|<eos>|<token 258>" {
		t.Errorf("got %q", got)
	}
}

func TestPiecesOfBytes(t *testing.T) {
	v := vocabulary(t, text.Byte, 1, 100, false)
	if got, want := v.Pieces(v.Encode("aé日𝄞z")), []string{"a", "é", "", "日", "", "", "𝄞", "", "", "", "z", "<eos>"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// What is cut off, or begins in the middle, is single bytes.
	if got, want := v.Pieces([]int{0xa9 + 1, 0xe6 + 1, 0x97 + 1, 257, 0xc3 + 1, 0, 0xf0 + 1}), []string{"\xa9", "\xe6", "\x97", "<eos>", "\xc3", "<pad>", "\xf0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVocabularyErrors(t *testing.T) {
	for in, want := range map[string]string{
		`{"level":"word","l_max":5}`:               `text: Vocabulary.Level: want "char" or "byte", got "word"`,
		`{"level":"byte","l_max":1}`:               "text: Vocabulary.LMax: want in [2, 1073741824], got 1",
		`{"level":"byte","l_max":5,"chars":"a"}`:   `text: Vocabulary.Chars: want none at level "byte", got "a"`,
		`{"level":"char","l_max":5,"chars":"aba"}`: `text: Vocabulary.Chars: want each character once, got 'a' again`,
		`{"level":"char","l_max":5,"chars":"é日é"}`: `text: Vocabulary.Chars: want each character once, got 'é' again`,
		`{"level":7}`: "json: ",
	} {
		var v text.Vocabulary
		if err := json.Unmarshal([]byte(in), &v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", in, err, want)
		}
	}
}

func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "abc", "\ufeff\r\n\x00", "\xff\xfe", "日本語", strings.Repeat("é", 20)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		clean := text.Clean(b)
		if !utf8.Valid(clean) || strings.Contains(string(clean), "\r\n") && !strings.Contains(string(b), "\r\r\n") {
			t.Fatalf("%q: clean %q", b, clean)
		}
		var c text.Counts
		c.Add(clean, 1)
		for _, level := range []text.Level{text.Char, text.Byte} {
			for _, omit := range []bool{false, true} {
				v, err := text.New(level, &c, 1, 10, omit)
				if err != nil {
					t.Fatal(err)
				}
				got := v.Encode(string(b))
				if len(got) != v.Length(clean) || len(got) < 1 || len(got) > 10 {
					t.Errorf("%q: %d tokens, length %d", b, len(got), v.Length(clean))
				}
				if p := strings.Join(v.Pieces(got[:len(got)-1]), ""); !strings.HasPrefix(string(clean), p) && len(clean) > 0 {
					t.Errorf("%q: pieces %q", b, p)
				}
			}
		}
	})
}
