package recall

import "math/rand/v2"

// induction draws an example of induction heads: length >= 4 tokens of 0..vocabulary-2,
// with vocabulary-1 at one step that is not among the last two, and at the last. The
// answer is the token behind the first of them.
func induction(r *rand.Rand, length, vocabulary int) (x, answer []int) {
	special := vocabulary - 1
	x = make([]int, length)
	for l := range x {
		x[l] = r.IntN(special)
	}
	at := r.IntN(length - 2)
	x[at], x[length-1] = special, special
	return x, x[at+1 : at+2]
}
