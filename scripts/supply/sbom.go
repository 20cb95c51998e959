package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

// The words of CycloneDX 1.6, as far as they are used here.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp,omitempty"`
		Component component `json:"component"`
	}
	component struct {
		Ref        string     `json:"bom-ref"`
		Type       string     `json:"type"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Purl       string     `json:"purl,omitempty"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licences   []licence  `json:"licenses,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licence struct {
		Licence struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn,omitempty"`
	}
)

// sbom prints what is in a binary.
func sbom(out io.Writer, binary string) error {
	inBinary, err := inside(binary)
	if err != nil {
		return err
	}
	pages, err := locked(lock)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	document, err := describe(inBinary, pages, content)
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(document)
}

// describe puts a binary into the words of CycloneDX. Its time is that of the commit it
// was built from.
func describe(c contents, pages []part, binary []byte) (bom, error) {
	digest := sha256.Sum256(binary)
	settings := make(map[string]string)
	for _, s := range c.info.Settings {
		settings[s.Key] = s.Value
	}
	main := component{
		Ref: "mayfly", Type: "application", Name: "mayfly", Version: c.info.Main.Version,
		Purl:       "pkg:golang/" + c.info.Main.Path + "@" + c.info.Main.Version,
		Hashes:     []hash{{"SHA-256", hex.EncodeToString(digest[:])}},
		Properties: []property{{"mayfly:go", c.info.GoVersion}, {"mayfly:commit", settings["vcs.revision"]}, {"mayfly:platform", settings["GOOS"] + "/" + settings["GOARCH"]}},
	}
	main.licensed([]string{"Apache-2.0"})
	document := bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{settings["vcs.time"], main}}
	std := part{name: "std", version: c.info.GoVersion, purl: "pkg:golang/std@" + c.info.GoVersion, licences: []string{"BSD-3-Clause"}}
	for _, p := range slices.Concat([]part{std}, c.parts, pages) {
		one, err := p.component()
		if err != nil {
			return bom{}, err
		}
		document.Components = append(document.Components, one)
	}
	all := dependency{Ref: main.Ref}
	for _, one := range document.Components {
		all.On = append(all.On, one.Ref)
	}
	document.Dependencies = []dependency{all}
	return document, nil
}

func (p part) component() (component, error) {
	c := component{Ref: p.purl, Type: "library", Name: p.name, Version: p.version, Purl: p.purl}
	c.licensed(p.licences)
	if p.sum != "" { // of a module's files, not of one archive, so it is no hash by its own name
		c.Properties = []property{{"go:sum", p.sum}}
	}
	if p.sha512 != "" {
		raw, err := base64.StdEncoding.DecodeString(p.sha512)
		if err != nil {
			return component{}, fmt.Errorf("%s: the digest in the lock file: %w", p.name, err)
		}
		c.Hashes = []hash{{"SHA-512", hex.EncodeToString(raw)}}
	}
	return c, nil
}

func (c *component) licensed(names []string) {
	for _, name := range names {
		var l licence
		l.Licence.ID = name
		c.Licences = append(c.Licences, l)
	}
}
