package demo

import (
	_ "embed" // herd.csv is compiled into the binary
	"strings"
)

// What herd.csv holds, header not counted. HerdAnimals + HerdRepeats +
// HerdRefused = HerdRows; a test counts them again.
const (
	HerdRows    = 1000 // lines of data
	HerdAnimals = 963  // animals: what a first import creates
	HerdRepeats = 24   // lines about an animal of an earlier line: what it enriches
	HerdRefused = 13   // lines that no import accepts
)

// herd is the file's text, UTF-8, comma-separated, with a header line.
//
//go:embed herd.csv
var herd string

// Herd returns the herd file for reading from its start.
func Herd() *strings.Reader { return strings.NewReader(herd) }
