// Package splitmix is the random numbers of masks: any number of a sequence by itself,
// without those before it.
package splitmix

// Golden is 2^64 divided by the golden ratio, the step of SplitMix64.
const Golden = 0x9e3779b97f4a7c15

// Mix is the output function of SplitMix64 (Steele, Lea, Flood 2014, "Fast
// splittable pseudorandom number generators"; constants by Stafford, variant 13):
// Mix(key), Mix(key+Golden), ... are the numbers it generates.
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
