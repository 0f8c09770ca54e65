package arm64

import (
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// assembly returns the instructions of a function of x and n, and what the printer says.
func assembly(t *testing.T, body func(c *build.Context, x, n reg.GPVirtual)) (string, error) {
	t.Helper()
	c := build.NewContext()
	c.Function("f")
	c.SignatureExpr("func(x *float32, n int)")
	x, n := c.Load(c.Param("x"), c.GP64()).(reg.GPVirtual), c.Load(c.Param("n"), c.GP64()).(reg.GPVirtual)
	body(c, x, n)
	c.RET()
	f, err := c.Result()
	if err != nil {
		t.Fatal(err)
	}
	text, err := NewPrinter(printer.NewDefaultConfig(), &c.Collection).Print(f)
	_, text2, _ := strings.Cut(string(text), "$0-16\n")
	return text2, err
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		want string
		body func(c *build.Context, x, n reg.GPVirtual)
	}{
		{"f: VPERMILPS: no rule for this instruction", func(c *build.Context, x, n reg.GPVirtual) {
			c.VPERMILPS(operand.Imm(1), c.XMM(), c.XMM())
		}},
		{"f: want a sum, a difference or a comparison before what depends on its flags", func(c *build.Context, x, n reg.GPVirtual) {
			c.SUBQ(operand.Imm(1), n)
			c.SHLQ(operand.Imm(1), n)
			c.JZ(operand.LabelRef("end"))
			c.Label("end")
		}},
		{"f: VCMPPS: no rule for predicate 0x1 of these operands", func(c *build.Context, x, n reg.GPVirtual) {
			v := c.XMM()
			c.VCMPPS(operand.Imm(1), v, v, v)
		}},
		{"f: more registers are alive than there are", func(c *build.Context, x, n reg.GPVirtual) {
			var v []reg.VecVirtual
			for range 33 {
				v = append(v, c.XMM())
				c.VMOVUPS(operand.Mem{Base: x}, v[len(v)-1])
			}
			for _, v := range v {
				c.VMOVUPS(v, operand.Mem{Base: x})
			}
		}},
	} {
		if _, err := assembly(t, c.body); err == nil || err.Error() != c.want {
			t.Errorf("got error %v, want %s", err, c.want)
		}
	}
}

// TestText compares whole functions.
func TestText(t *testing.T) {
	for _, c := range []struct {
		name, want string
		body       func(c *build.Context, x, n reg.GPVirtual)
	}{
		{"addresses are computed once, and again for another index", `
			MOVD x+0(FP), R2
			MOVD n+8(FP), R1
			ADD R1<<2, R2, R0
			FMOVQ (R0), F0
			WORD $0x4e20d400 // fadd v0.4s, v0.4s, v0.4s
			FMOVQ F0, 65520(R0)
			ADD $65536, R0, R0
			FMOVQ F0, (R0)
			ADDS $1, R1, R1
			ADD R1<<2, R2, R0
			FMOVQ F0, (R0)
			RET`,
			func(c *build.Context, x, n reg.GPVirtual) {
				v := c.XMM()
				at := operand.Mem{Base: x, Index: n, Scale: 4}
				c.VMOVUPS(at, v)
				c.VADDPS(v, v, v)
				c.VMOVUPS(v, at.Offset(65520))
				c.VMOVUPS(v, at.Offset(65536))
				c.ADDQ(operand.Imm(1), n)
				c.VMOVUPS(v, at)
			}},
		{"p = p x + y by a sum that takes its place", `
			MOVD x+0(FP), R0
			FMOVQ (R0), F0
			FMOVQ 16(R0), F2
			FMOVQ 32(R0), F1
			VFMLA V2.S4, V0.S4, V1.S4
			FMOVQ 48(R0), F0
			VFMLA V2.S4, V1.S4, V0.S4
			FMOVQ F0, (R0)
			RET`,
			func(c *build.Context, x, n reg.GPVirtual) {
				p, v := c.XMM(), c.XMM()
				c.VMOVUPS(operand.Mem{Base: x}, p)
				c.VMOVUPS(operand.Mem{Base: x, Disp: 16}, v)
				c.VFMADD213PS(operand.Mem{Base: x, Disp: 32}, v, p)
				c.VFMADD213PS(operand.Mem{Base: x, Disp: 48}, v, p)
				c.VMOVUPS(p, operand.Mem{Base: x})
			}},
		{"a constant of a loop is loaded before it", `
			MOVD $constants<>(SB), R0
			FMOVQ 0(R0), F1
			MOVD x+0(FP), R1
			MOVD n+8(FP), R0
		loop:
			FMOVQ (R1), F0
			WORD $0x6ea0e420 // fcmgt v0.4s, v1.4s, v0.4s
			WORD $0x6e205800 // mvn v0.16b, v0.16b
			FMOVQ F0, (R1)
			SUBS $1, R0, R0
			BNE loop
			RET
		DATA constants<>+0(SB)/8, $0x0000000000000001
		DATA constants<>+8(SB)/8, $0x0000000000000002
		GLOBL constants<>(SB), RODATA|NOPTR, $16`,
			func(c *build.Context, x, n reg.GPVirtual) {
				k := c.StaticGlobal("k")
				c.DataAttributes(attr.RODATA)
				c.AddDatum(0, operand.U64(1))
				c.AddDatum(8, operand.U64(2))
				c.Label("loop")
				v := c.XMM()
				c.VMOVUPS(operand.Mem{Base: x}, v)
				c.VCMPPS(operand.Imm(notLess), k, v, v)
				c.VMOVUPS(v, operand.Mem{Base: x})
				c.DECQ(n)
				c.JNZ(operand.LabelRef("loop"))
			}},
	} {
		got, err := assembly(t, c.body)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := lines(got), lines(c.want); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, want)
		}
	}
}

// lines returns a text without its blank lines and what lines begin with.
func lines(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}
