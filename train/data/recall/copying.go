package recall

import "math/rand/v2"

// rest is the token where there is nothing to copy.
const rest = 0

// copying draws an example of a copying task: tokens at the steps that places chooses,
// and a marker for each of them behind the last step.
func copying(r *rand.Rand, c Config, places func(r *rand.Rand, tokens, length int) []bool) (x, answers []int) {
	marker := c.Vocabulary - 1
	for _, token := range places(r, c.Tokens, c.Length) {
		if !token {
			x = append(x, rest)
			continue
		}
		answers = append(answers, 1+r.IntN(c.Vocabulary-2))
		x = append(x, answers[len(answers)-1])
	}
	for range c.Tokens {
		x = append(x, marker)
	}
	return x, answers
}

// scattered chooses so many of the steps, all choices being equally likely (Knuth, "The
// Art of Computer Programming", volume 2, algorithm 3.4.2 S).
func scattered(r *rand.Rand, tokens, length int) []bool {
	at := make([]bool, length)
	for l := range at {
		if r.IntN(length-l) < tokens {
			at[l] = true
			tokens--
		}
	}
	return at
}

// first chooses the first steps.
func first(_ *rand.Rand, tokens, length int) []bool {
	at := make([]bool, length)
	for l := range tokens {
		at[l] = true
	}
	return at
}
