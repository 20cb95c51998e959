package metering

import "time"

// Hour is an hour of the world's clock, by number since the Unix epoch.
type Hour uint32

// HourOf returns the hour that a time lies in.
func HourOf(t time.Time) Hour { return Hour(max(0, t.Unix()) / 3600) }

// Start is when the hour begins, in UTC.
func (h Hour) Start() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }
