package arm64

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// NewPrinter returns a printer of files for arm64. Their functions, which it changes,
// are described by amd64's instructions on vectors of 128 bits, whose virtual
// registers regs has made.
func NewPrinter(config printer.Config, regs *reg.Collection) printer.Printer {
	return asm{config, regs}
}

type asm struct {
	config printer.Config
	regs   *reg.Collection
}

func (a asm) Print(f *ir.File) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s\n\n//go:build !purego\n\n#include \"textflag.h\"\n", a.config.GeneratedWarning())
	c := collect(f)
	for _, fn := range f.Functions() {
		number, err := compile(fn, a.regs, c)
		if err != nil {
			return nil, err
		}
		if err := printFunction(&b, fn, number); err != nil {
			return nil, fmt.Errorf("%s: %w", fn.Name, err)
		}
	}
	if c.size > 0 {
		fmt.Fprintf(&b, "\n%sGLOBL %s<>(SB), RODATA|NOPTR, $%d\n", c.text.String(), tableName, c.size)
	}
	return []byte(b.String()), nil
}

// compile turns fn into instructions of arm64 and returns the numbers of their
// registers. It holds as many constants in registers as leave enough of them.
func compile(fn *ir.Function, regs *reg.Collection, c *constants) (number map[reg.ID]int, err error) {
	described, held := fn.Nodes, repeated(fn)
	for n := len(held); n >= 0; n-- {
		fn.Nodes = described
		if err := lower(fn, regs, c, held[:n]); err != nil {
			return nil, err
		}
		if err := dropCopies(fn); err != nil {
			return nil, err
		}
		if number, err = allocate(fn); err == nil {
			selfMoves(fn, number)
			return number, nil
		}
	}
	return nil, err
}

func printFunction(b *strings.Builder, fn *ir.Function, number map[reg.ID]int) error {
	fmt.Fprintf(b, "\n// %s\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", fn.Stub(), fn.Name, fn.ArgumentBytes())
	for _, n := range fn.Nodes {
		switch n := n.(type) {
		case ir.Label:
			fmt.Fprintf(b, "\n%s:\n", n)
		case *ir.Comment:
			for _, line := range n.Lines {
				fmt.Fprintf(b, "\n\t// %s\n", line)
			}
		case *ir.Instruction:
			text, err := text(n, number)
			if err != nil {
				return err
			}
			fmt.Fprintf(b, "\t%s\n", text)
		}
	}
	return nil
}

// hole is the place of the number of a register in the text of an instruction.
var hole = regexp.MustCompile(`\{\d\}`)

// text returns an instruction as the assembler reads it.
func text(i *ir.Instruction, number map[reg.ID]int) (string, error) {
	s := hole.ReplaceAllStringFunc(i.Opcode, func(h string) string {
		return strconv.Itoa(numberOf(i.Operands[h[1]-'0'], number))
	})
	words := strings.Fields(s)
	if words[0] != "WORD" {
		return s, nil
	}
	var registers []int
	for _, w := range words[2:] {
		n, err := strconv.Atoi(w)
		if err != nil {
			return "", err
		}
		registers = append(registers, n)
	}
	bits, comment, err := word(words[1], registers...)
	return fmt.Sprintf("WORD $0x%08x // %s", bits, comment), err
}

// renumbered returns the text of a place, whose register is operand 1, with operand i.
func renumbered(place string, i int) string {
	return strings.ReplaceAll(place, "{1}", fmt.Sprintf("{%d}", i))
}

// setsFlags reports whether an instruction sets the condition flags.
func setsFlags(i *ir.Instruction) bool {
	mnemonic, _, _ := strings.Cut(i.Opcode, " ")
	return mnemonic == "ADDS" || mnemonic == "SUBS" || mnemonic == "ANDS" || mnemonic == "CMP"
}
