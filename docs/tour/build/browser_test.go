package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// frames is a page that loads every page of the site at every width, and says of each
// how much it is too wide, how many formulas have no size, and how many pictures did not load.
const frames = `<!DOCTYPE html>
<body>
<script>
const pages = %s, widths = [390, 1200]
async function look(page, width) {
	const frame = document.createElement("iframe")
	frame.style = "border: 0; height: 800px; width: " + width + "px"
	const loaded = new Promise(done => frame.onload = done)
	frame.src = page
	document.body.append(frame)
	await loaded
	const doc = frame.contentDocument
	const flat = [...doc.querySelectorAll("math")].filter(m => !m.closest("details") && m.getBoundingClientRect().height < 5).length
	const missing = [...doc.images].filter(i => !i.complete || i.naturalWidth == 0).length
	const seen = "[" + [page, width, doc.documentElement.scrollWidth - doc.documentElement.clientWidth, flat, missing, doc.title.length].join(" ") + "]"
	frame.remove()
	return seen
}
(async () => {
	let all = ""
	for (const page of pages) for (const width of widths) all += await look(page, width)
	document.body.textContent = all + "[end]"
})()
</script>
`

// No page is wider than a telephone, or than a window, and all formulas and pictures are
// there. Without Chromium the test is skipped, or fails if it is required.
func TestInBrowser(t *testing.T) {
	chromium := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			chromium = path
			break
		}
	}
	if chromium == "" {
		without(t, "there is no Chromium")
	}
	site := t.TempDir()
	if err := run([]string{"-tour", copyOf(t), "-out", site}, io.Discard); err != nil {
		t.Fatal(err)
	}
	var names []string
	paths, err := filepath.Glob(filepath.Join(site, "*.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		names = append(names, fmt.Sprintf("%q", filepath.Base(path)))
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(site)))
	mux.HandleFunc("/frames", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, frames, "["+strings.Join(names, ", ")+"]")
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{"--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + t.TempDir(),
		"--virtual-time-budget=60000", "--dump-dom", server.URL + "/frames"}
	if os.Geteuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...)
	}
	dom, err := exec.CommandContext(ctx, chromium, args...).Output()
	if err != nil {
		without(t, fmt.Sprintf("Chromium does not start: %v", err))
	}
	if !strings.Contains(string(dom), "[end]") {
		t.Fatalf("the pages were not all looked at:\n%s", dom)
	}
	looks := regexp.MustCompile(`\[(\S+) (\d+) (\d+) (\d+) (\d+) (\d+)\]`).FindAllStringSubmatch(string(dom), -1)
	if len(looks) != 2*len(names) {
		t.Errorf("want %d pages at two widths, got %d looks", len(names), len(looks))
	}
	for _, m := range looks {
		if m[3] != "0" {
			t.Errorf("%s: in a window of width %s the page is too wide by %s", m[1], m[2], m[3])
		}
		if m[4] != "0" || m[5] != "0" || m[6] == "0" {
			t.Errorf("%s at width %s: %s formulas have no height, %s pictures did not load, the title has %s letters", m[1], m[2], m[4], m[5], m[6])
		}
	}
}

// without skips a test for want of Chromium, which S4_CHROMIUM=required makes an error.
func without(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("S4_CHROMIUM") == "required" {
		t.Fatalf("S4_CHROMIUM=required: %s", why)
	}
	t.Skip(why)
}

// copyOf returns a copy of docs/tour in a repository that is linked to, to write to.
func copyOf(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := os.Mkdir(filepath.Join(to, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, below := range []string{"", "docs"} {
		entries, err := os.ReadDir(filepath.Join(root, below))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if path := filepath.Join(below, e.Name()); path != "docs" && path != filepath.Join("docs", "tour") {
				if err := os.Symlink(filepath.Join(root, path), filepath.Join(to, path)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	dir := filepath.Join(to, "docs", "tour")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "docs", "tour"))); err != nil {
		t.Fatal(err)
	}
	return dir
}
