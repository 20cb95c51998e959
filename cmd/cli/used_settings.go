package cli

import (
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/node"
)

// usageSection is the part of the settings file that says how usage is counted, how
// long it is kept, and what it would cost.
func usageSection(u *node.Usage) config.Section {
	return config.Section{Name: "usage", Read: func(b *config.Block) error {
		return b.Read([]config.Setting{
			{Name: "separators", Value: config.Text(&u.Separators)},
			{Name: "prefixes", Value: config.List(&u.Prefixes)},
			{Name: "max-prefixes", Value: config.Integer(&u.MaxPrefixes, 0, node.MaxUsageNames)},
			{Name: "max-tokens", Value: config.Integer(&u.MaxTokens, 0, node.MaxUsageNames)},
			{Name: "every", Value: config.Duration(&u.Every)},
			{Name: "retention", Value: config.Duration(&u.Retention)},
			{Name: "token-retention", Value: config.Duration(&u.TokenRetention)},
		}, priceSection(&u.Prices))
	}}
}

// priceSection is a price list. Whoever writes one begins with nothing.
func priceSection(p *node.Prices) config.Section {
	return config.Section{Name: "prices", Read: func(b *config.Block) error {
		*p = node.Prices{}
		return b.Read([]config.Setting{
			{Name: "currency", Value: config.Text(&p.Currency)},
			{Name: "per-gb", Value: amount(&p.PerGB)},
			{Name: "free-gb", Value: amount(&p.FreeGB)},
			{Name: "rounded", Value: config.Switch(&p.Rounded)},
			{Name: "per-million-units", Value: amount(&p.PerMillionUnits)},
			{Name: "free-million-units", Value: amount(&p.FreeMillionUnits)},
			{Name: "per-million-requests", Value: amount(&p.PerMillionRequests)},
			{Name: "per-million-deliveries", Value: amount(&p.PerMillionDeliveries)},
		})
	}}
}

// amount is a number that is not below zero, such as a price.
func amount(p *float64) pflag.Value { return amountValue{p} }

type amountValue struct{ p *float64 }

func (v amountValue) String() string { return strconv.FormatFloat(*v.p, 'f', -1, 64) }
func (v amountValue) Type() string   { return "amount" }

func (v amountValue) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return fmt.Errorf("%q is not an amount; want a number such as 0.50", text)
	}
	*v.p = n
	return nil
}
