package arm64

import (
	"fmt"
	"strings"
)

// form is how an instruction without a name in Go's assembler is written as a word:
// registers Rd in the bits from 0 on, Rn from 5 on, and Rm, if there is one, from 16
// on. See "C7.2 Alphabetical list of A64 Advanced SIMD and floating-point
// instructions" in the Arm Architecture Reference Manual.
type form struct {
	bits    uint32
	comment string // what a disassembler says, with the numbers of the registers left out
}

const (
	whole  = 1 << 30 // Q: 128 bits
	double = 1 << 22 // sz, or the lower bit of the size: lanes of 64 bits
)

// forms are the words by the name they have here.
var forms = makeForms()

func makeForms() map[string]form {
	f := map[string]form{
		"mvn":   {0x2e205800 | whole, "mvn v%d.16b, v%d.16b"},
		"fcvtl": {0x0e217800 | double, "fcvtl v%d.2d, v%d.2s"},
		"fcvtn": {0x0e216800 | double, "fcvtn v%d.2s, v%d.2d"},
	}
	for lanes, size := range map[string]uint32{".4s": whole, ".2d": whole | double} {
		for name, bits := range map[string]uint32{
			"fadd": 0x0e20d400, "fsub": 0x0ea0d400, "fmul": 0x2e20dc00, "fdiv": 0x2e20fc00,
			"fcmeq": 0x0e20e400, "fcmgt": 0x2ea0e400,
		} {
			f[name+lanes] = form{bits | size, strings.ReplaceAll(name+" v%d*, v%d*, v%d*", "*", lanes)}
		}
		for name, bits := range map[string]uint32{"fneg": 0x2ea0f800, "fsqrt": 0x2ea1f800} {
			f[name+lanes] = form{bits | size, strings.ReplaceAll(name+" v%d*, v%d*", "*", lanes)}
		}
		f["cmlt"+lanes] = form{0x0ea0a800 | size, strings.ReplaceAll("cmlt v%d*, v%d*, #0", "*", lanes)}
		letter, n := lanes[2:], 4
		if letter == "d" {
			n = 2
		}
		for i := range n {
			f[fmt.Sprintf("fmla%s[%d]", lanes, i)] = form{0x0f801000 | size | laneBits(letter, i),
				strings.ReplaceAll("fmla v%d*, v%d*, v%d.", "*", lanes) + fmt.Sprintf("%s[%d]", letter, i)}
		}
	}
	return f
}

// laneBits returns the number of a lane in H and L: for lanes of 64 bits, H alone.
func laneBits(letter string, lane int) uint32 {
	if letter == "d" {
		return uint32(lane) << 11
	}
	return uint32(lane>>1)<<11 | uint32(lane&1)<<21
}

// word returns the encoding of an instruction on registers Rd, Rn, Rm, and what it
// means.
func word(name string, registers ...int) (bits uint32, comment string, err error) {
	f, ok := forms[name]
	if n := strings.Count(f.comment, "%d"); !ok || n != len(registers) {
		return 0, "", fmt.Errorf("arm64: no word %s with %d registers", name, len(registers))
	}
	bits = f.bits
	args := make([]any, len(registers))
	for i, r := range registers {
		bits |= uint32(r) << [...]int{0, 5, 16}[i]
		args[i] = r
	}
	return bits, fmt.Sprintf(f.comment, args...), nil
}
