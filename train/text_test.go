package train

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// A result is what it was after JSON, a number too large for a float64 among it.
func TestTextResultInJSON(t *testing.T) {
	for _, words := range []int{0, 2, 900} {
		r := TextResult{Mode: TextSliding, Window: 8, Stride: 4, Vocabulary: "byte", Tokens: 1000, Unknown: 3, NLL: 5000}
		r.finish(words, 1001)
		if words == 2 && !math.IsInf(r.WordPerplexity, 1) {
			t.Fatalf("got %v per word, want one that is too large", r.WordPerplexity)
		}
		text, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		var got TextResult
		if err := json.Unmarshal(text, &got); err != nil || got != r {
			t.Errorf("got %+v, %v, want %+v", got, err, r)
		}
		for name, want := range map[string]bool{`"perplexity":148.4`: true, `"word_perplexity"`: words > 0, `"+Inf"`: words == 2, `"unknown":3`: true} {
			if strings.Contains(string(text), name) != want {
				t.Errorf("%d words: %s is in %s: want %v", words, name, text, want)
			}
		}
	}
}
