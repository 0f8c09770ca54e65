package s4_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sources is what documents can speak of.
type sources struct {
	paths    map[string]bool            // files and directories, also by their base names
	packages map[string]map[string]bool // by name: what each declares at its top level
	names    map[string]bool            // all that is declared: also methods and fields
}

// readSources reads the module.
func readSources(t *testing.T) *sources {
	t.Helper()
	s := &sources{map[string]bool{}, map[string]map[string]bool{}, map[string]bool{}}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() && (name == ".git" || name == "runs") {
			return fs.SkipDir
		}
		s.paths[name], s.paths[path.Base(name)] = true, true
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err == nil {
			s.add(f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// add adds what a file declares.
func (s *sources) add(f *ast.File) {
	top := s.packages[f.Name.Name]
	if top == nil {
		top = map[string]bool{}
		s.packages[f.Name.Name] = top
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			s.names[d.Name.Name] = true
			if d.Recv == nil {
				top[d.Name.Name] = true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					top[spec.Name.Name] = true
				case *ast.ValueSpec:
					for _, n := range spec.Names {
						top[n.Name] = true
					}
				}
			}
		}
	}
	for name := range top {
		s.names[name] = true
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if n, ok := n.(*ast.Field); ok {
			for _, name := range n.Names {
				s.names[name.Name] = true
			}
		}
		return true
	})
}

var (
	quoted = regexp.MustCompile("`([^`\n]+)`")
	file   = regexp.MustCompile(`\.(go|s|sh|md)$`)
	dotted = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$`)
)

// missing says what is not there of something in backticks: "" if all is, or if it
// is neither a path nor an identifier.
func (s *sources) missing(span string) string {
	name, _, _ := strings.Cut(span, "(")
	switch {
	case strings.Contains(name, "/") || file.MatchString(name):
		if host, _, _ := strings.Cut(name, "/"); strings.Contains(host, ".") && host != name {
			return "" // a module elsewhere
		}
		if dir := strings.TrimSuffix(strings.TrimSuffix(name, "..."), "/"); !s.paths[dir] {
			return "path " + dir
		}
		return ""
	case !dotted.MatchString(name) || s.paths[name]:
		return ""
	}
	first, rest, more := strings.Cut(name, ".")
	if top, ok := s.packages[first]; ok {
		if rest, _, _ = strings.Cut(rest, "."); more && !top[rest] {
			return rest + " in package " + first
		}
		return ""
	}
	for i, part := range strings.Split(name, ".") {
		variable := more && i == 0 && strings.ToLower(part) == part
		if !variable && !s.names[part] {
			return "identifier " + part
		}
	}
	return ""
}

// What the documents name in backticks is there.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	s := readSources(t)
	for _, doc := range []string{"ARCHITECTURE.md", "README.md"} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				if what := s.missing(m[1]); what != "" {
					t.Errorf("%s:%d: `%s`: there is no %s", doc, i+1, m[1], what)
				}
			}
		}
	}
	for _, span := range []string{
		"layers/nowhere.go", "nowhere.go", "nowhere/...", "layers.Nothing", "S4D.Nothing", "Nothing.Fwd", "Nothing", "b.Nothing(x)", "train.New.Nothing.go",
	} {
		if s.missing(span) == "" {
			t.Errorf("`%s` is not there, and not missed", span)
		}
	}
}
