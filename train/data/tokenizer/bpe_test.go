package tokenizer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/train/data/tokenizer"
)

// golden is a text and its ids by the tokenizers package.
type golden struct {
	Text string `json:"text"`
	IDs  []int  `json:"ids"`
}

func readJSON[T any](t *testing.T, name string) (v T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func open(t *testing.T, path string) tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Open(path)
	return made(t, tok, err)
}

// The ids are those of the tokenizers package, from both forms of files, and again when
// they have been written here.
func TestBPEIsThatOfTokenizers(t *testing.T) {
	pair := t.TempDir()
	for _, name := range []string{"vocab.json", "merges.txt"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(pair, name), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ path, ids string }{
		{"testdata", "ids.json"}, {"testdata/tokenizer.json", "ids.json"}, {pair, "ids.json"},
		{filepath.Join(pair, "merges.txt"), "ids.json"}, {"testdata/prefix.json", "prefix-ids.json"},
	} {
		tok := open(t, c.path)
		b, err := tokenizer.Marshal(tok)
		if err != nil {
			t.Fatal(err)
		}
		again, err := tokenizer.Unmarshal(b)
		for _, tok := range []tokenizer.Tokenizer{tok, made(t, again, err)} {
			for range 2 { // the second time the pieces are remembered
				for _, g := range readJSON[[]golden](t, c.ids) {
					ids := encoded(t, tok, g.Text)
					if !slices.Equal(ids, g.IDs) {
						t.Errorf("%s: %.60q: want %v, got %v", c.path, g.Text, g.IDs, ids)
					}
					if got := string(tok.Decode(nil, ids...)); c.ids == "ids.json" && got != g.Text {
						t.Errorf("%s: want %q, got %q", c.path, g.Text, got)
					}
				}
			}
		}
	}
	tok := open(t, "testdata")
	if tok.Kind() != tokenizer.KindBPE || tok.Vocab() != 600 || tok.EOS() != 0 || tok.Token(0) != "<|endoftext|>" || tok.Token(257) != "Ġa" {
		t.Errorf("got %s of %d, <eos> %d, %q, %q", tok.Kind(), tok.Vocab(), tok.EOS(), tok.Token(0), tok.Token(257))
	}
	one, _ := tokenizer.Fingerprint(tok)
	if two, _ := tokenizer.Fingerprint(open(t, pair)); one != two {
		t.Error("the fingerprint depends on the form of the files")
	}
}

