package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"path/filepath"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
)

// PageFile is the name of the page in a run's directory.
const PageFile = "report.html"

// The parts of the page that do not depend on the run.
var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	styleText string
	//go:embed page.js
	scriptText string
)

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// whole is what the template gets.
type whole struct {
	*page
	Style  template.CSS
	Script template.JS
	// ScriptSum is the digest of the script: the page allows no other.
	ScriptSum string
}

// Write writes the page of the run in dir to dir/report.html, which it replaces
// as a whole.
func Write(dir string) error {
	p, err := gather(dir)
	if err != nil {
		return err
	}
	err = atomicfile.Write(filepath.Join(dir, PageFile), 0o666, func(w io.Writer) error { return p.render(w) })
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Render writes the page of the run in dir to w: one HTML file that needs no
// other. It leaves out what the directory has no file of, and says so. A file of the
// run that is damaged is an error.
func Render(w io.Writer, dir string) error {
	p, err := gather(dir)
	if err != nil {
		return err
	}
	if err := p.render(w); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func (p *page) render(w io.Writer) error {
	sum := sha256.Sum256([]byte(scriptText))
	return pageTemplate.Execute(w, whole{p, template.CSS(styleText), template.JS(scriptText), base64.StdEncoding.EncodeToString(sum[:])})
}
