package s4_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"iter"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the path of this module.
const module = "github.com/gorgonia-s4/s4"

// reference lists the directories whose packages, and those below them, are the API.
var reference = []string{"generate", "layers", "models", "ops", "param", "task", "train"}

// ofOthers are methods that others than readers call: those of the interfaces of Go
// and of Gorgonia's ops.
var ofOthers = map[string]bool{
	"Error": true, "Format": true, "Is": true, "Len": true, "Less": true, "String": true, "Swap": true, "Unwrap": true,
	"MarshalBinary": true, "MarshalJSON": true, "MarshalText": true, "UnmarshalBinary": true, "UnmarshalJSON": true, "UnmarshalText": true,
	"Arity": true, "CallsExtern": true, "DiffWRT": true, "Do": true, "DoDiff": true, "Hashcode": true, "InferShape": true,
	"OverwritesInput": true, "ReturnsPtr": true, "SetTraining": true, "SymDiff": true, "Type": true, "WriteHash": true,
}

// checker knows the types of the module's packages. Those of other modules are taken
// for empty, and what comes from them for invalid: that is enough to tell what of
// ours is meant, and takes no time.
type checker struct {
	fset   *token.FileSet
	files  map[string]*ast.File
	loaded map[string]*types.Package
}

// Import implements types.Importer.
func (c *checker) Import(name string) (*types.Package, error) {
	if p := c.loaded[name]; p != nil {
		return p, nil
	}
	p := types.NewPackage(name, path.Base(name))
	if dir, ours := strings.CutPrefix(name, module+"/"); ours {
		found, err := build.ImportDir(filepath.FromSlash(dir), 0)
		if err != nil {
			return nil, err
		}
		files, err := c.parse(dir, found.GoFiles)
		if err != nil {
			return nil, err
		}
		p = c.check(name, files, nil, true)
	}
	p.MarkComplete()
	c.loaded[name] = p
	return p, nil
}

// parse parses files of a directory, each once.
func (c *checker) parse(dir string, names []string) ([]*ast.File, error) {
	var files []*ast.File
	for _, name := range names {
		name = path.Join(filepath.ToSlash(dir), name)
		if c.files[name] == nil {
			f, err := parser.ParseFile(c.fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			c.files[name] = f
		}
		files = append(files, c.files[name])
	}
	return files, nil
}

// check finds the types of a package's files, or of its declarations alone.
func (c *checker) check(name string, files []*ast.File, info *types.Info, declarations bool) *types.Package {
	ignore := func(error) {} // what is of other modules is not there
	cfg := types.Config{Importer: c, IgnoreFuncBodies: declarations, Error: ignore}
	p, _ := cfg.Check(name, c.fset, files, info)
	return p
}

// shown is what Examples use.
type shown struct {
	at    map[token.Pos]bool // where it is declared
	types []types.Type       // what the Examples' files declare, of which methods are called elsewhere
}

// add adds what the Examples in a package's test files use, they themselves and what
// they use of those files.
func (s *shown) add(info *types.Info, files []*ast.File) {
	declared := declarations(info, files)
	reached := declared[token.NoPos]
	for len(reached) > 0 {
		next := reached[0]
		reached = reached[1:]
		ast.Inspect(next, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				if named := namedOf(info.TypeOf(e)); named != nil {
					s.at[named.Pos()] = true
				}
			}
			id, ok := n.(*ast.Ident)
			if !ok || info.Uses[id] == nil {
				return true
			}
			at := info.Uses[id].Pos()
			switch o := info.Uses[id].(type) {
			case *types.Func:
				at = o.Origin().Pos()
			case *types.TypeName:
				if declared[at] != nil {
					s.types = append(s.types, o.Type(), types.NewPointer(o.Type()))
				}
			}
			s.at[at] = true
			reached = append(reached, declared[at]...)
			delete(declared, at)
			return true
		})
	}
}

