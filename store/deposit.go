package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// Deposit is something that the nodes of a cluster share and that the catalog
// does not understand. It is a secret.
type Deposit = storev1.Deposit

// Limits of deposits, a part of the meaning of the log.
const (
	// MaxDeposits is how many there may be. They are for what the cluster itself
	// needs, not for its users.
	MaxDeposits = 64
	// MaxDepositBytes is the most that one may hold; a certificate with its chain
	// and key takes some 10 KiB.
	MaxDepositBytes = 64 << 10
	// depositsVersion is the version of commands and snapshots that has them.
	depositsVersion = 3
)

// checkDeposit says what is wrong with a deposit, "" for nothing.
func checkDeposit(d *Deposit) string {
	switch {
	case !validName(d.GetName()):
		return badID
	case len(d.GetContent()) == 0 || len(d.GetContent()) > MaxDepositBytes:
		return "a deposit holds 1 to 65,536 bytes"
	}
	return ""
}

// Deposit returns what is kept under that name.
func (c *Catalog) Deposit(name string) (*Deposit, bool) { return c.deposits.Get(name) }

// putDeposit keeps a deposit in place of the one of the same name.
func (c *Catalog) putDeposit(d *Deposit) *CatalogResult {
	if bad := checkDeposit(d); bad != "" {
		return invalidCatalog(bad)
	}
	if _, known := c.deposits.Get(d.GetName()); !known && c.deposits.Len() >= MaxDeposits {
		return full("the cluster keeps 64 deposits, which is the most")
	}
	c.deposits.Set(d.GetName(), d)
	return c.changed()
}

// loadDeposits fills an empty catalog and says what is wrong.
func (c *Catalog) loadDeposits(version uint32, all []*Deposit) string {
	if version < depositsVersion && len(all) > 0 {
		return "deposits that the version does not know"
	}
	for _, d := range all {
		if bad := checkDeposit(d); bad != "" {
			return bad
		}
		c.deposits.Set(d.GetName(), d)
	}
	if c.deposits.Len() != len(all) || len(all) > MaxDeposits {
		return "a deposit comes twice, or there are more than allowed"
	}
	return ""
}
