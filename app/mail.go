package app

import "context"

// Mail is one message to one person. Both forms say the same.
type Mail struct {
	To      string // address
	ToName  string // "" when unknown
	Subject string
	Text    string
	HTML    string
}

// Mailer sends mail. Package web/outbound/mail implements it.
type Mailer interface {
	// Send hands a message over and returns before it is delivered, so that
	// the time it takes tells nobody whether an account exists. It reports
	// whether the message was taken; delivery is tried several times, and
	// failures are logged without the text.
	//
	// Errors: CodeBusy when too many messages wait.
	Send(ctx context.Context, m Mail) error
}
