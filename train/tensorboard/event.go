package tensorboard

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is a protocol buffer under way, of fields in the order of their numbers.
type message []byte

func (m message) double(field protowire.Number, v float64) message {
	return protowire.AppendFixed64(protowire.AppendTag(m, field, protowire.Fixed64Type), math.Float64bits(v))
}

func (m message) float(field protowire.Number, v float32) message {
	return protowire.AppendFixed32(protowire.AppendTag(m, field, protowire.Fixed32Type), math.Float32bits(v))
}

func (m message) int(field protowire.Number, v int) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(v))
}

func (m message) bytes(field protowire.Number, v []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), v)
}

func (m message) text(field protowire.Number, v string) message {
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), v)
}

// doubles is a packed list.
func (m message) doubles(field protowire.Number, v []float64) message {
	var packed []byte
	for _, x := range v {
		packed = protowire.AppendFixed64(packed, math.Float64bits(x))
	}
	return m.bytes(field, packed)
}

// event begins an Event: wall_time in seconds since 1970, and step.
func event(seconds float64, step int) message {
	return message(nil).double(1, seconds).int(2, step)
}

// version is what the first event of a file says.
const version = "brain.Event:2"

// started is an Event's SessionLog of status START: what a reader has seen of this
// step and of later ones no longer counts.
func (m message) started() message { return m.bytes(7, message(nil).int(1, 1)) }

// scalar is a Summary.Value of a number.
func scalar(tag string, v float64) message {
	return message(nil).text(1, tag).float(2, float32(v))
}

// text is a Summary.Value of a text, which is shown as Markdown: a tensor of type
// DT_STRING and shape (1) for the plugin "text".
func text(tag, v string) message {
	const dtString, ofTensors = 7, 2
	shape := message(nil).bytes(2, message(nil).int(1, 1))
	metadata := message(nil).bytes(1, message(nil).text(1, "text")).int(4, ofTensors)
	return message(nil).text(1, tag).
		bytes(8, message(nil).int(1, dtString).bytes(2, shape).text(8, v)).
		bytes(9, metadata)
}

// buckets is the number of those of a histogram.
const buckets = 40

// histogram is a Summary.Value of how numbers are distributed: HistogramProto. Those
// that are not finite do not count; without any others there is none.
func histogram[T float32 | float64](tag string, values []T) message {
	lo, hi := math.Inf(1), math.Inf(-1)
	var n, sum, squares float64
	for _, x := range values {
		if v := float64(x); !math.IsNaN(v) && !math.IsInf(v, 0) {
			lo, hi = min(lo, v), max(hi, v)
			n++
			sum += v
			squares += v * v
		}
	}
	if n == 0 {
		return nil
	}
	limits, counts := make([]float64, buckets), make([]float64, buckets)
	width := hi/buckets - lo/buckets
	for i := range limits {
		limits[i] = lo + width*float64(i+1)
	}
	limits[buckets-1] = hi
	for _, x := range values {
		if v := float64(x); !math.IsNaN(v) && !math.IsInf(v, 0) {
			at := 0
			if width > 0 {
				at = min(int((v-lo)/width), buckets-1)
			}
			counts[at]++
		}
	}
	h := message(nil).double(1, lo).double(2, hi).double(3, n).double(4, sum).double(5, squares).doubles(6, limits).doubles(7, counts)
	return message(nil).text(1, tag).bytes(5, h)
}

// summary is an Event's Summary of values.
func (m message) summary(values ...message) message {
	var s message
	for _, v := range values {
		if v != nil {
			s = s.bytes(1, v)
		}
	}
	return m.bytes(5, s)
}
