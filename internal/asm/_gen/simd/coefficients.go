package simd

import (
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"strconv"
)

// ReadCoefficients returns the arrays of numbers of a Go file by name.
func ReadCoefficients(path string) map[string][]float64 {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		log.Fatal(err)
	}
	tables := map[string][]float64{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			tables[spec.Names[0].Name] = append(tables[spec.Names[0].Name], number(e))
		}
		return false
	})
	return tables
}

// number returns the value of a literal, which may have a sign.
func number(e ast.Expr) float64 {
	sign := 1.0
	if u, ok := e.(*ast.UnaryExpr); ok && u.Op == token.SUB {
		sign, e = -1, u.X
	}
	v, err := strconv.ParseFloat(e.(*ast.BasicLit).Value, 64)
	if err != nil {
		log.Fatal(err)
	}
	return sign * v
}