// novels returns the text that the files of testdata were made of.
func novels(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open("../../../examples/wikitext/internal/book/austen.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	var b []byte
	if err == nil {
		b, err = io.ReadAll(z)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Training makes the merges of the tokenizers package.
func TestTrainBPEAsTokenizers(t *testing.T) {
	c := counts(t, tokenizer.KindBPE)
	for _, line := range bytes.SplitAfter(novels(t)[:100_000], []byte("\n")) {
		if err := c.Add(line); err != nil {
			t.Fatal(err)
		}
	}
	tok, err := tokenizer.TrainBPE(context.Background(), c, tokenizer.VocabConfig{Size: 500})
	b, err := tokenizer.Marshal(made(t, tok, err))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Model struct{ Merges [][2]string } }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	want := readJSON[[][2]string](t, "merges-500.json")
	for i, m := range want {
		if i >= len(got.Model.Merges) || got.Model.Merges[i] != m {
			t.Fatalf("merge %d of %d: want %q, got %q", i, len(want), m, got.Model.Merges[min(i, len(got.Model.Merges)-1):][0])
		}
	}
	if tok.Vocab() != 500 || len(got.Model.Merges) != len(want) {
		t.Errorf("want 500 tokens and %d merges, got %d and %d", len(want), tok.Vocab(), len(got.Model.Merges))
	}
}

func TestTrainBPEOfLittle(t *testing.T) {
	for text, want := range map[string]string{"": "", "abc": "", "ab ab": "ab", "aaaaaaaa": "aa aaaa", "aXaYaX\xff\xff aXaYaX\xff\xff": ""} {
		tok, err := tokenizer.TrainBPE(context.Background(), counted(t, tokenizer.KindBPE, text), tokenizer.VocabConfig{Size: 300})
		made(t, tok, err)
		if got := strings.Join(strings.Fields(vocabulary(tok))[256:], " "); want != "" && got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
		if got := string(tok.Decode(nil, encoded(t, tok, text)...)); got != text {
			t.Errorf("want %q, got %q", text, got)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tokenizer.TrainBPE(ctx, counted(t, tokenizer.KindBPE, "abab"), tokenizer.VocabConfig{Size: 300}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	if _, err := tokenizer.TrainBPE(context.Background(), counts(t, tokenizer.KindBPE), tokenizer.VocabConfig{Size: 255}); err == nil {
		t.Error("fewer tokens than bytes were accepted")
	}
}

// Long pieces are merged as short ones are.
func TestLongPieces(t *testing.T) {
	const file = `{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "aa": 2, "ab": 3, "aab": 4, "aaaa": 5, "ba": 6},
		"merges": ["a ab", "a a", "aa aa", "a b", "b a"]}, "pre_tokenizer": {"type": "ByteLevel"}}`
	tok, err := tokenizer.Unmarshal([]byte(file))
	made(t, tok, err)
	merges := [][3]string{{"a", "ab", "aab"}, {"a", "a", "aa"}, {"aa", "aa", "aaaa"}, {"a", "b", "ab"}, {"b", "a", "ba"}}
	for n := range 400 {
		text := make([]byte, 1+n/8)
		for i := range text {
			text[i] = "aab"[(i*i+n*i+n)%3]
		}
		var want []string // the first merge of the list that there is, where it comes first
		for _, c := range text {
			want = append(want, string(c))
		}
		for again := true; again; {
			again = false
			for _, m := range merges {
				i := slices.IndexFunc(want, func(string) bool { return false })
				for k := range len(want) - 1 {
					if want[k] == m[0] && want[k+1] == m[1] {
						i = k
						break
					}
				}
				if i >= 0 {
					want = slices.Replace(want, i, i+2, m[2])
					again = true
					break
				}
			}
		}
		var got []string
		for _, id := range encoded(t, tok, string(text)) {
			got = append(got, tok.Token(id))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: want %q, got %q", text, want, got)
		}
	}
	if _, err := tok.Encode(nil, []byte("aabxa")); err == nil || err.Error() != `byte 3: want a token of the vocabulary, which has no <unk>, got "x"` {
		t.Errorf("got error %v", err)
	}
}

func TestBPEFileErrors(t *testing.T) {
	const (
		level = `"pre_tokenizer": {"type": "ByteLevel"}`
		model = `"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}`
	)
	with := func(model string) string { return `{` + level + `, "model": {"type": "BPE", ` + model + `}}` }
	for in, want := range map[string]string{
		`{` + level + `, "model": null}`:                  `model: want the type "BPE"`,
		`{` + level + `, "model": {}}`:                    "want tokens, got none",
		`{` + level + `, "model": {"type": "WordPiece"}}`: `model: want the type "BPE", got another`,
		`{` + model + `}`:                                 `pre_tokenizer: want "ByteLevel", got none`,
		`{` + model + `, "pre_tokenizer": {"type": "Metaspace", "replacement": "_"}}`:                            `pre_tokenizer: want "ByteLevel", got "Metaspace"`,
		`{` + model + `, "pre_tokenizer": {"type": "ByteLevel", "use_regex": false}}`:                            "want use_regex true",
		`{` + model + `, "pre_tokenizer": {"type": "ByteLevel", "use_regex": "x"}}`:                              "cannot unmarshal",
		`{` + model + `, ` + level + `, "normalizer": {"type": "NFC"}}`:                                          "normalizer: want null",
		`{` + model + `, ` + level + `, "decoder": {"type": "Fuse"}}`:                                            `decoder: want "ByteLevel"`,
		`{` + model + `, ` + level + `, "more": 1}`:                                                              "unknown field",
		with(`"vocab": {"a": 0, "b": 2}, "merges": []`):                                                          `token "b": want an id in [0, 2), there being so many tokens, got 2`,
		with(`"vocab": {"a": 0, "b": -1}, "merges": []`):                                                         "want an id in [0, 2)",
		with(`"vocab": {"a": 0, "b": 99999999999999999999}, "merges": []`):                                       "cannot unmarshal",
		with(`"vocab": {"a": 0, "b": 0}, "merges": []`):                                                          `want an id of its own, got 0, which "a" has`,
		with(`"vocab": {"a": 0, "a": 1}, "merges": []`):                                                          `want every key once, got "a" twice`,
		with(`"vocab": ["a"], "merges": []`):                                                                     "cannot unmarshal array",
		with(`"vocab": {"a b": 0}, "merges": []`):                                                                `token 0: want characters that stand for bytes, got "a b"`,
		with(`"vocab": {"": 0}, "merges": []`):                                                                   "token 0: want characters that stand for bytes",
		with(`"vocab": {"a": 0, "b": 1}, "merges": ["a b"]`):                                                     `merge 0, of "a" and "b": want tokens of the vocabulary, got "ab"`,
		with(`"vocab": {"a": 0}, "merges": ["a x"]`):                                                             `want tokens of the vocabulary, got "x"`,
		with(`"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b", ["a", "b"]]`):                                "merge 1, of \"a\" and \"b\": want each once",
		with(`"vocab": {"a": 0}, "merges": ["ab"]`):                                                              `want a merge of 2 tokens, "a b", got "ab"`,
		with(`"vocab": {"a": 0}, "merges": [["a", "b", "c"]]`):                                                   "want a merge of 2 tokens, got 3",
		with(`"vocab": {"a": 0}, "merges": [1]`):                                                                 "cannot unmarshal number",
		with(`"vocab": {"a": 0}, "merges": [], "dropout": 0.1`):                                                  "want no dropout",
		with(`"vocab": {"a": 0}, "merges": [], "byte_fallback": true`):                                           "want byte_fallback false",
		with(`"vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "</w>"`):                                    "want no continuing_subword_prefix",
		`{` + model + `, ` + level + `, "added_tokens": [{"id": 9, "content": "<s>"}]}`:                          "want an id in [0, 4)",
		`{` + model + `, ` + level + `, "added_tokens": [{"id": 1, "content": "ab"}]}`:                           "want the id 2 of the vocabulary, got 1",
		`{` + model + `, ` + level + `, "added_tokens": [{"id": 3, "content": ""}]}`:                             "want a text without white space",
		`{` + model + `, ` + level + `, "added_tokens": [{"id": 3, "content": "日。"}]}`:                           "want one word of letters",
		`{` + model + `, ` + level + `, "added_tokens": [{"id": 3, "content": "a b"}]}`:                          "want a text without white space",
		`{` + model + `, ` + level + `, "added_tokens": [{"id": 3, "content": "x", "lstrip": true}]}`:            "want no single_word, lstrip and rstrip",
		`{` + model + `, ` + level + `, "added_tokens": [{"id": 3, "content": "x"}, {"id": 3, "content": "x"}]}`: "want each once",
		`{` + model + `, ` + level:                                                                               "truncated",
	} {
		if _, err := tokenizer.Unmarshal([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got error %v\nwant %s", in, err, want)
		}
	}
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	failing := func(want string) {
		t.Helper()
		if _, err := tokenizer.Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
	failing("want tokenizer.json, or vocab.json and merges.txt")
	put("vocab.json", `{"a": 0, "b": 1, "ab": 2}`)
	failing("merges.txt")
	put("merges.txt", "#version: 0.2\na b\n\nb\n")
	failing(`merges.txt: line 4: want a merge of 2 tokens, "a b", got "b"`)
	put("merges.txt", "a b\r\nb a\n")
	failing(`merge 1, of "b" and "a": want tokens of the vocabulary, got "ba"`)
	put("merges.txt", "#version: 0.2\na b\n")
	tok := open(t, filepath.Join(dir, "vocab.json"))
	if got := encoded(t, tok, "abb"); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("got %v", got)
	}
	put("tokenizer.json", "{")
	failing("tokenizer.json: the file is truncated")
}
