// Package listops is the ListOps task of Long Range Arena (Tay et al. 2021,
// "Long Range Arena: A Benchmark for Efficient Transformers", section 2.2.1;
// after Nangia and Bowman 2018): read a nested expression of list operators,
// up to 2000 symbols long, and give its value, a digit. Ten classes.
//
//	d, err := listops.Load(ctx, listops.Config{}, "cache", listops.Report{})
//	trainSet, err := d.Train.Dataset(listops.Encoding{})
//
// Of an expression as the published files write it the value is told:
//
//	( ( ( ( [MAX 2 ) 9 ) ( ( ( [SM 4 ) 7 ) ] ) ) ] )    is 9
//
// The operators are MIN, MAX, MED (the median, cut to an integer) and SM (the
// sum modulo 10).
//
// [Generate] draws a data set as the published generator does, [Load] does it
// with a cache on disk, and [Read] reads the published files, or Parquet files of the
// same. [Split.Dataset] makes the result a task.Dataset with the tokens of the S4
// papers.
package listops
