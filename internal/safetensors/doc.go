// Package safetensors reads and writes the safetensors file format, in which
// checkpoints keep their tensors.
//
// A file is, in this order,
//
//	8 bytes   n, the length of the header, little-endian
//	n bytes   the header: a JSON object in UTF-8, padded with spaces
//	the rest  the elements of all tensors, little-endian, row-major
//
// The header maps each tensor's name to its element type, its shape and the
// range of bytes it takes of the rest, and the name __metadata__ to an object
// of free strings:
//
//	{"__metadata__":{"format":"pt"},"D":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}
//
// Files are taken to be hostile: every number in the header is checked before
// it is used, and no more is allocated than the file is long. The written
// bytes depend on nothing but the File.
//
// The package exists because the existing Go library for the format has no
// tagged release and is no longer maintained.
package safetensors
