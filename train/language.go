package train

import (
	"math"

	"github.com/gorgonia-s4/s4/task"
)

// Perplexity is the exponential of the mean negative log-probability of a target,
// from the sum over all of them: that of output task.NLL, or where a graph has none
// of the loss, a cross-entropy in nats. It is a perplexity per token, which compares
// with those of the same vocabulary alone.
func Perplexity() *Mean { return newNats("perplexity", nil, math.Exp) }

// WordPerplexity is Perplexity per word of the text, whatever the vocabulary: words
// returns how many words the targets of a batch stand for, and nil means one for each.
func WordPerplexity(words func(*task.Batch) float64) *Mean {
	return newNats("word_perplexity", words, math.Exp)
}

// BitsPerByte is the negative log-probability in bits for each byte of text,
// otherwise as WordPerplexity.
func BitsPerByte(bytes func(*task.Batch) float64) *Mean {
	return newNats("bits_per_byte", bytes, func(nats float64) float64 { return nats / math.Ln2 })
}

// PerTarget returns a function for WordPerplexity and BitsPerByte: so many words or
// bytes for each target, on average over the text.
func PerTarget(ratio float64) func(*task.Batch) float64 {
	count := task.CountLabels(task.Target)
	return func(b *task.Batch) float64 { return ratio * count(b) }
}

// newNats returns a metric of the sum of all negative log-probabilities over what
// count counts of each batch, nil for its targets.
func newNats(name string, count func(*task.Batch) float64, final func(float64) float64) *Mean {
	m := NewMean(name, Lower, func(out *task.Outputs, b *task.Batch) (sum, n float64, err error) {
		if out.Count == 0 {
			return 0, 0, nil
		}
		sum, n = out.Loss*out.Count, out.Count
		if _, ok := out.Arrays[task.NLL]; ok {
			if sum, err = nats(out); err != nil {
				return 0, 0, err
			}
		}
		if count != nil {
			n = count(b)
		}
		return sum, n, nil
	})
	m.final = final
	return m
}
