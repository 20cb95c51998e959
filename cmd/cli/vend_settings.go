package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mayfly-broker/mayfly/cmd/cli/grant"
	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/node"
)

// vendSection is the part of the settings file that says what tokens are vended:
// under each name, an endpoint.
func (p *Program) vendSection(all *[]node.VendEndpoint) config.Section {
	return config.Section{Name: "vend", Read: func(b *config.Block) error {
		return b.Each(func(name string, below *config.Block) error {
			e, err := p.readVendEndpoint(name, below)
			if err != nil {
				return err
			}
			*all = append(*all, *e)
			return nil
		})
	}}
}

// readVendEndpoint reads and checks one endpoint.
func (p *Program) readVendEndpoint(name string, b *config.Block) (*node.VendEndpoint, error) {
	e := &node.VendEndpoint{Name: name}
	var check, secretFile, secretVariable string
	var allow []string
	err := b.Read([]config.Setting{
		{Name: "check", Value: config.Choice(&check, "none", "secret", "oidc")},
		{Name: "secret-file", Value: config.Path(&secretFile)},
		{Name: "secret-env", Value: config.Text(&secretVariable)},
		{Name: "issuer", Value: config.Text(&e.Issuer.URL)},
		{Name: "audience", Value: config.List(&e.Issuer.Audience)},
		{Name: "keys-url", Value: config.Text(&e.Issuer.KeysURL)},
		{Name: "algorithms", Value: config.List(&e.Issuer.Algorithms)},
		{Name: "allow", Value: config.List(&allow)},
		{Name: "token-id", Value: config.Text(&e.TokenID)},
		{Name: "expires", Value: config.Duration(&e.Life)},
		{Name: "rate", Value: config.Integer(&e.Rate, 1, node.MaxVendRate)},
	}, vendValues("parameters", &e.Parameters), vendValues("claims", &e.Claims))
	if err != nil {
		return nil, err
	}
	e.Check = node.VendCheck(check)
	for _, text := range allow {
		permission, err := grant.Parse(text)
		if err != nil {
			return nil, b.Wrong(err, "allow")
		}
		e.Allow = append(e.Allow, permission)
	}
	if e.Secrets, err = p.vendSecrets(secretFile, secretVariable); err != nil {
		source := "secret-env"
		if secretFile != "" {
			source = "secret-file"
		}
		return nil, b.Wrong(err, source)
	}
	if err := e.Validate(); err != nil {
		var path []string
		if misfit, ok := errors.AsType[*node.VendMisfit](err); ok {
			path = misfit.Path
		}
		return nil, b.Wrong(fmt.Errorf("vend: %s: %w", name, err), path...)
	}
	return e, nil
}

// vendValues reads what values must look like, under the name of each.
func vendValues(name string, bounds *map[string]node.VendBound) config.Section {
	return config.Section{Name: name, Read: func(b *config.Block) error {
		*bounds = make(map[string]node.VendBound)
		return b.Each(func(value string, below *config.Block) error {
			var bound node.VendBound
			err := below.Read([]config.Setting{
				{Name: "pattern", Value: config.Text(&bound.Pattern)},
				{Name: "max", Value: config.Integer(&bound.Max, 1, node.MaxVendValue)},
			})
			(*bounds)[value] = bound
			return err
		})
	}}
}

// maxSecretFile bounds a file of secrets, in bytes: a few lines.
const maxSecretFile = 8 << 10

// vendSecrets reads the secrets that callers may show, one on each line, so that a
// new one can be taken before the old one is given up.
func (p *Program) vendSecrets(file, variable string) ([]node.VendSecret, error) {
	var text string
	switch {
	case file != "" && variable != "":
		return nil, errors.New("secret-file and secret-env are both there; keep one")
	case file != "":
		raw, err := readSome(file, maxSecretFile)
		if err != nil {
			return nil, fmt.Errorf("secret-file: %w", err)
		}
		text = string(bytes.TrimRight(raw, "\r\n"))
	case variable != "":
		if text = p.getenv(variable); text == "" {
			return nil, fmt.Errorf("secret-env: the environment has no %s", variable)
		}
	default:
		return nil, nil
	}
	var secrets []node.VendSecret
	for line := range strings.Lines(text) {
		secret, err := node.NewVendSecret(strings.TrimRight(line, "\r\n"))
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// readSome reads a file of at most max bytes.
func readSome(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(text)) > max {
		err = fmt.Errorf("%s is larger than %d bytes", path, max)
	}
	return text, err
}
