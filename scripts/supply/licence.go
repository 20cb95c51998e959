package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// allowed are the licences of what is shipped, by their SPDX names. Each lets an Apache
// 2.0 program be given away with it inside; MPL-2.0 binds the files that are under it
// only, which are shipped unchanged. Adding one is a decision, to be made in review.
var allowed = []string{"Apache-2.0", "MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "MPL-2.0"}

// licenceFile are the names of files that say what a module is under.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([.\-_].*)?$`)

// words are what only the text of that licence says, in lower case and with single
// spaces. The first that fits is it.
var words = []struct{ licence, says string }{
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"MPL-2.0", "mozilla public license, version 2.0"},
	{"Apache-2.0", "apache license version 2.0"},
	{"Apache-2.0", "apache license, version 2.0"},
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"BSD-3-Clause", "may be used to endorse or promote products derived from this software"},
	{"BSD-2-Clause", "redistribution and use in source and binary forms, with or without modification"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"},
	{"ISC", "permission to use, copy, modify, and distribute this software for any purpose with or without fee"},
}

// licenceOf names the licence of a text, empty for one that is not known here.
func licenceOf(text string) string {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	for _, w := range words {
		if strings.Contains(text, w.says) {
			return w.licence
		}
	}
	return ""
}

// licencesIn reads the licence files of a folder. A file that is none of those known
// here counts as a licence of its own name, which is not allowed.
func licencesIn(dir string) (names, texts []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, nil, err
		}
		name := licenceOf(string(text))
		if name == "" {
			name = "the unknown licence in " + e.Name()
		}
		names, texts = append(names, name), append(texts, string(text))
	}
	return names, texts, nil
}
