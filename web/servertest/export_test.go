package servertest

import "time"

// Patience bounds the end of the server, for tests of what happens when it
// does not end.
func Patience(d time.Duration) Option {
	return func(s *settings) { s.patience = d }
}
