// Package simd is what the generators of this module's assembly share: one
// vocabulary of vector operations for AVX2 with FMA (256 bits), AVX-512 (512
// bits) and NEON (128 bits), on float32 and float64, so that a kernel is written
// once. Its instructions are amd64's; for NEON, package arm64 lowers them.
//
// A generator is a command that calls Main. It is run once for each instruction
// set, and writes one .s file and its stubs for both element types:
//
//	go run ./gemm -level avx2 -out gemm_avx2_amd64.s -stubs gemm_avx2_amd64.go -pkg gemm
package simd

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"

	"github.com/gorgonia-s4/s4/internal/asm/gen/arm64"
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// Vec is a vector register.
type Vec = reg.VecVirtual

// Asm writes functions for one instruction set and element type.
type Asm struct {
	*build.Context
	Bits int // of a vector register: 256 or 512, of NEON 128 (half of that in Half)
	Elem int // bytes of an element: 4 or 8
	NEON bool

	// Tables are the coefficients of approximations: see [Asm.Table].
	Tables map[string][]float64

	labels *int // made in this function
	consts map[string]operand.Mem
}

// Main parses the flags -level and those of avo, and writes the file that f
// makes; f is called for float32 and for float64.
func Main(f func(a *Asm)) {
	fs := flag.NewFlagSet("gen", flag.ExitOnError) // avo has taken flag.CommandLine
	level := fs.String("level", "", "instruction set: avx2, avx512 or neon")
	flags := build.NewFlags(fs)
	fs.Parse(os.Args[1:])
	bits := map[string]int{"avx2": 256, "avx512": 512, "neon": 128}[*level]
	if bits == 0 {
		fmt.Fprintf(os.Stderr, "want -level avx2, avx512 or neon, got %q\n", *level)
		os.Exit(2)
	}
	neon := *level == "neon"
	c := build.NewContext()
	c.ConstraintExpr("!purego")
	consts := map[string]operand.Mem{}
	for _, elem := range []int{4, 8} {
		f(&Asm{Context: c, Bits: bits, Elem: elem, NEON: neon, labels: new(int), consts: consts})
	}
	config := flags.Config()
	switch {
	case *level == "avx2":
		config.Passes = slices.Insert(config.Passes, 1, pass.Interface(pass.FunctionPass(onlyAVX2)))
	case neon:
		config.Passes = config.Passes[1:] // avo's compiler
		config.Passes[0].(*pass.Output).Printer = arm64.NewPrinter(printer.NewGoRunConfig(), &c.Collection)
	}
	os.Exit(build.Main(config, c))
}

// onlyAVX2 returns an error if f has an instruction or a vector register that a
// processor with AVX2 and FMA may lack. avo gives out the registers of AVX-512, and with
// one of them the assembler encodes an instruction of AVX2 as one of AVX-512 without a
// word.
func onlyAVX2(f *ir.Function) error {
	has := []string{"AVX", "AVX2", "FMA3", "SSE", "SSE2", "MMX+", "CMOV"}
	for _, i := range f.Instructions() {
		for _, isa := range i.ISA {
			if !slices.Contains(has, isa) {
				return fmt.Errorf("%s: want what AVX2 has, got %s, of %s", f.Name, i.Opcode, isa)
			}
		}
		for _, r := range i.Registers() {
			if p := reg.ToPhysical(r); p != nil && p.Kind() == reg.KindVector && p.PhysicalIndex() > 15 {
				return fmt.Errorf("%s: want the 16 vector registers of AVX2, got %s: %s", f.Name, p.Asm(), i.Opcode)
			}
		}
	}
	return nil
}

// Lanes returns the number of elements in a vector.
func (a *Asm) Lanes() int { return a.Bits / 8 / a.Elem }

// Bytes returns the size of a vector.
func (a *Asm) Bytes() int { return a.Bits / 8 }

// Type returns the Go name of the element type.
func (a *Asm) Type() string { return map[int]string{4: "float32", 8: "float64"}[a.Elem] }

// Half returns an Asm that appends to the same function, with vectors of half
// the size.
func (a *Asm) Half() *Asm {
	h := *a
	h.Bits /= 2
	return &h
}

// Of returns an Asm that appends to the same function, with elements of the
// given size in bytes.
func (a *Asm) Of(elem int) *Asm {
	o := *a
	o.Elem = elem
	return &o
}

// Suffix returns what the names of this instruction set and element type end
// in: AVX2F32, AVX2F64, AVX512F32, AVX512F64, NEONF32 or NEONF64.
func (a *Asm) Suffix() string {
	level := "AVX2"
	switch {
	case a.NEON:
		level = "NEON"
	case a.Bits == 512:
		level = "AVX512"
	}
	return fmt.Sprintf("%sF%d", level, 8*a.Elem)
}

// Func starts a function called name with the suffix. signature may speak of
// the element type as T.
func (a *Asm) Func(name, signature, doc string) {
	a.Function(name + a.Suffix())
	a.Attributes(attr.NOSPLIT)
	a.SignatureExpr(replaceT(signature, a.Type()))
	a.Doc(name + a.Suffix() + " " + doc)
	a.Pragma("noescape")
	*a.labels = 0
}

