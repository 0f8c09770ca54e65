package strictjson_test

import (
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/strictjson"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": 1}`:             "",
		" {\"a\": 1}\n":        "",
		"\ufeff{\"a\": 1}\r\n": "",
		``:                     "the file is truncated after 0 bytes",
		`{"a":`:                "the file is truncated after 5 bytes",
		`{"a": 1, "b": 2}`:     `unknown field "b"`,
		`{"a": 1, "a": 2}`:     `want every key once, got "a" twice`,
		`{"a": 1} {}`:          "there is something behind the end of the JSON value",
		`{"a": 1}garbage`:      "there is something behind the end of the JSON value",
		`{"a": "x"}`:           "cannot unmarshal string",
	} {
		var v struct{ A int }
		switch err := strictjson.Decode([]byte(text), &v); {
		case want == "" && (err != nil || v.A != 1):
			t.Errorf("%q: got %+v, error %v", text, v, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got error %v, want %q", text, err, want)
		}
	}
}
