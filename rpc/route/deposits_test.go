package route

import (
	"bytes"
	"errors"
	"testing"

	"github.com/mayfly-broker/mayfly/store"
)

func TestDepositsOverTheRouter(t *testing.T) {
	r, _ := start(t, "")
	ctx := t.Context()
	if got := r.Deposit("a"); got != nil {
		t.Errorf("nothing was kept, and there is %q", got)
	}
	news := r.local.Changed()
	for _, content := range []string{"one", "two"} {
		if err := r.PutDeposit(ctx, "a", []byte(content)); err != nil || string(r.Deposit("a")) != content {
			t.Errorf("kept %q: %q, %v", content, r.Deposit("a"), err)
		}
	}
	select {
	case <-news:
	default:
		t.Error("nobody was told")
	}
	if err := r.PutDeposit(ctx, "a", bytes.Repeat([]byte("x"), store.MaxDepositBytes+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("too much: %v", err)
	}
	if string(r.Deposit("a")) != "two" {
		t.Errorf("a refused one is kept: %q", r.Deposit("a"))
	}
}
