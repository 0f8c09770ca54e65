package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// links reads the headings of all chapters, and returns an error for each link that
// leads nowhere. Of a link to another host only the form is looked at.
func (t *tour) links() []error {
	trees := make([]ast.Node, len(t.chapters))
	for i, c := range t.chapters {
		trees[i] = markdown("").Parser().Parse(text.NewReader(c.markdown))
		c.anchors = map[string]bool{}
		walk(trees[i], func(n ast.Node) {
			if id, ok := n.AttributeString("id"); ok && n.Kind() == ast.KindHeading {
				c.anchors[string(id.([]byte))] = true
			}
		})
	}
	var errs []error
	for i, c := range t.chapters {
		walk(trees[i], func(n ast.Node) {
			target := ""
			switch n := n.(type) {
			case *ast.Link:
				target = string(n.Destination)
			case *ast.Image:
				target = string(n.Destination)
			case *ast.AutoLink:
				target = string(n.URL(c.markdown))
			default:
				return
			}
			if why := t.dead(c, target); why != "" {
				errs = append(errs, fmt.Errorf("source/%s.md: link %q: %s", c.name, target, why))
			}
		})
	}
	return errs
}

// scheme is what an address of another host begins with.
var scheme = regexp.MustCompile(`^[a-z]+:`)

// dead says why a link of chapter c leads nowhere, "" if it does lead somewhere.
func (t *tour) dead(c *chapter, target string) string {
	if scheme.MatchString(target) {
		if u, err := url.Parse(target); err != nil || u.Scheme != "https" || !strings.Contains(u.Host, ".") {
			return "want https://host/..."
		}
		return ""
	}
	file, anchor, _ := strings.Cut(target, "#")
	to := c
	if file != "" {
		if to = t.chapter(file); to == nil {
			if _, err := os.Stat(filepath.Join(t.dir, file)); err != nil || anchor != "" {
				return "there is no such file"
			}
			return ""
		}
	}
	if anchor != "" && !to.anchors[anchor] {
		return "there is no such heading"
	}
	return ""
}

// chapter returns the chapter whose Markdown is that file, or nil.
func (t *tour) chapter(file string) *chapter {
	for _, c := range t.chapters {
		if c.name+".md" == file {
			return c
		}
	}
	return nil
}

// walk calls visit for a node and all within it.
func walk(n ast.Node, visit func(ast.Node)) {
	visit(n)
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		walk(child, visit)
	}
}
