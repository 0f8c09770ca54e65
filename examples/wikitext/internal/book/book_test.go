package book_test

import (
	"bytes"
	"testing"

	"github.com/gorgonia-s4/s4/examples/wikitext/internal/book"
)

func TestText(t *testing.T) {
	text := book.Text()
	if !bytes.HasPrefix(text, []byte("EMMA\n\nVOLUME I\n")) || !bytes.Contains(text, []byte("\nPERSUASION\n\n")) || !bytes.HasSuffix(text, []byte(".\n")) {
		t.Errorf("want the two novels, got %q ... %q", text[:40], text[len(text)-40:])
	}
	if n := len(text); n < 1_300_000 || n > 1_400_000 {
		t.Errorf("want 1.35 MB, got %d bytes", n)
	}
	for i, c := range text {
		if c >= 0x7f || c < ' ' && c != '\n' {
			t.Fatalf("byte %d: want printable ASCII and LF, got %q", i, c)
		}
	}
	for _, other := range []string{"utenberg", "GUTENBERG", "text #", "opyright"} {
		if bytes.Contains(text, []byte(other)) {
			t.Errorf("want the novels alone, got %q", other)
		}
	}
	clear(text)
	if !bytes.HasPrefix(book.Text(), []byte("EMMA")) {
		t.Error("one caller's text is another's")
	}
}
