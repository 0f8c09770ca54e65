// Package recall is small tasks that tell sequence models apart by what they remember.
// All examples are drawn, each from the seed and its number alone, when they are read:
// nothing is stored, and every pass over the training data has new ones.
//
//	splits, err := recall.Splits(recall.Config{Task: recall.SelectiveCopying, Length: 256, Tokens: 16, Vocabulary: 16}, train, val, test)
//
// Selective copying (Gu, Dao 2023, "Mamba", arXiv:2312.00752, appendix E.1; as drawn by
// the public code of HiPPO, with variable positions): M tokens of 1..A-2 at distinct
// steps of the first Length, drawn evenly, rests (0) between them, then M markers,
// at which the tokens are to be told in their order. A model whose dynamics do not
// depend on the input cannot count the tokens while it waits.
//
//	0 0 5 0 3 0 0 2 0 0 9 9 9    tell 5 3 2 at the markers
//
// Delayed recall is the same with the tokens at the first M steps: the copying of
// Hochreiter, Schmidhuber 1997 and of Arjovsky, Shah, Bengio 2016, arXiv:1511.06464,
// whose delay is Length - M. Fixed dynamics are enough.
//
//	5 3 2 0 0 0 0 0 0 0 9 9 9    tell 5 3 2 at the markers
//
// Induction heads (Olsson et al. 2022, arXiv:2209.11895; "Mamba", as above): Length
// steps of tokens of 0..A-2, in which the token A-1 occurs once inside and once at the
// end, where the token that followed it the first time is to be told. It is trained at
// one length and tested at others.
//
//	3 1 9 4 2 2 0 7 9            tell 4 at the last step
//
// The adding problem (Hochreiter, Schmidhuber 1997; Arjovsky et al., as above): Length
// steps of a number even on [0, 1) and a mark, which is 1 at one step of each half and
// otherwise 0; the sum of the two marked numbers is to be told at the end. Always
// telling 1 has a mean squared error of 1/6.
package recall
