// Package tokenizer makes token ids of a text, and a text of token ids.
package tokenizer
