package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

//go:embed style.css
var style []byte

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// page is a file of the site.
type page struct {
	name string // index.html
	html []byte
}

// pages makes the site. code is where the repository's files are to be seen; without
// it they are named, and not linked to.
func (t *tour) pages(code string) ([]page, error) {
	var pages []page
	for i, c := range t.chapters {
		w := ways{Contents: i > 0}
		if i > 1 {
			w.Previous = t.wayTo(i - 1)
		}
		if i+1 < len(t.chapters) {
			w.Next = t.wayTo(i + 1)
		}
		p, err := t.page(c, bytes.TrimSuffix(c.markdown, []byte(t.around(i))), w, code)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return pages, nil
}

// ways lead from a page to others.
type ways struct {
	Previous, Next *way
	Contents       bool
}

// page makes the page of a chapter, from its Markdown.
func (t *tour) page(c *chapter, body []byte, w ways, code string) (page, error) {
	tree := markdown("").Parser().Parse(text.NewReader(body))
	walk(tree, func(n ast.Node) {
		if link, ok := n.(*ast.Link); ok {
			link.Destination = []byte(t.onSite(string(link.Destination), code))
		}
	})
	var out bytes.Buffer
	if err := markdown(t.dir).Renderer().Render(&out, body, tree); err != nil {
		return page{}, fmt.Errorf("build: %s: %w", c.name, err)
	}
	data := struct {
		Title string
		Body  template.HTML
		ways
	}{c.heading(), template.HTML(out.String()), w}
	var html bytes.Buffer
	if err := pageTemplate.Execute(&html, data); err != nil {
		return page{}, fmt.Errorf("build: %s: %w", c.name, err)
	}
	return page{name: siteName(c.name), html: html.Bytes()}, nil
}

// way leads to another page.
type way struct{ Title, File string }

func (t *tour) wayTo(i int) *way {
	return &way{Title: t.chapters[i].heading(), File: siteName(t.chapters[i].name)}
}

// siteName is the file of a chapter's page.
func siteName(chapter string) string {
	if chapter == "README" {
		return "index.html"
	}
	return chapter + ".html"
}

// onSite returns where a link of the Markdown leads on the site: "" is nowhere.
func (t *tour) onSite(target, code string) string {
	file, anchor, found := strings.Cut(target, "#")
	switch {
	case scheme.MatchString(target) || file == "":
		return target
	case t.chapter(file) != nil:
		if found {
			anchor = "#" + anchor
		}
		return siteName(strings.TrimSuffix(file, ".md")) + anchor
	case code == "":
		return ""
	}
	return strings.TrimSuffix(code, "/") + "/" + path.Join("docs/tour", file)
}

// writeSite writes pages, the style and the pictures to dir.
func writeSite(dir string, pages []page, pictures string) error {
	if err := os.MkdirAll(filepath.Join(dir, "pictures"), 0o755); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	errs := []error{write(filepath.Join(dir, "style.css"), style)}
	for _, p := range pages {
		errs = append(errs, write(filepath.Join(dir, p.name), p.html))
	}
	paths, err := filepath.Glob(filepath.Join(pictures, "*.png"))
	errs = append(errs, err)
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err == nil {
			err = write(filepath.Join(dir, "pictures", filepath.Base(p)), data)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
