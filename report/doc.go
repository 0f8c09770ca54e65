// Package report shows a run: it writes one HTML page, without a network and
// without scripts of others, from the files of a run's directory alone.
//
//	err := report.Write("runs/listops") // writes runs/listops/report.html
//
// The files are
//
//	run.json       what was run: [Run]
//	metrics.jsonl  what it did: train.MetricsFile
//	start/         the model before training
//	model/         the model after it
//	test.json      what it can: [Test]
//
// Whoever runs a training writes them, with [Run.Save] and [Test.Save]; [Write]
// makes the page of whichever there are, and says which there are not.
//
// The files are of a program for itself, and read as if they were not: what is
// truncated, hostile or too large is an error that names the file.
package report
