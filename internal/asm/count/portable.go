package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// compile makes the tests of a package, with its generic functions for all types, for
// arm64 without assembly.
func compile(root, pkg, out string) error {
	c := exec.Command("go", "test", "-vet=off", "-c", "-tags", "purego", "-o", out, "./"+pkg)
	c.Dir = root
	c.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", c, err, text)
	}
	return nil
}

// portable returns the instructions that portable Go takes for an element.
func (p *pass) portable(binary string) (instructions, error) {
	var sum instructions
	for _, l := range p.loops {
		loop, err := longestLoop(binary, l.symbol)
		if err != nil {
			return sum, err
		}
		sum.all += float64(len(loop)) / float64(l.elements)
		sum.floating += float64(count(loop, floatingName)) / float64(l.elements)
	}
	return sum, nil
}

// floatingName is that of an instruction of arm64 that computes, not of a load or store.
var floatingName = regexp.MustCompile(`^(F([^MLS]|M[^O]|SUB|SQRT|MOV[SD] F\d+, F)|SCVTF)`)

// longestLoop returns the instructions of the longest innermost loop of a function: from
// where a jump leads back to, to the first jump that leads there.
func longestLoop(binary, symbol string) ([]string, error) {
	text, err := exec.Command("go", "tool", "objdump", "-s", symbol, binary).Output()
	if err != nil {
		return nil, err
	}
	_, text, _ = bytes.Cut(text, []byte("\n"))      // "TEXT ..." of the first function
	text, _, _ = bytes.Cut(text, []byte("\nTEXT ")) // the next one
	var code, longest []string
	number := map[uint64]int{} // of the instruction at an address
	start := -1                // the latest instruction that a jump has led back to
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line) // file and line, address, encoding, the instruction
		if len(words) < 4 {
			continue
		}
		address, err := strconv.ParseUint(words[1], 0, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", binary, symbol, err)
		}
		number[address] = len(code)
		code = append(code, strings.Join(words[3:], " "))
		by, isJump := strings.CutSuffix(words[len(words)-1], "(PC)") // in instructions
		n, err := strconv.Atoi(by)
		if at, ok := number[address+uint64(4*n)]; isJump && err == nil && ok && at > start {
			start = at
			if len(code)-at > len(longest) {
				longest = code[at:len(code):len(code)]
			}
		}
	}
	if longest == nil {
		return nil, fmt.Errorf("%s: want a loop in a function %s, got none", binary, symbol)
	}
	return longest, nil
}
