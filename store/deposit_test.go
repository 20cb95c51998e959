package store

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func deposit(name, content string) *storev1.PutDeposit {
	return &storev1.PutDeposit{Deposit: &Deposit{Name: name, Content: []byte(content)}}
}

func TestDeposits(t *testing.T) {
	c := NewCatalog()
	runCatalog(t, c, []step{
		{1, deposit("a", "one"), catalogOK, 0},
		{1, deposit("a", "two"), catalogOK, 0},
		{1, deposit("b", strings.Repeat("x", MaxDepositBytes)), catalogOK, 0},
		{1, deposit("b", strings.Repeat("x", MaxDepositBytes+1)), invalidArg, 0},
		{1, deposit("b", ""), invalidArg, 0},
		{1, deposit("", "x"), invalidArg, 0},
		{1, deposit("\xff", "x"), invalidArg, 0},
		{1, &storev1.PutDeposit{}, invalidArg, 0},
	})
	for i := range MaxDeposits - 2 {
		if got := c.Apply(catalogCommand(1, deposit(fmt.Sprint(i), "x"))); got.GetStatus() != catalogOK {
			t.Fatalf("deposit %d: %v", i, got)
		}
	}
	runCatalog(t, c, []step{{1, deposit("more", "x"), overLimit, 0}, {1, deposit("a", "three"), catalogOK, 0}})
	restored := NewCatalog()
	if err := restored.Restore(bytes.NewReader(catalogBytes(t, c))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Catalog{c, restored} {
		if d, ok := c.Deposit("a"); !ok || string(d.GetContent()) != "three" {
			t.Errorf("a is %v", d)
		}
		if d, ok := c.Deposit("none"); ok {
			t.Errorf("there is %v", d)
		}
	}
}

// Nodes of the release before can read a catalog and its log until something is
// deposited.
func TestDepositsNeedTheNewVersion(t *testing.T) {
	encoded, err := EncodeCatalogCommand(nil, catalogCommand(1, deposit("a", "x")))
	if err != nil || encoded[0] != depositsVersion {
		t.Errorf("version %d, %v", encoded[0], err)
	}
	c := NewCatalog()
	if got := c.Snapshot().message().GetVersion(); got != 1 {
		t.Errorf("an empty catalog has version %d", got)
	}
	c.Apply(catalogCommand(1, deposit("a", "x")))
	if got := c.Snapshot().message().GetVersion(); got != depositsVersion {
		t.Errorf("a catalog with a deposit has version %d", got)
	}
}
