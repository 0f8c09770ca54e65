package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// code is the Go code and the results that the text may show.
type code struct {
	root    string            // of the repository
	regions map[string]region // of the tests of the tour, by name
	outputs map[string]string // of their Examples, by name
}

// region is a part of a test file.
type region struct{ file, text string }

// readCode reads the tests in dir, docs/tour.
func readCode(dir string) (*code, error) {
	c := &code{root: filepath.Join(dir, "..", ".."), regions: map[string]region{}, outputs: map[string]string{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("build: %w", err)
		}
		if err := c.addRegions(path, string(text)); err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("build: %w", err)
		}
		for _, e := range doc.Examples(f) {
			c.outputs["Example"+e.Name] = e.Output
		}
	}
	return c, nil
}

// addRegions adds what stands between //tour:NAME and //tour:end.
func (c *code) addRegions(path, text string) error {
	name, first := "", 0
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		marker, ok := strings.CutPrefix(strings.TrimSpace(line), "//tour:")
		switch {
		case !ok:
		case marker == "end" && name != "":
			c.regions[name], name = region{filepath.Base(path), dedent(lines[first:i])}, ""
		case marker == "end" || name != "":
			return fmt.Errorf("build: %s:%d: want //tour:NAME and //tour:end by turns, got //tour:%s", path, i+1, marker)
		case c.regions[marker].file != "":
			return fmt.Errorf("build: %s:%d: a second region %q", path, i+1, marker)
		default:
			name, first = marker, i+1
		}
	}
	if name != "" {
		return fmt.Errorf("build: %s: region %q has no //tour:end", path, name)
	}
	return nil
}

// dedent takes the tabs off the lines that all of them begin with.
func dedent(lines []string) string {
	tabs := -1
	for _, line := range lines {
		if n := len(line) - len(strings.TrimLeft(line, "\t")); strings.TrimSpace(line) != "" && (tabs < 0 || n < tabs) {
			tabs = n
		}
	}
	var s strings.Builder
	for _, line := range lines {
		s.WriteString(line[min(max(tabs, 0), len(line)):] + "\n")
	}
	return strings.Trim(s.String(), "\n")
}

// function returns the source of a function, or of a method Type.Name.
func (c *code) function(path, name string) (string, error) {
	text, err := c.file(path)
	if err != nil {
		return "", err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	for _, d := range f.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && funcName(d) == name {
			return text[fset.Position(d.Pos()).Offset:fset.Position(d.End()).Offset], nil
		}
	}
	return "", fmt.Errorf("there is no func %s in %s", name, path)
}

// funcName is the name of a function, with that of its receiver's type in front.
func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if generic, ok := t.(*ast.IndexExpr); ok {
		t = generic.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + d.Name.Name
	}
	return d.Name.Name
}

// file returns a file of the repository.
func (c *code) file(path string) (string, error) {
	if !filepath.IsLocal(path) {
		return "", fmt.Errorf("want a path from the root of the repository, got %q", path)
	}
	text, err := os.ReadFile(filepath.Join(c.root, path))
	if err != nil {
		return "", fmt.Errorf("there is no file %s", path)
	}
	return string(text), nil
}

// output returns what an Example prints.
func (c *code) output(example string) (string, error) {
	out := strings.Trim(c.outputs[example], "\n")
	if out == "" {
		return "", fmt.Errorf("there is no %s with an output in docs/tour", example)
	}
	return out, nil
}

// outputOf returns what an Example of another file prints.
func (c *code) outputOf(path, example string) (string, error) {
	text, err := c.file(path)
	if err != nil {
		return "", err
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
	if err != nil {
		return "", err
	}
	for _, e := range doc.Examples(f) {
		if "Example"+e.Name == example && e.Output != "" {
			return strings.Trim(e.Output, "\n"), nil
		}
	}
	return "", fmt.Errorf("there is no %s with an output in %s", example, path)
}

// table returns the one table of a Markdown file whose first line begins like that.
func (c *code) table(path, first string) (string, error) {
	text, err := c.file(path)
	if err != nil {
		return "", err
	}
	var table []string
	tables := 0
	inside := false
	for line := range strings.Lines(text) {
		switch row := strings.HasPrefix(line, "|"); {
		case row && !inside && strings.HasPrefix(line, first):
			tables++
			inside, table = true, nil
			fallthrough
		case row && inside:
			table = append(table, strings.TrimSpace(line))
		default:
			inside = row && inside
		}
	}
	if first == "" || tables != 1 {
		return "", fmt.Errorf("want one table that begins with %q in %s, got %d", first, path, tables)
	}
	return strings.Join(table, "\n"), nil
}

// number returns the group of the one match of a pattern in an Example's output, or in
// a file.
func (c *code) number(source, pattern string) (string, error) {
	text, err := "", error(nil)
	if strings.HasPrefix(source, "Example") {
		text, err = c.output(source)
	} else {
		text, err = c.file(source)
	}
	if err != nil {
		return "", err
	}
	re, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return "", err
	}
	if re.NumSubexp() != 1 {
		return "", fmt.Errorf("want one group in %q, got %d", pattern, re.NumSubexp())
	}
	found := re.FindAllStringSubmatch(text, -1)
	if len(found) != 1 {
		return "", fmt.Errorf("want one match of %q in %s, got %d", pattern, source, len(found))
	}
	return found[0][1], nil
}

// readDrawn returns the names of the pictures that the code in dir draws: the keys
// of its map Drawn.
func readDrawn(dir string) (map[string]bool, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	drawn := map[string]bool{}
	for _, path := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("build: %w", err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.BasicLit); ok && key.Kind == token.STRING {
					if name, err := strconv.Unquote(key.Value); err == nil {
						drawn[name] = true
					}
				}
			}
			return true
		})
	}
	return drawn, nil
}
