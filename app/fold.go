package app

import "strings"

// FoldName is the form in which user names and mail addresses are compared:
// without regard to case. Upper-casing first joins letters that have more than
// one lower-case form (the long s, the Greek final sigma).
func FoldName(s string) string { return strings.ToLower(strings.ToUpper(s)) }
