package db

import "strings"

// inSizes are the lengths of the lists that statements with IN (…) come in. A
// shorter list is padded with its last value, so that a handful of prepared
// statements serves lists of every length.
var inSizes = [...]int{1, 8, 64}

// inList is one statement in every size: head (?,?,…) tail.
type inList [len(inSizes)]string

// newInList builds the texts; its arguments are constants.
func newInList(head, tail string) inList {
	var l inList
	for i, n := range inSizes {
		l[i] = head + " (?" + strings.Repeat(",?", n-1) + ") " + tail
	}
	return l
}

// eachChunk calls fn for every statement that is needed to cover the values.
func eachChunk[T any](l inList, values []T, fn func(text string, args []any) error) error {
	for len(values) > 0 {
		i := 0
		for i < len(inSizes)-1 && len(values) > inSizes[i] {
			i++
		}
		n := min(inSizes[i], len(values))
		args := make([]any, inSizes[i])
		for k := range args {
			args[k] = values[min(k, n-1)]
		}
		if err := fn(l[i], args); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}
