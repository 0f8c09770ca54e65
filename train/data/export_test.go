package data

import "time"

// MeterAt is Meter with a clock.
func (r Room) MeterAt(what string, total int64, now func() time.Time) *Meter {
	return r.meter(what, total, now)
}
