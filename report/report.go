package report

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
)

// PageFile is the name of the page in a run's directory.
const PageFile = "report.html"

// Write writes the page of the run in dir to dir/report.html, which it replaces
// as a whole.
func Write(dir string) error {
	return atomicfile.Write(filepath.Join(dir, PageFile), 0o666, func(w io.Writer) error { return Render(w, dir) })
}

// Render writes the page of the run in dir to w: one HTML file that needs no
// other.
func Render(w io.Writer, dir string) error {
	return fmt.Errorf("report: %s: not yet", dir)
}
