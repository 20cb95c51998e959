package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

func TestLicencesAreKnownByTheirWords(t *testing.T) {
	for text, want := range map[string]string{
		"                                 Apache License\n                           Version 2.0, January 2004":                        "Apache-2.0",
		"Permission is hereby granted, free of charge, to any person\nobtaining a copy of this software":                               "MIT",
		"Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided":                     "BSD-2-Clause",
		"Redistribution and use in source and binary forms ... may be used to endorse or\npromote products derived from this software": "BSD-3-Clause",
		"Mozilla Public License, version 2.0\n\n1. Definitions":                                                                        "MPL-2.0",
		"GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3, 19 November 2007":                                                               "",
		"All rights reserved.": "",
	} {
		if got := licenceOf(text); got != want {
			t.Errorf("%.40q is %q, want %q", text, got, want)
		}
	}
}

func TestUnknownLicenceFilesAreNotPassedOver(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"LICENSE": "Apache License Version 2.0", "LICENSE-extra.md": "Only on Tuesdays.", "licenses.go": "package x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names, texts, err := licencesIn(dir)
	if err != nil || len(texts) != 2 || !slices.Equal(names, []string{"Apache-2.0", "the unknown licence in LICENSE-extra.md"}) {
		t.Errorf("%q, %d texts, %v", names, len(texts), err)
	}
}

func TestWhatOnlyBuildsThePagesIsNoPart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "package-lock.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"packages": {"": {"version": "0.0.0"},
		"node_modules/@a/b": {"version": "1.2.3", "integrity": "sha512-AAAA", "license": "(MIT AND Apache-2.0)"},
		"node_modules/c/node_modules/@a/b": {"version": "1.2.3", "integrity": "sha512-AAAA", "license": "(MIT AND Apache-2.0)"},
		"node_modules/tool": {"version": "1.0.0", "integrity": "sha512-AAAA", "dev": true, "license": "GPL-3.0"}}}`)
	parts, err := locked(file)
	if err != nil || len(parts) != 1 || parts[0].purl != "pkg:npm/%40a/b@1.2.3" || !slices.Equal(parts[0].licences, []string{"MIT", "Apache-2.0"}) {
		t.Errorf("%+v, %v", parts, err)
	}
	write(`{"packages": {"node_modules/c": {"version": "1.0.0", "license": "MIT"}}}`)
	if _, err := locked(file); err == nil || !strings.Contains(err.Error(), "c has no digest") {
		t.Errorf("a package without a digest: %v", err)
	}
}

// The document names every part once, with what it takes to find and check it.
func TestDescribe(t *testing.T) {
	c := contents{
		info: &debug.BuildInfo{GoVersion: "go1.2.3", Main: debug.Module{Path: "example.com/mayfly", Version: "v1.0.0"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"},
		}},
		parts: []part{{name: "example.com/x", version: "v0.1.0", purl: "pkg:golang/example.com/x@v0.1.0", sum: "h1:AAAA", licences: []string{"MIT"}}},
	}
	pages := []part{{name: "p", version: "2.0.0", purl: "pkg:npm/p@2.0.0", sha512: "AP8=", licences: []string{"ISC", "MIT"}}}
	document, err := describe(c, pages, []byte("binary"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"bomFormat":"CycloneDX","specVersion":"1.6","version":1`, `"timestamp":"2026-01-02T03:04:05Z"`,
		`"purl":"pkg:golang/example.com/mayfly@v1.0.0","hashes":[{"alg":"SHA-256","content":"9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd"}]`,
		`{"name":"mayfly:platform","value":"linux/arm64"}`, `"purl":"pkg:golang/std@go1.2.3"`,
		`{"bom-ref":"pkg:golang/example.com/x@v0.1.0","type":"library","name":"example.com/x","version":"v0.1.0","purl":"pkg:golang/example.com/x@v0.1.0","licenses":[{"license":{"id":"MIT"}}],"properties":[{"name":"go:sum","value":"h1:AAAA"}]}`,
		`"hashes":[{"alg":"SHA-512","content":"00ff"}],"licenses":[{"license":{"id":"ISC"}},{"license":{"id":"MIT"}}]`,
		`"dependencies":[{"ref":"mayfly","dependsOn":["pkg:golang/std@go1.2.3","pkg:golang/example.com/x@v0.1.0","pkg:npm/p@2.0.0"]}]`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s\nis not in\n%s", want, raw)
		}
	}
	pages[0].sha512 = "not base64"
	if _, err := describe(c, pages, nil); err == nil {
		t.Error("a digest that is none was passed on")
	}
}
