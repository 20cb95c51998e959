package metering

// Counts is what was used. The sizes of messages are those of the protocol's own
// encoding, whatever they were wrapped in on the wire.
type Counts struct {
	// Reads, Writes, Publishes and Subscriptions are authenticated calls by what they
	// asked for, whether they were granted or not.
	Reads, Writes, Publishes, Subscriptions uint64
	// Failed are those of them that ended with an error.
	Failed uint64
	// Deliveries are items of topics that were sent to subscribers, and to the
	// receivers of webhooks as often as they were sent.
	Deliveries uint64
	// Units are steps of UnitBytes that were begun: of a call's request and answer
	// together, at least one for each call, and of each delivery.
	Units uint64
	// BytesIn are the requests, BytesOut the answers and the deliveries.
	BytesIn, BytesOut uint64
}

// UnitBytes is the size of a unit, as the hosted service has it (protocol.md 10.2).
const UnitBytes = 1024

// UnitsOf returns the units of so many bytes, at least one.
func UnitsOf(bytes uint64) uint64 { return max(1, (bytes+UnitBytes-1)/UnitBytes) }

// Requests is how many authenticated calls there were.
func (c *Counts) Requests() uint64 { return c.Reads + c.Writes + c.Publishes + c.Subscriptions }

// Add adds what another was.
func (c *Counts) Add(d *Counts) {
	c.Reads += d.Reads
	c.Writes += d.Writes
	c.Publishes += d.Publishes
	c.Subscriptions += d.Subscriptions
	c.Failed += d.Failed
	c.Deliveries += d.Deliveries
	c.Units += d.Units
	c.BytesIn += d.BytesIn
	c.BytesOut += d.BytesOut
}

// columns is how many numbers a stored row has. Their order is that of what is
// stored for a year: it never changes, and new ones come last.
const columns = 9

// row appends the counts as they are stored.
func (c *Counts) row(buf []int64) []int64 {
	return append(buf, int64(c.Reads), int64(c.Writes), int64(c.Publishes), int64(c.Subscriptions), int64(c.Failed),
		int64(c.Deliveries), int64(c.Units), int64(c.BytesIn), int64(c.BytesOut))
}

// countsOf reads a stored row. A shorter one was written before there were all the
// columns, of a longer one the rest is not known here.
func countsOf(row []int64) Counts {
	var n [columns]uint64
	for i := range min(len(row), columns) {
		n[i] = uint64(max(0, row[i]))
	}
	return Counts{
		Reads: n[0], Writes: n[1], Publishes: n[2], Subscriptions: n[3], Failed: n[4],
		Deliveries: n[5], Units: n[6], BytesIn: n[7], BytesOut: n[8],
	}
}
