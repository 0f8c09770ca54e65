package ssm

import "fmt"

// CheckBank returns an error unless a bank of kernels can have that shape: CH
// kernels of each of H features, with N stored states and one of S state matrices.
func CheckBank(CH, H, S, N int) error {
	if CH < 1 {
		return fmt.Errorf("want at least 1 channel CH, got %d", CH)
	}
	if N < 1 {
		return fmt.Errorf("want at least 1 stored state N, got %d", N)
	}
	return checkShare(H, S)
}

// DtCols returns the number of step sizes of a feature: one, or one for each of
// its n parts.
func DtCols(n int, each bool) int {
	if each {
		return n
	}
	return 1
}

// checkShare returns an error unless H features can share S state matrices:
// both at least 1 and H a multiple of S.
func checkShare(H, S int) error {
	if H < 1 || S < 1 || H%S != 0 {
		return fmt.Errorf("ssm: want the number of features H a multiple of the number of state matrices S (n_ssm), both at least 1, got H = %d, S = %d", H, S)
	}
	return nil
}

// Row returns the state matrix, in [0, S), that feature h uses: h mod S. So
// with S = 2 the even features use the first and the odd ones the second.
func Row(h, S int) int { return h % S }
