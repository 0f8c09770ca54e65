// Package cifar is the Image task of Long Range Arena (Tay et al. 2021,
// section 2.2.4): classify the 60000 images of CIFAR-10 (Krizhevsky 2009),
// 32 x 32 pixels in grey, read row by row as a sequence of 1024 steps. Ten
// classes, balanced. In colour, with three features a step, it is the
// sequential CIFAR task of the S4 papers.
//
//	d, err := cifar.Load(ctx, "cifar-10-binary.tar.gz", cifar.Config{Encoding: cifar.RGB}, data.Room{})
//	d, err = cifar.Draw(cifar.Config{}, 1000, 100)    // something to learn where there are no data
//
// [Load] reads the published binary files, a package that holds the same images as
// PNG files, and the Parquet files of a dataset hub.
package cifar
