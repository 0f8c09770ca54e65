// The builder of the tour: a module of its own, so that what it needs stays out
// of the module graph of users.
module github.com/gorgonia-s4/s4/docs/tour/build

go 1.26.0

require (
	github.com/wyatt915/treeblood v0.1.16 // formulas: LaTeX to MathML
	github.com/yuin/goldmark v1.8.7 // Markdown
)
