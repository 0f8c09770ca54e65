package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	heading   = "| instructions for | generic | NEON | AVX2 | AVX-512 | M1: generic | NEON | N1: generic | NEON |"
	alignment = "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)

// level is an instruction set with vectors.
type level struct {
	name, arch string
	bytes      int // of a vector
}

var levels = []level{{"NEON", "arm64", 16}, {"AVX2", "amd64", 32}, {"AVX512", "amd64", 64}}

// pass is a row of the table.
type pass struct {
	title string // what an element is
	pkg   string // the package, from the root
	asm   string // its assembly: a prefix of the names of the files in pkg
	// name is that of the function, without level and type. One that ends in # has the
	// number of rows of the largest tile in its place.
	name string
	of   string // the type in the name of the function
	bits int    // of the numbers the loop computes with
	// vectors returns how many vectors of elements an iteration makes.
	vectors func(loop []string) int
	// loops are those of portable Go that make an element together.
	loops []loopOf
}

// loopOf is the loop of a function.
type loopOf struct {
	symbol   string // its name, a regular expression
	elements int    // of an iteration
}

var passes = []pass{
	{"product of matrices, float32: a multiplication and addition", "internal/gemm", "gemm", "tile#", "F32", 32, fused, []loopOf{{`tileGeneric\[go.shape.float32\]`, 64}}},
	{"product of matrices, float64", "internal/gemm", "gemm", "tile#", "F64", 64, fused, []loopOf{{`tileGeneric\[go.shape.float64\]`, 64}}},
	{"transform, two levels forward: a point", "internal/fft", "fft", "down4", "F32", 32, stored(2), []loopOf{{`dif4\[go.shape.float32\]`, 4}}},
	{"transform, two levels back", "internal/fft", "fft", "up4", "F32", 32, stored(2), []loopOf{{`dit4\[go.shape.float32\]`, 4}}},
	{"exp: an element", "internal/vec", "vec", "exp", "F32", 32, stored(1), append(inBlocks("inDouble"), loopOf{`vec.exp32$`, 1})},
	{"GELU", "internal/vec", "vec", "gelu", "F32", 32, stored(1), append(inBlocks("inDouble"), loopOf{`vec.gelu32$`, 1})},
	{"GELU and its derivative", "internal/vec", "vec", "geluBoth", "F32", 32, stored(2), append(inBlocks("bothInDouble"), loopOf{`vec.geluBoth32$`, 1})},
	{"GLU", "internal/vec", "vec", "glu", "F32", 32, stored(1), []loopOf{{`vec.widen$`, 1}, {`vec.sigmoid32$`, 1}, {`vec.glu32$`, 1}}},
	{"kernel of S4D: a power of a pole", "ops/vandermonde", "vandermonde", "powers", "F32", 64, stored(2), []loopOf{{`vandermonde.powersGeneric\[go.shape.float32\]`, 1}}},
	{"kernel of S4: a pole at a node", "ops/cauchy", "cauchy", "sums", "F64", 64, one, []loopOf{{`cauchy.sumsGeneric$`, 1}}},
	{"scan of complex states: a state", "ops/scan", "scan", "complex", "F32", 32, stored(2), []loopOf{{`scan.along\[go.shape.float32\]`, 1}}},
}

// inBlocks are the loops around one in float64.
func inBlocks(around string) []loopOf {
	return []loopOf{{`vec.widen$`, 1}, {`vec.(portable32.)?` + around + `.func\d+$`, 1}}
}

// rowsOfTile is the number of rows of the largest tile at a level.
var rowsOfTile = map[string]string{"NEON": "12", "AVX2": "6", "AVX512": "12"}

// core is what is published of a processor: how many instructions it takes in a cycle,
// how many of them on vectors of 128 bits, and its frequency.
type core struct {
	name              string
	width, pipes, gHz float64
}

// The sources are in docs/machines.md.
var cores = []core{{"M1", 8, 4, 3.2}, {"N1", 4, 2, 3.0}}

// row is a row of the table.
type row struct {
	title string
	cells []string
}

func (r row) String() string { return "| " + r.title + " | " + strings.Join(r.cells, " | ") + " |" }

// instructions are those for an element, and how many of them compute with floating
// point.
type instructions struct{ all, floating float64 }

// time returns the least time in nanoseconds that a core takes for an element.
func (c core) time(n instructions) string {
	return number(max(n.all/c.width, n.floating/c.pipes) / c.gHz)
}

// row returns the row of a pass where portable Go takes so many instructions.
func (p *pass) row(root string, generic instructions) (row, error) {
	r := row{p.title, []string{number(generic.all)}}
	var neon instructions
	for _, l := range levels {
		loop, elements, err := p.loop(root, l)
		if err != nil {
			return row{}, err
		}
		each := float64(len(loop)) / elements
		if l.arch == "arm64" {
			neon = instructions{each, float64(onVectors(loop)) / elements}
		}
		r.cells = append(r.cells, number(each))
	}
	for _, c := range cores {
		r.cells = append(r.cells, c.time(generic), c.time(neon))
	}
	return r, nil
}

// number prints two digits.
func number(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2g", x)
}

// loop returns the main loop of a pass at a level, and the elements of an iteration.
func (p *pass) loop(root string, l level) (loop []string, elements float64, err error) {
	file := filepath.Join(root, p.pkg, fmt.Sprintf("%s_%s_%s.s", p.asm, strings.ToLower(l.name), l.arch))
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, 0, err
	}
	function := strings.Replace(p.name, "#", rowsOfTile[l.name], 1) + l.name + p.of
	if loop, err = mainLoop(string(text), function); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", file, err)
	}
	n := p.vectors(loop)
	if n == 0 {
		return nil, 0, fmt.Errorf("%s: %s: want stores of vectors or fused multiplications in its loop, got none", file, function)
	}
	return loop, float64(n * 8 * l.bytes / p.bits), nil
}
