package metrics

var vended = describe("mayfly_vend_requests_total", "Requests for tokens at /vend, by how they ended: vended, refused, invalid, limited or failed.", "endpoint", "outcome")

// vending shows how requests to each endpoint ended.
func (out readings) vending(all map[string]map[string]uint64) {
	for endpoint, outcomes := range all {
		for outcome, n := range outcomes {
			out.counter(vended, n, endpoint, outcome)
		}
	}
}
