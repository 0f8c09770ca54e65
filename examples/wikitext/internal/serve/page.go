package serve

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
)

// The page: one document without anything else to fetch. Style and script are part of
// it, and known to the browser by their sums.
var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// page is the page as it is sent.
type page struct {
	html   []byte
	policy string
}

// newPage puts the page together.
func newPage() (*page, error) {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{"Style": template.CSS(pageCSS), "Script": template.JS(pageJS)})
	if err != nil {
		return nil, err
	}
	return &page{b.Bytes(), fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; connect-src 'self'; img-src data:; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", sum(pageJS), sum(pageCSS))}, nil
}

// sum is by what a browser knows a script or a style.
func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(s[:])
}

// answer answers GET /.
func (p *page) answer(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy)
	w.Header().Set("Content-Length", strconv.Itoa(len(p.html)))
	_, err := w.Write(p.html)
	return err
}
