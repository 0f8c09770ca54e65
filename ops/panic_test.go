package ops

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// What a user can call returns errors. A function that panics is not exported, but
// by packages that are internal, and its documentation says so.
func TestPanicsAreBrokenInvariants(t *testing.T) {
	for _, dir := range []string{".", "../internal"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "_gen" || d.Name() == "testutil"):
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok || !panics(f) {
					continue
				}
				if dir == "." && f.Name.IsExported() {
					t.Errorf("%s: %s panics: want an error", path, f.Name.Name)
				}
				if !strings.Contains(f.Doc.Text(), "panic") {
					t.Errorf("%s: %s panics, and its documentation does not say so", path, f.Name.Name)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// panics reports whether a function calls panic itself.
func panics(f *ast.FuncDecl) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			id, ok := call.Fun.(*ast.Ident)
			found = found || ok && id.Name == "panic"
		}
		return true
	})
	return found
}
