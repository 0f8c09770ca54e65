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
	"slices"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/layers"
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

// documents returns those of the root, and those of docs that are no part of the tour.
func documents(t *testing.T) []string {
	t.Helper()
	guides, err := filepath.Glob("docs/*.md")
	if err != nil || len(guides) == 0 {
		t.Fatalf("no documents in docs: %v", err)
	}
	return append(guides, "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md")
}

// What the documents name in backticks is there.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	s := readSources(t)
	chapters, err := filepath.Glob("docs/tour/source/*.md")
	if err != nil || len(chapters) == 0 {
		t.Fatalf("no chapters of the tour: %v", err)
	}
	for _, doc := range slices.Concat(documents(t), chapters) {
		for i, line := range lines(t, doc) {
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

// A document says a thing once: no long line, and no line of a table about something in
// backticks, is there twice.
func TestDocumentsSayThingsOnce(t *testing.T) {
	for _, doc := range documents(t) {
		seen := map[string]int{}
		for i, line := range lines(t, doc) {
			key := line
			if cells := strings.Split(line, "|"); len(cells) > 2 && strings.HasPrefix(cells[1], " `") {
				key = cells[1]
			} else if len(line) < 60 {
				continue
			}
			if before, ok := seen[key]; ok && !strings.Contains(key, "---") {
				t.Errorf("%s:%d: %q is in line %d too", doc, i+1, key, before)
			}
			seen[key] = i + 1
		}
	}
}

// docs/packages.md has a line for every package that is not internal, or for what it is
// below of train/data, and names every module that go.mod requires by itself.
func TestPackagesAreListed(t *testing.T) {
	list := strings.Join(lines(t, "docs/packages.md"), "\n")
	for _, line := range lines(t, "go.mod") {
		if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(line, "\t") && !strings.Contains(list, "`"+f[0]) {
			t.Errorf("no line about module %s", f[0])
		}
	}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch dir := filepath.ToSlash(filepath.Dir(name)); {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "internal" || d.Name() == "testdata" || len(d.Name()) > 1 && d.Name()[0] == '.'):
			return filepath.SkipDir
		case filepath.Ext(name) != ".go" || dir == "." || strings.HasPrefix(dir, "train/data/"):
		case !strings.Contains(list, "| `"+dir+"` |"):
			t.Errorf("no line about package %s", dir)
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// command matches a command of a document: the example, what is behind it.
var command = regexp.MustCompile(`go run \./examples/(\w+)([^#]*)`)

// badCommand says what is wrong with the options of a command of a document: "" if the example has the
// preset, and there is such a kind of layer.
func badCommand(line string) string {
	m := command.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	words := strings.Fields(m[2])
	for i, w := range words[:max(0, len(words)-1)] {
		switch v := words[i+1]; {
		case w == "-preset":
			if found, _ := filepath.Glob(filepath.Join("examples", m[1], "presets", "*-"+v+".json")); len(found) == 0 || strings.Contains(v, "-") {
				return "preset " + v
			}
		case w == "-model" && !strings.Contains(v, "/") && !slices.Contains(layers.MixerKinds(), v):
			return "kind of layer " + v
		}
	}
	return ""
}

// The presets and kinds of layers in the commands of the documents are there.
func TestCommandsOfDocuments(t *testing.T) {
	for _, doc := range documents(t) {
		for i, line := range lines(t, doc) {
			if what := badCommand(line); what != "" {
				t.Errorf("%s:%d: %q: there is no %s", doc, i+1, line, what)
			}
		}
	}
	for _, line := range []string{
		"    go run ./examples/lra -preset listops-quick -model s4d  # as a file is called",
		"    go run ./examples/recall -preset paper",
		"    go run ./examples/lra -model nothing",
	} {
		if badCommand(line) == "" {
			t.Errorf("%q is not there, and not missed", line)
		}
	}
}

// link matches a link or a picture in Markdown that is to a file of the repository.
var link = regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)

// deadLink returns the first link of a line of a document to a file or a heading that is
// not there: "" if there is none.
func deadLink(t *testing.T, doc, line string) string {
	for _, m := range link.FindAllStringSubmatch(line, -1) {
		target := doc
		if m[1] != "" {
			target = filepath.Join(filepath.Dir(doc), m[1])
		}
		if _, err := os.Stat(target); err != nil {
			return m[1]
		}
		if m[2] != "" && !slices.ContainsFunc(lines(t, target), func(l string) bool { return "#"+anchor(l) == m[2] }) {
			return m[1] + m[2]
		}
	}
	return ""
}

// anchor returns what code hosts call a heading: "" for a line that is none.
func anchor(line string) string {
	if !strings.HasPrefix(line, "#") {
		return ""
	}
	title := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
	return strings.ReplaceAll(unspoken.ReplaceAllString(title, ""), " ", "-")
}

var unspoken = regexp.MustCompile(`[^a-z0-9 _-]`)

// The links of the documents lead somewhere.
func TestLinksOfDocuments(t *testing.T) {
	for _, doc := range append(documents(t), "bench/README.md", "results/README.md", "results/reference/README.md") {
		for i, line := range lines(t, doc) {
			if to := deadLink(t, doc, line); to != "" {
				t.Errorf("%s:%d: a dead link: %s", doc, i+1, to)
			}
		}
	}
	for _, line := range []string{"[a](nowhere.md)", "![a](docs/nowhere.png)", "[a](ARCHITECTURE.md#nowhere)", "[a](#nowhere)"} {
		if deadLink(t, "README.md", line) == "" {
			t.Errorf("%q is dead, and not found", line)
		}
	}
}

// lines returns the lines of a file.
func lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}
