package main

import (
	"fmt"
	"go/scanner"
	"go/token"
	"html"
	"strings"
)

// coloured returns Go code as HTML in which comments, keywords and literals are marked.
func coloured(code string) string {
	var out strings.Builder
	fset := token.NewFileSet()
	file := fset.AddFile("", fset.Base(), len(code))
	var s scanner.Scanner
	s.Init(file, []byte(code), func(token.Position, string) {}, scanner.ScanComments) // a region compiles
	end := 0
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			out.WriteString(html.EscapeString(code[end:]))
			return out.String()
		}
		class := classOf(tok)
		if class == "" {
			continue
		}
		at := file.Offset(pos)
		fmt.Fprintf(&out, "%s<span class=\"%s\">%s</span>", html.EscapeString(code[end:at]), class, html.EscapeString(text))
		end = at + len(text)
	}
}

// classOf is the class of a token in the style sheet, "" of most.
func classOf(tok token.Token) string {
	switch {
	case tok == token.COMMENT:
		return "comment"
	case tok.IsKeyword():
		return "keyword"
	case tok.IsLiteral() && tok != token.IDENT:
		return "literal"
	}
	return ""
}