// replaceT replaces every word T in s.
func replaceT(s, by string) string {
	word := func(i int) bool {
		return i >= 0 && i < len(s) && (s[i] == '_' || '0' <= s[i] && s[i] <= '9' || 'a' <= s[i]|0x20 && s[i]|0x20 <= 'z')
	}
	out := ""
	for i := range len(s) {
		if s[i] == 'T' && !word(i-1) && !word(i+1) {
			out += by
		} else {
			out += s[i : i+1]
		}
	}
	return out
}

// End returns from the function.
func (a *Asm) End() {
	a.VZEROUPPER()
	a.RET()
}

// NewLabel returns a label no other of this function has.
func (a *Asm) NewLabel(name string) string {
	*a.labels++
	return fmt.Sprintf("%s%d", name, *a.labels)
}

// Loop runs body n times; n is counted down to 0.
func (a *Asm) Loop(n reg.GPVirtual, body func()) {
	loop, done := a.NewLabel("loop"), a.NewLabel("done")
	a.TESTQ(n, n)
	a.JZ(operand.LabelRef(done))
	a.Label(loop)
	body()
	a.DECQ(n)
	a.JNZ(operand.LabelRef(loop))
	a.Label(done)
}

// ScaleByElem turns a number of elements into bytes.
func (a *Asm) ScaleByElem(r reg.GPVirtual) {
	a.SHLQ(operand.Imm(map[int]uint64{4: 2, 8: 3}[a.Elem]), r)
}

// IntParam loads an integer parameter.
func (a *Asm) IntParam(name string) reg.GPVirtual {
	return a.Load(a.Param(name), a.GP64()).(reg.GPVirtual)
}

// BaseParam loads the address of a slice parameter.
func (a *Asm) BaseParam(name string) reg.GPVirtual {
	return a.Load(a.Param(name).Base(), a.GP64()).(reg.GPVirtual)
}

// LenParam loads the length of a slice parameter.
func (a *Asm) LenParam(name string) reg.GPVirtual {
	return a.Load(a.Param(name).Len(), a.GP64()).(reg.GPVirtual)
}

// New returns a new vector register.
func (a *Asm) New() Vec {
	switch a.Bits {
	case 512:
		return a.ZMM()
	case 256:
		return a.YMM()
	}
	return a.XMM()
}

// Op appends the packed instruction of the element type: Op("VADD", ...) is
// VADDPS or VADDPD. Operands are in Go's order, the destination last.
func (a *Asm) Op(name string, ops ...operand.Op) { a.Call(name+"P"+a.letter(), ops...) }

// Scalar appends the scalar instruction of the element type, VADDSS or VADDSD.
func (a *Asm) Scalar(name string, ops ...operand.Op) { a.Call(name+"S"+a.letter(), ops...) }

// IntOp appends the integer instruction on lanes of the element's size:
// IntOp("VPADD", ...) is VPADDD or VPADDQ.
func (a *Asm) IntOp(name string, ops ...operand.Op) {
	a.Call(name+map[int]string{4: "D", 8: "Q"}[a.Elem], ops...)
}

func (a *Asm) letter() string { return map[int]string{4: "S", 8: "D"}[a.Elem] }

// Call appends the instruction with the given name, or for AVX-512 and a Const
// among the operands its form that broadcasts from memory.
func (a *Asm) Call(name string, ops ...operand.Op) {
	args := make([]reflect.Value, len(ops))
	for i, op := range ops {
		if c, ok := op.(Const); ok {
			op = c.Mem
			if a.Bits == 512 {
				name += "_BCST"
			}
		}
		args[i] = reflect.ValueOf(op)
	}
	m := reflect.ValueOf(a.Context).MethodByName(name)
	if !m.IsValid() {
		panic("simd: no instruction " + name)
	}
	m.Call(args)
}

// Roomy reports whether there are 32 vector registers, not 16.
func (a *Asm) Roomy() bool { return a.NEON || a.Bits == 512 }

// Zero returns a vector of zeros.
func (a *Asm) Zero() Vec {
	v := a.New()
	if a.Bits == 256 { // whole, for avo takes the rest of it to be in use before
		a.VXORPS(v, v, v)
	} else {
		a.VXORPS(v.AsX(), v.AsX(), v.AsX())
	}
	return v
}

// Broadcast returns a vector of copies of one element in memory.
func (a *Asm) Broadcast(m operand.Op) Vec {
	if c, ok := m.(Const); ok {
		m = c.Mem
	}
	v := a.New()
	if a.Bits == 128 && a.Elem == 8 {
		a.VMOVDDUP(m, v)
	} else {
		a.Scalar("VBROADCAST", m, v)
	}
	return v
}

// Move copies a vector between registers or memory.
func (a *Asm) Move(src, dst operand.Op) {
	if a.Bits == 64 {
		a.VMOVSD(src, dst)
		return
	}
	a.Op("VMOVU", src, dst)
}
