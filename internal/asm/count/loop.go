package main

import (
	"fmt"
	"regexp"
	"strings"
)

// mainLoop returns the instructions of the first innermost loop of a function in a file
// of assembly: that of whole vectors, of as many as it takes at a time.
func mainLoop(text, function string) ([]string, error) {
	_, body, ok := strings.Cut(text, "TEXT ·"+function+"(SB)")
	if !ok {
		return nil, fmt.Errorf("want the function %s, got none", function)
	}
	body, _, _ = strings.Cut(body, "\nTEXT ")
	labels := map[string]int{} // the number of the instruction behind each
	var code []string
	for _, line := range strings.Split(body, "\n")[1:] {
		line, comment, _ := strings.Cut(line, "//")
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "WORD ") { // the comment says what it is
			line = strings.TrimSpace(comment)
		}
		if name, isLabel := strings.CutSuffix(line, ":"); isLabel {
			labels[name] = len(code)
		} else if line != "" {
			code = append(code, line)
		}
	}
	for end, line := range code {
		words := strings.Fields(line)
		if at, ok := labels[words[len(words)-1]]; ok && at <= end {
			return code[at : end+1], nil // the first jump back ends an innermost loop
		}
	}
	return nil, fmt.Errorf("want a loop in %s, got none", function)
}

var (
	fusedName  = regexp.MustCompile(`^(VFN?MADD|VFML|fml)`)
	vectorName = regexp.MustCompile(`^(V|f|mvn|[a-z]+ v\d)`)
	vectorOut  = regexp.MustCompile(`^(FMOV[DQ] F\d+, |VST1 |VMOV[UA]P[SD]\s+[XYZ]\d+, )[^FXYZ]*\(`)
)

// fused counts the instructions that multiply and add.
func fused(loop []string) int { return count(loop, fusedName) }

// stored returns a count of the vectors of elements of which each is stored in so many.
func stored(each int) func(loop []string) int {
	return func(loop []string) int { return count(loop, vectorOut) / each }
}

// one is for a loop of a vector of elements.
func one([]string) int { return 1 }

// onVectors counts the instructions of arm64 that work on vectors, loads and stores not
// among them.
func onVectors(loop []string) int { return count(loop, vectorName) }

func count(loop []string, which *regexp.Regexp) int {
	n := 0
	for _, line := range loop {
		if which.MatchString(line) {
			n++
		}
	}
	return n
}
