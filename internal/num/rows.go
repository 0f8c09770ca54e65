package num

// CopyRows copies rows of src (A, From, N) to dst (A, To, N), from row at on, in the
// order of their numbers. The two do not overlap.
func CopyRows[T any](dst []T, to, at int, src []T, from int, rows []int, n int) {
	for a := range len(src) / (from * n) {
		d, s := dst[(a*to+at)*n:], src[a*from*n:]
		for i := 0; i < len(rows); {
			m := run(rows[i:])
			copy(d[i*n:][:m*n], s[rows[i]*n:])
			i += m
		}
	}
}

// run returns how many numbers at the beginning are one more than those before.
func run(rows []int) int {
	m := 1
	for m < len(rows) && rows[m] == rows[0]+m {
		m++
	}
	return m
}

// GrowRows returns s with length n, reusing its memory where it is large enough, and
// otherwise with room for some more, so that a length that grows little by little
// is not paid for each time. The contents are unspecified.
func GrowRows[T Float](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return Aligned[T](max(n, cap(s)+cap(s)/2))[:n]
}
