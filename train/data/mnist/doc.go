// Package mnist is the digits of MNIST (LeCun et al. 1998) and whatever has their
// format, such as the clothes of Fashion-MNIST (Xiao et al. 2017), as sequences of
// pixels: 28 x 28 grey pixels in [0, 1], row by row, 784 steps, ten classes. Read in a
// fixed order that is not that of the rows it is permuted MNIST.
//
//	d, err := mnist.Load(ctx, "mnist", mnist.Config{Order: mnist.BitReversal}, data.Room{})
//	d, err = mnist.Draw(mnist.Config{}, 1000, 100)    // something to learn where there are no data
//
// [Load] reads the published files, packages of them and Parquet files.
package mnist