// declarations returns what files declare, by the place of its name: a method by that
// of its type, and the Examples, with which one begins, by none.
func declarations(info *types.Info, files []*ast.File) map[token.Pos][]ast.Node {
	declared := map[token.Pos][]ast.Node{}
	add := func(at token.Pos, n ast.Node) { declared[at] = append(declared[at], n) }
	for _, f := range files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						add(spec.Name.Pos(), spec)
					case *ast.ValueSpec:
						for _, n := range spec.Names {
							add(n.Pos(), spec)
						}
					}
				}
			case *ast.FuncDecl:
				switch recv := info.Defs[d.Name].(*types.Func).Signature().Recv(); {
				case recv != nil:
					if named := namedOf(recv.Type()); named != nil {
						add(named.Pos(), d)
					}
				case strings.HasPrefix(d.Name.Name, "Example"):
					add(token.NoPos, d)
				default:
					add(d.Name.Pos(), d)
				}
			}
		}
	}
	return declared
}

// namedOf returns the named type that a type is, or points to: nil if there is none.
func namedOf(t types.Type) *types.TypeName {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	switch t := t.(type) {
	case *types.Named:
		return t.Origin().Obj()
	case *types.Alias:
		return t.Origin().Obj()
	}
	return nil
}

// implemented adds the methods of interfaces that types of the Examples implement.
func (s *shown) implemented(interfaces []*types.Interface) {
	for _, i := range interfaces {
		if slices.ContainsFunc(s.types, func(t types.Type) bool { return types.Implements(t, i) }) {
			for m := range i.Methods() {
				s.at[m.Pos()] = true
			}
		}
	}
}

// hidden returns the names of a package that are not shown.
func (s *shown) hidden(p *types.Package, interfaces []*types.Interface) []string {
	var names []string
	constants := map[types.Type]bool{} // types declared here of which one is shown
	called := map[string]bool{}        // names of methods that are
	for _, name := range p.Scope().Names() {
		switch o := p.Scope().Lookup(name).(type) {
		case *types.Const:
			if namedOf(o.Type()) != nil {
				constants[o.Type()] = constants[o.Type()] || s.at[o.Pos()]
			}
		case *types.TypeName:
			for m := range methods(o) {
				called[m.Name()] = called[m.Name()] || s.at[m.Pos()]
			}
		}
	}
	for _, name := range p.Scope().Names() {
		o := p.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		_, constant := o.(*types.Const)
		if !s.at[o.Pos()] && !(constant && constants[o.Type()]) {
			names = append(names, name)
		}
		t, ok := o.(*types.TypeName)
		if !ok {
			continue
		}
		for m := range methods(t) {
			if m.Exported() && !ofOthers[m.Name()] && !called[m.Name()] && !s.throughInterface(t.Type(), m, interfaces) {
				names = append(names, name+"."+m.Name())
			}
		}
	}
	return names
}

// methods lists the methods that are declared for a type, or in it.
func methods(o *types.TypeName) iter.Seq[*types.Func] {
	t, ok := o.Type().(*types.Named)
	switch {
	case !ok || o.IsAlias():
		return func(func(*types.Func) bool) {}
	case types.IsInterface(t):
		return t.Underlying().(*types.Interface).ExplicitMethods()
	}
	return t.Methods()
}

// throughInterface says whether Examples use a method of t through an interface.
func (s *shown) throughInterface(t types.Type, m *types.Func, interfaces []*types.Interface) bool {
	for _, i := range interfaces {
		o, _, _ := types.LookupFieldOrMethod(i, false, m.Pkg(), m.Name())
		if o != nil && s.at[o.Pos()] && (types.Implements(t, i) || types.Implements(types.NewPointer(t), i)) {
			return true
		}
	}
	return false
}

