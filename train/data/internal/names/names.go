// Package names is what the configurations of data sets have in common that name
// things.
package names

import "strconv"

// Quote returns a string in quotes.
func Quote[S ~string](s S) string { return strconv.Quote(string(s)) }

// Repeated returns the index of a name that is empty or has been there before, or -1.
func Repeated(names []string) int {
	seen := map[string]bool{"": true}
	for i, name := range names {
		if seen[name] {
			return i
		}
		seen[name] = true
	}
	return -1
}
