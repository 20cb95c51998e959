package certify

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"golang.org/x/crypto/acme"
)

// challengeType is the one way in which names are proved: a handshake at the
// client port, in which a protocol of its own is agreed on.
const challengeType = "tls-alpn-01"

// orderOne orders a certificate for all names, and puts it on the shelf.
func (k *Keeper) orderOne(ctx context.Context) error {
	client, err := k.account(ctx)
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	order, err := client.AuthorizeOrder(ctx, acme.DomainIDs(k.config.Names...))
	if err != nil {
		return err
	}
	if err := k.prove(ctx, client, order); err != nil {
		return err
	}
	ready, err := client.WaitOrder(ctx, order.URI)
	if err != nil {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: k.config.Names}, key)
	if err != nil {
		return err
	}
	chain, err := collect(ctx, client, order.URI, ready.FinalizeURL, request)
	if err != nil {
		return err
	}
	return k.shelve(ctx, chain, key)
}

// collect hands the request in and returns what is made of it. Some servers do
// not say again where the order is, which CreateOrderCert would follow; it can be
// looked at where it was all along.
func collect(ctx context.Context, client *acme.Client, order, finalize string, request []byte) ([][]byte, error) {
	chain, _, err := client.CreateOrderCert(ctx, finalize, request, true)
	if err == nil {
		return chain, nil
	}
	done, waiting := client.WaitOrder(ctx, order)
	if waiting != nil || done.Status != acme.StatusValid {
		return nil, err
	}
	return client.FetchCert(ctx, done.CertURL, true)
}

// shelve puts a certificate on the shelf, if it is what was ordered.
func (k *Keeper) shelve(ctx context.Context, chain [][]byte, key crypto.Signer) error {
	text, err := encodePair(chain, key)
	if err != nil {
		return err
	}
	made, err := decodePair(text)
	if err != nil {
		return fmt.Errorf("what the ACME server gave is no certificate for our key: %w", err)
	}
	for _, name := range k.config.Names {
		if err := made.Leaf.VerifyHostname(name); err != nil {
			return fmt.Errorf("what the ACME server gave lacks a name: %w", err)
		}
	}
	return k.config.Shelf.PutDeposit(ctx, certificateName, text)
}

// account is a client of the ACME server that has an account there.
func (k *Keeper) account(ctx context.Context) (*acme.Client, error) {
	key, err := k.accountKey(ctx)
	if err != nil {
		return nil, err
	}
	client := &acme.Client{Key: key, DirectoryURL: k.config.Directory, HTTPClient: k.client, UserAgent: k.config.Agent}
	account := new(acme.Account)
	if k.config.Email != "" {
		account.Contact = []string{"mailto:" + k.config.Email}
	}
	// Whoever configured this has accepted the terms. The server says so itself
	// when it knows the key.
	if _, err := client.Register(ctx, account, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, err
	}
	return client, nil
}

// accountKey is the key on the shelf, or a new one that is put there.
func (k *Keeper) accountKey(ctx context.Context) (crypto.Signer, error) {
	if kept := k.config.Shelf.Deposit(accountName); len(kept) > 0 {
		return decodeKey(kept)
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	text, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return key, k.config.Shelf.PutDeposit(ctx, accountName, text)
}

// pending is a name that is to be proved.
type pending struct {
	authorization string
	challenge     *acme.Challenge
}

// prove proves every name that the server does not believe yet. What it takes is
// on the shelf, and so at every node, before the server is asked to look.
func (k *Keeper) prove(ctx context.Context, client *acme.Client, order *acme.Order) error {
	var todo []pending
	pairs := map[string][]byte{}
	for _, url := range order.AuthzURLs {
		authorization, err := client.GetAuthorization(ctx, url)
		if err != nil {
			return err
		}
		if authorization.Status == acme.StatusValid {
			continue
		}
		name := authorization.Identifier.Value
		i := slices.IndexFunc(authorization.Challenges, func(c *acme.Challenge) bool { return c.Type == challengeType })
		if i < 0 {
			return fmt.Errorf("%s: %w", name, errNoOffer)
		}
		challenge := authorization.Challenges[i]
		made, err := client.TLSALPN01ChallengeCert(challenge.Token, name)
		if err != nil {
			return err
		}
		if pairs[name], err = encodePair(made.Certificate, made.PrivateKey); err != nil {
			return err
		}
		todo = append(todo, pending{authorization.URI, challenge})
	}
	if len(todo) == 0 {
		return nil
	}
	text, err := encodeChallenges(pairs)
	if err != nil {
		return err
	}
	if err := k.config.Shelf.PutDeposit(ctx, challengesName, text); err != nil {
		return err
	}
	defer k.forgetChallenges(ctx)
	return accept(ctx, client, todo)
}

// accept asks the server to look, and waits until it has.
func accept(ctx context.Context, client *acme.Client, todo []pending) error {
	for _, p := range todo {
		if _, err := client.Accept(ctx, p.challenge); err != nil {
			return err
		}
	}
	for _, p := range todo {
		if _, err := client.WaitAuthorization(ctx, p.authorization); err != nil {
			return fmt.Errorf("the ACME server does not find this broker by a name, at port 443: %w", err)
		}
	}
	return nil
}

// forgetChallenges takes what proved the names off the shelf. If it stays there
// it does no harm, since it is good for nothing any more.
func (k *Keeper) forgetChallenges(ctx context.Context) {
	empty, err := encodeChallenges(map[string][]byte{})
	if err == nil {
		err = k.config.Shelf.PutDeposit(ctx, challengesName, empty)
	}
	if err != nil && ctx.Err() == nil {
		k.config.Logger.Debug("the proof of names stays on the shelf", slog.Any("err", err))
	}
}
