package canon

import (
	"errors"
	"fmt"
)

// MaxDepth is how many objects and arrays may be open at once.
const MaxDepth = 64

// The reasons for which a text is refused. They arrive wrapped in an *Error;
// none of them carries any part of the text.
var (
	ErrSyntax    = errors.New("malformed JSON")
	ErrTooDeep   = fmt.Errorf("JSON nested deeper than %d levels", MaxDepth)
	ErrNUL       = errors.New("U+0000 is not allowed")
	ErrUTF8      = errors.New("text is not valid UTF-8")
	ErrSurrogate = errors.New("half a surrogate pair in a string")
	ErrRange     = errors.New("number out of range")
	ErrNotObject = errors.New("not a JSON object")
)

// Error says why and where a text was refused. Err is one of the sentinels of
// this package. The message holds nothing of the text, so it may be shown.
type Error struct {
	Err    error
	Offset int // in bytes from the start of the text
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%v at byte %d", e.Err, e.Offset) }

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Err }
