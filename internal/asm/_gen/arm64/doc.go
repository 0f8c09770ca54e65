// Package arm64 writes the assembly of a file for arm64, with the vector
// instructions of NEON (ASIMD): a back end beside avo's own, which knows amd64
// alone.
//
// A description of a pass speaks avo's language whichever the processor is. Its
// instructions, on vectors of 128 bits, are the ones that are lowered here, to one
// or a few of arm64 each:
//
//  1. Every instruction goes through its rule (lower.go, scalar.go, vector.go). As
//     arm64 computes on registers only, operands in memory are loaded first, and
//     addresses that no instruction takes are computed (address.go). Constants lie
//     in one table (constants.go), and those that loops need in registers, as many
//     as there are.
//  2. Copies that nothing needs go (copies.go).
//  3. Registers are allocated (allocate.go).
//  4. It is printed (print.go). What Go's assembler lacks is a word, with what it
//     means in a comment (word.go).
//
// A description that needs an instruction without a rule is an error that names it.
package arm64
