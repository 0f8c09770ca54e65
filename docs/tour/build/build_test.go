package main

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The Markdown that is committed is that of the text, and nothing in it is broken.
func TestTourIsUpToDate(t *testing.T) {
	if err := run([]string{"-check"}, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

// dot is a picture of one point.
const dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

// small writes a tour of one chapter with that text below its title, and returns
// its directory.
func small(t *testing.T, text string) string {
	t.Helper()
	root := t.TempDir()
	png, err := base64.StdEncoding.DecodeString(dot)
	if err != nil {
		t.Fatal(err)
	}
	gone := ""
	if strings.Contains(text, "gone.png") {
		gone = `"gone.png": nil`
	}
	for name, content := range map[string]string{
		"results/rows.md":              "Some.\n\n| model | right |\n|---|--:|\n| s4d | 93.5 |\n| s4 | 94.5 |\n\nMore.\n\n| other |\n|---|\n| 1 |\n",
		"docs/tour/source/README.md":   "# Tour\n\nAll.\n\n{{contents}}\n\n{{code double}}\n\n{{picture dot.png A dot.}}\n",
		"docs/tour/source/01-first.md": "# First\n\nThe first.\n\n" + text + "\n",
		"docs/tour/pictures/draw.go":   "package pictures\n\nvar Drawn = map[string]func(){\"dot.png\": nil, " + gone + "}\n",
		"docs/tour/pictures/dot.png":   string(png),
		"docs/tour/pictures/old.png":   string(png),
		"docs/tour/first_test.go": `package tour_test

import "fmt"

//tour:double

// double is twice x.
func double(x int) int { return 2 * x }

//tour:end

type pair struct{ a, b int }

func (p *pair) sum() int { return p.a + p.b }

func Example_first() {
	fmt.Println("twice", double(21), "in", 1)
	// Output: twice 42 in 1
}

func Example_silent() {}
`,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(root, "docs", "tour")
}

// Every directive, as Markdown and on the site.
func TestDirectives(t *testing.T) {
	for _, c := range []struct{ text, markdown, html string }{
		{"{{code double}}", "```go\n// double is twice x.\nfunc double(x int) int { return 2 * x }\n```", `<span class="comment">// double is twice x.</span>`},
		{"{{code double}}", "The whole code of this chapter: [first_test.go](first_test.go).", "The whole code of this chapter: first_test.go."},
		{"{{func docs/tour/first_test.go double}}", "```go\nfunc double(x int)", `<span class="keyword">func</span> double`},
		{"{{func docs/tour/first_test.go pair.sum}}", "func (p *pair) sum() int", "(p *pair) sum"},
		{"{{output Example_first}}", "```text\ntwice 42 in 1\n```", `<pre class="text"><code>twice 42 in 1`},
		{"{{output docs/tour/first_test.go Example_first}}", "```text\ntwice 42 in 1\n```", `<pre class="text"><code>twice 42 in 1`},
		{"{{table results/rows.md | model}}", "The first.\n\n| model | right |\n|---|--:|\n| s4d | 93.5 |\n| s4 | 94.5 |\n\n---", `<div class="table"><table>`},
		{`It is {{number Example_first twice (\d+)}}.`, "It is 42.", "<p>It is 42.</p>"},
		{`It is {{number results/rows.md s4d \| (\S+)}} %.`, "It is 93.5 %.", "<p>It is 93.5 %.</p>"},
		{"{{picture dot.png A dot.}}", "![A dot.](pictures/dot.png)", `<img src="pictures/dot.png" alt="A dot." width="1" height="1">`},
		{"With $x_1 < 2$ as in eq. 3.", "With $`x_1 < 2`$ as in eq. 3.", "<msub><mi>x</mi><mn>1</mn></msub><mo>&lt;</mo><mn>2</mn>"},
		{`It is $O(L \log L)$ for $\mathcal{F}$.`, "$`O(L \\log L)`$", `<mo lspace="0.1667em" rspace="0.1667em">log</mo><mi>L</mi>`},
		{"$$\nx^2\n$$", "```math\nx^2\n```", `<div class="formula"><math display="block"`},
		{"See [the rows](../../results/rows.md).", "(../../results/rows.md)", "See the rows."},
		{"See [the contents](README.md) of S4, float64 and CIFAR-10, section 3.1 and appendix C.2.", "(README.md)", `<a href="index.html">`},
		{"## Some more\n\n[there](#some-more), [too](01-first.md#some-more)", "## Some more", `<a href="01-first.html#some-more">`},
		{"`1 of $2` in code, and [in 2020](https://example.org/2020)", "`1 of $2`", "<code>1 of $2</code>"},
		{"1. first\n2. second", "2. second", "<li>second</li>"},
	} {
		dir, site := small(t, c.text), t.TempDir()
		if err := run([]string{"-tour", dir, "-out", site}, &bytes.Buffer{}); err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		for path, want := range map[string]string{filepath.Join(dir, "01-first.md"): c.markdown, filepath.Join(site, "01-first.html"): c.html} {
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(got), want) {
				t.Errorf("%s: no %q in\n%s", c.text, want, got)
			}
		}
	}
}

// What is broken fails, and the error names the line and the thing.
func TestBroken(t *testing.T) {
	for text, want := range map[string]string{
		"{{code nothing}}":                                  `source/01-first.md:5: there is no region "nothing"`,
		"{{output Example_nothing}}":                        "there is no Example_nothing with an output",
		"{{output Example_silent}}":                         "there is no Example_silent with an output",
		"{{output docs/tour/first_test.go Example_second}}": "there is no Example_second with an output in docs/tour/first_test.go",
		"{{table results/rows.md | nothing}}":               `want one table that begins with "| nothing" in results/rows.md, got 0`,
		"{{table results/rows.md |}}":                       "got 2",
		"{{func docs/tour/first_test.go triple}}":           "there is no func triple in docs/tour/first_test.go",
		"{{func ../first_test.go double}}":                  `want a path from the root of the repository, got "../first_test.go"`,
		"{{func docs/nowhere.go double}}":                   "there is no file docs/nowhere.go",
		"{{sound beep}}":                                    `there is no directive "sound"`,
		"a {{code double}} b":                               "want {{number SOURCE REGEXP}}",
		"{{picture nothing.png A.}}":                        "nothing.png: no code in docs/tour/pictures draws it",
		"{{picture old.png A.}}":                            "old.png: no code in docs/tour/pictures draws it",
		"{{picture gone.png A.}}":                           "gone.png: it is not there",
		"{{picture dot.png}}":                               "want a text for those who do not see it",
		`It is {{number Example_first once (\d+)}}.`:        `want one match of "once (\\d+)" in Example_first, got 0`,
		`It is {{number results/rows.md (\d\d)\.5}}.`:       "in results/rows.md, got 2",
		`It is {{number results/rows.md s4}}.`:              `want one group in "s4", got 0`,
		`It is {{number results/none.md (\d)}}.`:            "there is no file results/none.md",
		`It is {{number Example_first (}}.`:                 "error parsing regexp",
		"It takes 3 s.":                                     `source/01-first.md:5: the number "3" is of no run`,
		"It is 93.5 % right.":                               `the number "93.5" is of no run`,
		"twice (2x)":                                        `the number "(2" is of no run`,
		"$x":                                                "a formula has no end on its line",
		"$$\nx":                                             "source/01-first.md:5: a formula has no end",
		`With $\unheard{x}$.`:                               `formula $\unheard{x}$: want what the converter knows, got "unheard"`,
		`With $\frac{1}{2$.`:                                "mismatched curly brace",
		`With $\left( x$.`:                                  `want as many \right as \left, got 0 and 1`,
		"$$\nx_1_2\n$$":                                     "want one index and one exponent",
		"[there](02-second.md)":                             `link "02-second.md": there is no such file`,
		"[there](../../results/none.md)":                    "there is no such file",
		"[there](#nowhere)":                                 `link "#nowhere": there is no such heading`,
		"[there](README.md#nowhere)":                        "there is no such heading",
		"[there](http://example.org)":                       "want https://host/...",
		"<https://nohost>":                                  "want https://host/...",
	} {
		err := run([]string{"-tour", small(t, text)}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", text, err, want)
		}
	}
}

// What no chapter shows is named.
func TestUnseen(t *testing.T) {
	dir := small(t, "Some text.")
	if err := os.WriteFile(filepath.Join(dir, "source", "README.md"), []byte("# Tour\n\nAll.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := run([]string{"-tour", dir}, &bytes.Buffer{})
	for _, want := range []string{`first_test.go: no chapter shows region "double"`, "pictures/dot.png: no chapter shows it"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// -check writes nothing, and names Markdown that is old, or of no text.
func TestCheck(t *testing.T) {
	dir := small(t, "Some text.")
	check := []string{"-tour", dir, "-check"}
	want := func(texts ...string) {
		t.Helper()
		err := run(check, &bytes.Buffer{})
		if err == nil && len(texts) > 0 {
			t.Fatalf("got no error, want %q", texts)
		}
		for _, text := range texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("got error %v, want %q", err, text)
			}
		}
		if len(texts) == 0 && err != nil {
			t.Error(err)
		}
	}
	want("README.md is not that of source/README.md", "01-first.md is not that of source/01-first.md")
	if err := run(check[:2], &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	want()
	if err := os.WriteFile(filepath.Join(dir, "02-old.md"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want("02-old.md has no source/02-old.md")
}

// An address of the repository makes links of what the site does not have itself.
func TestLinksToCode(t *testing.T) {
	site := t.TempDir()
	if err := run([]string{"-tour", small(t, "[rows](../../results/rows.md)"), "-out", site, "-code", "https://example.org/s4/"}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	html, err := os.ReadFile(filepath.Join(site, "01-first.html"))
	if want := `<a href="https://example.org/s4/results/rows.md">rows</a>`; err != nil || !strings.Contains(string(html), want) {
		t.Errorf("no %q in\n%s%v", want, html, err)
	}
}

// The site is the same in every run, and loads nothing from elsewhere.
func TestSite(t *testing.T) {
	sites := []fs.FS{}
	for range 2 {
		dir := t.TempDir()
		tour, err := read("..")
		if err != nil {
			t.Fatal(err)
		}
		pages, err := tour.pages("")
		if err != nil {
			t.Fatal(err)
		}
		if err := writeSite(dir, pages, filepath.Join("..", "pictures")); err != nil {
			t.Fatal(err)
		}
		sites = append(sites, os.DirFS(dir))
	}
	err := fs.WalkDir(sites[0], ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		a, err := fs.ReadFile(sites[0], path)
		if err != nil {
			return err
		}
		b, err := fs.ReadFile(sites[1], path)
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs between two runs", path)
		}
		for _, loads := range []string{`src="http`, "<script", "@import", "url("} {
			if filepath.Ext(path) != ".png" && bytes.Contains(a, []byte(loads)) {
				t.Errorf("%s: has %s", path, loads)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestUsage(t *testing.T) {
	for want, args := range map[string][]string{
		`want options only, got "x"`: {"x"},
		"not defined: -nothing":      {"-nothing"},
		"want the text":              {"-tour", t.TempDir()},
	} {
		if err := run(args, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("build %s: got error %v, want %q", args, err, want)
		}
	}
}
