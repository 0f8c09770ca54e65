package corpus

import (
	"crypto/sha256"
)

// Sealed returns a token file with the checksum that its other bytes have.
func Sealed(b []byte) []byte {
	n := max(len(b)-sha256.Size, 0)
	sum := sha256.Sum256(b[:n])
	return append(b[:n:n], sum[:]...)
}
