// Package audio is recordings as sequences of samples, to be classified: the Speech
// Commands (Warden 2018, arXiv:1804.03209) as the S4 papers use them, the Free
// Spoken Digits, or a folder of WAV files for each class.
//
//	d, err := audio.Load(ctx, "speech_commands_v0.02.tar.gz", audio.SC35(), data.Room{Cache: "cache"})
//	half, err := d.Test.Subsample(2)           // the test at half the rate
//	steps, err := d.Encoding.Encode(wave)      // a recording of one's own
//
// The tasks that are published are
//
//	SC35()      35 words, the published split, 16000 samples at 16 kHz, (L, 1)
//	SC10()      ten of them, split 70/15/15 at random
//	Digits()    ten digits at 8 kHz, split as published
//
// A step is one sample, or with [MFCC] a frame of mel-frequency cepstral
// coefficients, (161, 20) for a second at 16 kHz. Both are standardised with the
// mean and the deviation of the training set, as the reference does. A model that
// has been trained at one rate is tested at half of it, without training, on every
// second sample: [Dataset.Subsample].
//
// [Load] reads a folder or an archive, in parallel, and keeps 16 bits a sample.
// [ReadWAV] reads one recording.
package audio