// Every exported name of the API is shown in an Example of this module. A function or
// a variable is shown where an Example uses it, or something of its file that it uses;
// a type also where something in an Example has it; constants of a type where one of
// them is; a method where one of the same name and package is, also through an
// interface that its type implements, or where a type of an Example implements that.
// Methods of interfaces of Go and of Gorgonia, and fields, need not be.
func TestNamesAreShown(t *testing.T) {
	c := &checker{token.NewFileSet(), map[string]*ast.File{}, map[string]*types.Package{"unsafe": types.Unsafe}}
	s := &shown{at: map[token.Pos]bool{}}
	var api []*types.Package
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return err
		case d.Name() == "testdata" || len(dir) > 1 && d.Name()[0] == '.' || d.Name()[0] == '_':
			return fs.SkipDir
		}
		found, err := build.ImportDir(dir, 0)
		if _, none := err.(*build.NoGoError); none {
			return nil
		} else if err != nil {
			return err
		}
		name := path.Join(module, filepath.ToSlash(dir))
		first, _, _ := strings.Cut(filepath.ToSlash(dir), "/")
		if slices.Contains(reference, first) && !strings.Contains(dir, "internal") && found.Name != "main" {
			p, err := c.Import(name)
			if err != nil {
				return err
			}
			api = append(api, p)
		}
		return s.addPackage(c, name, found)
	})
	if err != nil {
		t.Fatal(err)
	}
	var interfaces []*types.Interface
	for _, p := range api {
		for _, n := range p.Scope().Names() {
			if o, ok := p.Scope().Lookup(n).(*types.TypeName); ok && types.IsInterface(o.Type()) {
				interfaces = append(interfaces, o.Type().Underlying().(*types.Interface))
			}
		}
	}
	s.implemented(interfaces)
	for _, p := range api {
		for _, n := range s.hidden(p, interfaces) {
			t.Errorf("%s.%s is shown in no Example: want one that uses it", strings.TrimPrefix(p.Path(), module+"/"), n)
		}
	}
}

// addPackage adds the Examples of a package.
func (s *shown) addPackage(c *checker, name string, p *build.Package) error {
	for _, files := range [][]string{p.XTestGoFiles, slices.Concat(p.TestGoFiles, p.GoFiles)} {
		info := newInfo()
		parsed, err := c.parse(p.Dir, files)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(parsed, hasExample) {
			continue
		}
		c.check(name, parsed, info, false)
		s.add(info, slices.DeleteFunc(parsed, func(f *ast.File) bool { return !strings.HasSuffix(c.fset.Position(f.Pos()).Filename, "_test.go") }))
	}
	return nil
}

// newInfo returns an info for what shown.add looks at.
func newInfo() *types.Info {
	return &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
}

// hasExample says whether a file has an Example.
func hasExample(f *ast.File) bool {
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Example")
	})
}

// What no Example uses is hidden: nor does it help to be used by something else in a test.
func TestHiddenNames(t *testing.T) {
	c := &checker{token.NewFileSet(), map[string]*ast.File{}, map[string]*types.Package{}}
	check := func(name, text string, info *types.Info) (*types.Package, []*ast.File) {
		f, err := parser.ParseFile(c.fset, name+".go", text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		return c.check(name, []*ast.File{f}, info, false), []*ast.File{f}
	}
	p, _ := check("a", `package a
		type K int
		const (
			One K = iota
			Two
			Three = 3
			Four  = 4
		)
		type I interface{ Act() }
		type S struct{ Field int }
		func (S) Act()           {}
		func (S) Called()        {}
		func (S) Forgotten()     {}
		func (S) String() string { return "" }
		type Only struct{}
		func New() S      { return S{} }
		func Used() *Only { return nil }
		func Unused()     {}
		var V, W int`, &types.Info{})
	p.MarkComplete()
	c.loaded["a"] = p
	info := newInfo()
	_, tests := check("a_test", `package a_test
		import "a"
		type mine struct{}
		func (mine) Act()   { _ = a.V }
		func ExampleUsed()  { _, _ = a.Used(), a.One; helper(); elsewhere.F(a.Three, mine{}) }
		func helper()       { a.New().Called() }
		func TestUnused()   { a.Unused() }`, info)
	s := &shown{at: map[token.Pos]bool{}}
	s.add(info, tests)
	i := p.Scope().Lookup("I").Type().Underlying().(*types.Interface)
	s.implemented([]*types.Interface{i})
	want := []string{"Four", "I", "S.Forgotten", "Unused", "W"}
	if got := s.hidden(p, []*types.Interface{i}); !slices.Equal(got, want) {
		t.Errorf("want %q hidden, got %q", want, got)
	}
}
