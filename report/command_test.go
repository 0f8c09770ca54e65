package report

import (
	"slices"
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	const module = "example.com/m"
	for _, c := range []struct {
		program, pkg string
		want         []string
	}{
		{"/tmp/go-build123/b001/exe/lra", module + "/examples/lra", []string{"go", "run", "./examples/lra", "-x"}},
		{"/tmp/go-build123/b001/exe/lra", "example.com/other/lra", []string{"go", "run", "example.com/other/lra", "-x"}},
		{"/tmp/go-build123/b001/exe/lra", "", []string{"/tmp/go-build123/b001/exe/lra", "-x"}},
		{"./lra", module + "/examples/lra", []string{"./lra", "-x"}},
		{"/usr/exe/lra", module, []string{"/usr/exe/lra", "-x"}},
	} {
		if got := commandOf([]string{c.program, "-x"}, c.pkg, module); !slices.Equal(got, c.want) {
			t.Errorf("%s of %s: got %q, want %q", c.program, c.pkg, got, c.want)
		}
	}
}

func TestCommandLine(t *testing.T) {
	const want = `go run ./lra -x '' 'it'\''s' 'a b' '$HOME' a=b,c`
	if got := strings.Join(commandLine([]string{"go", "run", "./lra", "-x", "", "it's", "a b", "$HOME", "a=b,c"}), " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
