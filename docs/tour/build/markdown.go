package main

import (
	"bytes"
	"fmt"
	"html"
	"image"
	_ "image/png" // sizes of pictures
	"os"
	"path/filepath"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extensionast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	renderhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown reads the Markdown of a code host, with formulas, and renders it as a part of
// a page. Pictures are in dir.
func markdown(dir string) goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.Table),
		goldmark.WithParserOptions(
			parser.WithAutoHeadingID(),
			parser.WithInlineParsers(util.Prioritized(formulaParser{}, 50)), // before code spans
		),
		goldmark.WithRendererOptions(
			renderhtml.WithUnsafe(), // <details>: the text is our own
			renderer.WithNodeRenderers(util.Prioritized(nodes{dir}, 50)),
		),
	)
}

// formula is a formula within a line.
type formula struct {
	ast.BaseInline
	tex string
}

var kindFormula = ast.NewNodeKind("Formula")

// Kind implements ast.Node.
func (*formula) Kind() ast.NodeKind { return kindFormula }

// Dump implements ast.Node.
func (f *formula) Dump(source []byte, level int) {
	ast.DumpHelper(f, source, level, map[string]string{"tex": f.tex}, nil)
}

// formulaParser reads $`...`$.
type formulaParser struct{}

// Trigger implements parser.InlineParser.
func (formulaParser) Trigger() []byte { return []byte{'$'} }

// Parse implements parser.InlineParser.
func (formulaParser) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	line, _ := block.PeekLine()
	inner, ok := bytes.CutPrefix(line, []byte("$`"))
	end := bytes.Index(inner, []byte("`$"))
	if !ok || end < 0 {
		return nil
	}
	block.Advance(len("$``$") + end)
	return &formula{tex: string(inner[:end])}
}

// nodes renders what goldmark renders otherwise.
type nodes struct{ dir string }

// RegisterFuncs implements renderer.NodeRenderer.
func (n nodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(kindFormula, n.formula)
	r.Register(ast.KindFencedCodeBlock, n.fenced)
	r.Register(ast.KindLink, n.link)
	r.Register(ast.KindImage, n.image)
	r.Register(extensionast.KindTable, n.table)
}

func (nodes) formula(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	m, err := mathML(node.(*formula).tex, false)
	w.WriteString(m)
	return ast.WalkContinue, err
}

// fenced renders a displayed formula, or code.
func (nodes) fenced(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	body := string(node.Lines().Value(source))
	switch language := string(node.(*ast.FencedCodeBlock).Language(source)); language {
	case "math":
		m, err := mathML(body, true)
		fmt.Fprintf(w, "<div class=\"formula\">%s</div>\n", m)
		return ast.WalkSkipChildren, err
	case "go":
		fmt.Fprintf(w, "<pre class=\"go\"><code>%s</code></pre>\n", coloured(body))
	default:
		fmt.Fprintf(w, "<pre class=\"%s\"><code>%s</code></pre>\n", html.EscapeString(language), html.EscapeString(body))
	}
	return ast.WalkSkipChildren, nil
}

// link renders a link that leads nowhere on the site as what it says.
func (nodes) link(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	to := string(node.(*ast.Link).Destination)
	switch {
	case to == "":
	case entering:
		fmt.Fprintf(w, "<a href=\"%s\">", html.EscapeString(to))
	default:
		w.WriteString("</a>")
	}
	return ast.WalkContinue, nil
}

// image renders a picture with its size, so that the page stays where it is while it
// loads.
func (n nodes) image(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	name := string(node.(*ast.Image).Destination)
	f, err := os.Open(filepath.Join(n.dir, name))
	if err != nil {
		return ast.WalkStop, err
	}
	defer f.Close()
	size, _, err := image.DecodeConfig(f)
	if err != nil {
		return ast.WalkStop, fmt.Errorf("%s: %w", name, err)
	}
	var alt bytes.Buffer
	walk(node, func(n ast.Node) {
		if n, ok := n.(*ast.Text); ok {
			alt.Write(n.Value(source))
		}
	})
	fmt.Fprintf(w, "<img src=\"%s\" alt=\"%s\" width=\"%d\" height=\"%d\">", html.EscapeString(name), html.EscapeString(alt.String()), size.Width, size.Height)
	return ast.WalkSkipChildren, nil
}

// table renders a table that is scrolled by itself where it is too wide.
func (nodes) table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		w.WriteString("<div class=\"table\"><table>\n")
	} else {
		w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}
