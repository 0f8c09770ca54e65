package tokenizer_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// counted returns counts of texts, one after the other.
func counted(t *testing.T, kind string, texts ...string) *tokenizer.Counts {
	t.Helper()
	c := counts(t, kind)
	for _, s := range texts {
		if err := c.Add([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func counts(t *testing.T, kind string) *tokenizer.Counts {
	t.Helper()
	c, err := tokenizer.NewCounts(kind)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// made returns a tokenizer that there is no error about.
func made(t *testing.T, tok tokenizer.Tokenizer, err error) tokenizer.Tokenizer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// vocabulary returns the tokens of all ids.
func vocabulary(tok tokenizer.Tokenizer) string {
	var all []string
	for id := range tok.Vocab() {
		all = append(all, tok.Token(id))
	}
	return strings.Join(all, " ")
}

func encoded(t *testing.T, tok tokenizer.Tokenizer, text string) []int {
	t.Helper()
	ids, err := tok.Encode(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

const wiki = " \n = Valkyria Chronicles III = \n \n The <unk> of the game is the Game , the <unk> . \n"

// The vocabulary is what the published code makes: <eos>, then
// collections.Counter(words).most_common(), without lower-casing.
func TestWordsAsPublished(t *testing.T) {
	c := counted(t, tokenizer.KindWord, wiki)
	for _, k := range []struct {
		cfg  tokenizer.VocabConfig
		want string
	}{
		{tokenizer.VocabConfig{}, "<eos> the = <unk> Valkyria Chronicles III The of game is Game , ."},
		{tokenizer.VocabConfig{MinFreq: 2}, "<eos> the = <unk>"},
		{tokenizer.VocabConfig{Size: 3, Closed: true}, "<eos> the ="},
	} {
		tok, err := tokenizer.Words(c, k.cfg)
		if got := vocabulary(made(t, tok, err)); got != k.want {
			t.Errorf("%+v: want %s, got %s", k.cfg, k.want, got)
		}
	}
	tok, err := tokenizer.Words(c, tokenizer.VocabConfig{})
	tok = made(t, tok, err)
	// line.split() + ["<eos>"] for each line, blank ones too; nothing for what no LF ends
	if got, want := encoded(t, tok, wiki+"The new"), []int{0, 2, 4, 5, 6, 2, 0, 0, 7, 3, 8, 1, 9, 10, 1, 11, 12, 1, 3, 13, 0, 7, 3}; !slices.Equal(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if got, want := string(tok.Decode(nil, 0, 2, 4, 2, 0, -1, 14)), "\n = Valkyria =\n"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
	if tok.EOS() != 0 || tokenizer.Unknown(tok) != 3 || tok.Token(14) != "<token 14>" {
		t.Errorf("got <eos> %d, %s", tok.EOS(), tok.Token(14))
	}
}

func TestWordsOfOtherTexts(t *testing.T) {
	c := counted(t, tokenizer.KindWord, "b a b c")
	if err := c.Merge(counted(t, tokenizer.KindWord, "d c d")); err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Words(c, tokenizer.VocabConfig{})
	if got, want := vocabulary(made(t, tok, err)), "<eos> <unk> b c d a"; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	if got, want := encoded(t, tok, "x a\x1fb\u3000c\u00a0d\r\n"), []int{1, 5, 2, 3, 4, 0}; !slices.Equal(got, want) {
		t.Errorf("white space as str.split: want %v, got %v", want, got)
	}
	if got, want := encoded(t, tok, "a\u200bb \xe3\x80"), []int{1, 1}; !slices.Equal(got, want) {
		t.Errorf("no white space: want %v, got %v", want, got)
	}
	tok, err = tokenizer.Words(c, tokenizer.VocabConfig{Closed: true})
	ids, err := made(t, tok, err).Encode([]int{7}, []byte("a b\nxyz c"))
	var at *tokenizer.UnknownError
	if !errors.As(err, &at) || at.Offset != 4 || at.Token != "xyz" || !slices.Equal(ids, []int{7, 4, 1, 0}) {
		t.Errorf("got %v, error %v", ids, err)
	}
	for want, list := range map[string][]string{
		"want <eos>":           {"a"},
		`want each once`:       {"<eos>", "a", "a"},
		`word 1: want one`:     {"<eos>", "a b"},
		`word 0: want one`:     {"", "<eos>"},
		"want at most 4194304": make([]string, tokenizer.MaxVocab+1),
	} {
		if _, err := tokenizer.NewWords(list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestChars(t *testing.T) {
	c := counted(t, tokenizer.KindChar, "abb日a", "日z\xff")
	tok, err := tokenizer.Chars(c, tokenizer.VocabConfig{MinFreq: 2})
	if got, want := vocabulary(made(t, tok, err)), "<unk> a b 日"; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	if got, want := encoded(t, tok, "日zab\xff"), []int{3, 0, 1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if got, want := string(tok.Decode(nil, 3, 0, 1, 9, -2)), "日\ufffda"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
	tok, err = tokenizer.Chars(c, tokenizer.VocabConfig{Closed: true, Size: 3})
	if got, want := vocabulary(made(t, tok, err)), "a b 日"; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	_, err = tok.Encode(nil, []byte("ab日\xff"))
	var at *tokenizer.UnknownError
	if !errors.As(err, &at) || at.Offset != 5 {
		t.Errorf("got error %v", err)
	}
	if _, err := tokenizer.Chars(counts(t, tokenizer.KindChar), tokenizer.VocabConfig{Closed: true}); err == nil {
		t.Error("a vocabulary without a character was accepted")
	}
}

func TestBytes(t *testing.T) {
	tok := tokenizer.Bytes()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	ids := encoded(t, tok, string(all))
	for i, id := range ids {
		if id != i {
			t.Fatalf("byte %d is %d", i, id)
		}
	}
	if got := string(tok.Decode(nil, append(ids, 256, -1)...)); got != string(all) {
		t.Errorf("got %q", got)
	}
	if at := tokenizer.Cut(tokenizer.KindByte, []byte("日本\xe6")); at != 6 {
		t.Errorf("a text without white space is cut at %d", at)
	}
	if got := tok.Token('a') + tok.Token(' ') + tok.Token(256); got != "a<0x20><token 256>" || tok.EOS() != -1 {
		t.Errorf("got %s", got)
	}
}

// A text that is encoded in parts has the ids of the whole.
func TestCut(t *testing.T) {
	const text = " The cat's  日本語、b a \n\n 42x\u00a0y "
	for _, tok := range everyKind(t, text) {
		whole := encoded(t, tok, text)
		cuts := map[int]bool{}
		for n := 0; n <= len(text); n++ {
			at := tokenizer.Cut(tok.Kind(), []byte(text[:n]))
			cuts[at] = true
			got := append(encoded(t, tok, text[:at]), encoded(t, tok, text[at:])...)
			if !slices.Equal(got, whole) {
				t.Errorf("%s, of %d bytes: cut at %d: want %v, got %v", tok.Kind(), n, at, whole, got)
			}
		}
		if len(cuts) < 7 {
			t.Errorf("%s: want cuts at more places than %v", tok.Kind(), cuts)
		}
	}
}

// everyKind returns a tokenizer of each kind, whose vocabulary is of a text.
func everyKind(t *testing.T, text string) []tokenizer.Tokenizer {
	t.Helper()
	w, err := tokenizer.Words(counted(t, tokenizer.KindWord, text), tokenizer.VocabConfig{})
	w = made(t, w, err)
	c, err := tokenizer.Chars(counted(t, tokenizer.KindChar, text), tokenizer.VocabConfig{MinFreq: 2})
	return []tokenizer.Tokenizer{tokenizer.Bytes(), w, made(t, c, err)}
}

func TestEncodeEnds(t *testing.T) {
	const text = "a  b\r\n日 b "
	for _, tok := range everyKind(t, text)[1:] {
		ids, ends, err := tok.(tokenizer.Ends).EncodeEnds(nil, nil, []byte(text))
		if err != nil || !slices.Equal(ids, encoded(t, tok, text)) {
			t.Errorf("%s: got %v, %v", tok.Kind(), ids, err)
		}
		want := map[string][]int{tokenizer.KindWord: {1, 4, 6, 9, 11}, tokenizer.KindChar: {1, 2, 3, 4, 5, 6, 9, 10, 11, 12}}[tok.Kind()]
		if !slices.Equal(ends, want) {
			t.Errorf("%s: want ends %v, got %v", tok.Kind(), want, ends)
		}
	}
}

func TestCountWords(t *testing.T) {
	for text, want := range map[string]int{"": 0, " \n": 1, "a b\n": 3, " a  日本 \n\nc": 5} {
		if n, _ := tokenizer.CountWords([]byte(text), false); n != want {
			t.Errorf("%q: want %d, got %d", text, want, n)
		}
		for at := range text { // cut between characters
			n, inside := tokenizer.CountWords([]byte(text[:at]), false)
			m, _ := tokenizer.CountWords([]byte(text[at:]), inside)
			if n+m != want {
				t.Errorf("%q in two at %d: want %d, got %d + %d", text, at, want, n, m)
			}
		}
	}
}

func TestMarshal(t *testing.T) {
	prints := map[string]bool{}
	for _, tok := range everyKind(t, "a b\n \u2028日 b\x00\"") {
		b, err := tokenizer.Marshal(tok)
		if err != nil {
			t.Fatal(err)
		}
		again, err := tokenizer.Unmarshal(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if vocabulary(again) != vocabulary(tok) || again.Kind() != tok.Kind() || again.EOS() != tok.EOS() {
			t.Errorf("%s: got %s of %s", b, vocabulary(again), again.Kind())
		}
		one, err := tokenizer.Fingerprint(tok)
		if err != nil {
			t.Fatal(err)
		}
		if two, _ := tokenizer.Fingerprint(again); one != two || prints[one] || len(one) != 32 {
			t.Errorf("%s: fingerprints %s and %s", tok.Kind(), one, two)
		}
		prints[one] = true
	}
	for in, want := range map[string]string{
		`{}`:                                    `want a tokenizer.json, or the kind "byte", "char" or "word", got ""`,
		`{"kind":"byte","words":["<eos>"]}`:     `want the vocabulary of the kind "byte"`,
		`{"kind":"word","words":["a"]}`:         "want <eos>",
		`{"kind":"char","chars":"aba"}`:         "want each once, got 'a' again",
		`{"kind":"char"}`:                       "want at least one character",
		`{"kind":"char","chars":"a","more":{}}`: "unknown field",
		`{"kind":"word"`:                        "truncated",
	} {
		if _, err := tokenizer.Unmarshal([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", in, err, want)
		}
	}
}

// Whatever comes, it is whole characters, and nothing is lost.
func TestDecoder(t *testing.T) {
	const text = "aé日𝄞b"
	d := tokenizer.NewDecoder(tokenizer.Bytes())
	var got []string
	for _, id := range encoded(t, tokenizer.Bytes(), text+"\xff\xe6\x97x\xf0") {
		got = append(got, d.Next(id))
	}
	got = append(got, d.Flush(), d.Flush(), d.Next('c'))
	want := []string{"a", "", "é", "", "", "日", "", "", "", "𝄞", "b", "\ufffd", "", "", "\ufffd\ufffdx", "", "\ufffd", "", "c"}
	if !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}
