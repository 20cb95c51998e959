package metering

import (
	"errors"
	"math"
)

// Prices are what traffic would cost. They are the operator's own, or an example.
type Prices struct {
	// Example: nobody has set them.
	Example bool
	// Currency is the name of the money, for people.
	Currency string
	// PerGB is the price of a GB, 10^9 bytes, in and out together, beyond FreeGB in
	// each month. Rounded counts the bytes of each call and of each delivery in whole
	// units of UnitBytes.
	PerGB, FreeGB float64
	Rounded       bool
	// PerMillionUnits is the price of a million units, beyond FreeMillionUnits in each
	// month.
	PerMillionUnits, FreeMillionUnits float64
	// PerMillionRequests is the price of a million requests, PerMillionDeliveries that
	// of a million deliveries.
	PerMillionRequests, PerMillionDeliveries float64
}

// ExamplePrices are those that the hosted service has published for the transfer of
// data (protocol.md 10.2).
func ExamplePrices() Prices {
	return Prices{Example: true, Currency: "USD", PerGB: 0.50, FreeGB: 5, Rounded: true}
}

// Validate names what cannot be a price.
func (p *Prices) Validate() error {
	for _, n := range []float64{p.PerGB, p.FreeGB, p.PerMillionUnits, p.FreeMillionUnits, p.PerMillionRequests, p.PerMillionDeliveries} {
		if n < 0 || math.IsNaN(n) || n > 1e12 {
			return errors.New("a price or an allowance is a number from 0 to 10^12")
		}
	}
	return nil
}

// Cost is what a month would have cost.
func (p *Prices) Cost(used *Counts) float64 {
	bytes := used.BytesIn + used.BytesOut
	if p.Rounded {
		bytes = used.Units * UnitBytes
	}
	const giga, million = 1e9, 1e6
	return max(0, float64(bytes)/giga-p.FreeGB)*p.PerGB +
		max(0, float64(used.Units)/million-p.FreeMillionUnits)*p.PerMillionUnits +
		float64(used.Requests())/million*p.PerMillionRequests +
		float64(used.Deliveries)/million*p.PerMillionDeliveries
}
