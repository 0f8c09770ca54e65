package listops

import (
	"slices"
	"strings"
	"testing"
)

// The tokens of an expression are those that its data set has, and its symbols are the
// expression.
func TestTokens(t *testing.T) {
	s := generate(t, Config{Train: 3, Val: 1, Test: 1, MinLength: 5, MaxLength: 30}).Train
	d, err := s.Dataset(Encoding{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Len() {
		want, _, err := readExample(d, i)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Tokens([]byte(s.Source(i)))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v (%v), want %v", s.Source(i), got, err, want)
		}
	}
	long := "[MAX " + strings.Repeat("1 ", 3000) + "]"
	if got, err := Tokens([]byte(long)); err != nil || len(got) != DefaultLMax || got[DefaultLMax-1] != EOS {
		t.Errorf("a long expression: got %d tokens, %v", len(got), err)
	}
	for source, want := range map[string]string{"": "no expression", "[MAX 1": "", "[MAX 1 x ]": "unknown token"} {
		if _, err := Tokens([]byte(source)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v", source, err)
		}
	}
}

func TestSymbol(t *testing.T) {
	tokens, err := Tokens([]byte("[MIN 4 [SM 7 0 ] ]"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, id := range tokens {
		all = append(all, Symbol(id))
	}
	if got := strings.Join(all, " "); got != "[MIN 4 [SM 7 0 ] ] <eos>" {
		t.Errorf("got %s", got)
	}
	if Symbol(-1) != "" || Symbol(VocabSize) != "" {
		t.Error("what is no token has a symbol")
	}
}
