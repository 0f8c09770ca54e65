package ssm_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// otherNames are names for what the glossary of this package calls otherwise.
var otherNames = map[string]*regexp.Regexp{
	"TuneC, UntuneC, RetuneC": regexp.MustCompile(`(?i)^(new)?(setup_?c|recover_?c|(un)?truncate_?c|untilt(ed)?|doublelength)$`),
	"StateOutput":             regexp.MustCompile(`(?i)statekernel$`),
	"Discretize":              regexp.MustCompile(`(?i)^discretise$`),
}

// One idea has one name.
func TestNamesAreThoseOfTheGlossary(t *testing.T) {
	for _, dir := range []string{"..", "../../internal", "../../layers"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				id, ok := n.(*ast.Ident)
				for want, other := range otherNames {
					if ok && other.MatchString(id.Name) {
						t.Errorf("%s: %s: the glossary of package ssm says %s", files.Position(id.Pos()), id.Name, want)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
