package names

import "testing"

func TestRepeated(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  int
	}{{nil, -1}, {[]string{"a", "b"}, -1}, {[]string{"a", "b", "a"}, 2}, {[]string{"a", ""}, 1}} {
		if got := Repeated(c.names); got != c.want {
			t.Errorf("%q: got %d, want %d", c.names, got, c.want)
		}
	}
}

func TestQuote(t *testing.T) {
	type kind string
	if got := Quote(kind("a\n")); got != `"a\n"` {
		t.Errorf("got %s", got)
	}
}
