package api

import (
	"errors"

	"github.com/defarm-repo/defarm/app"
)

// prefixed puts the contract's words before the text of an error that is about
// the request. Errors of other kinds have texts of their own.
func prefixed(prefix string, err error) error {
	return wordedAs(prefix, err, app.CodeInvalid, app.CodeTooLarge)
}

// refused is prefixed for the routes of circuits that answer 400 to everything
// that is wrong with a request, also to what is not found or not permitted
// (contract 03 §0.3): clients read the text.
func refused(prefix string, err error) error {
	err = wordedAs(prefix, err, app.CodeInvalid, app.CodeTooLarge, app.CodeNotFound, app.CodeForbidden, app.CodeConflict)
	var e *app.Error
	if !errors.As(err, &e) || quotaReason(e.Reason) {
		return err
	}
	switch e.Code {
	case app.CodeNotFound, app.CodeForbidden, app.CodeConflict:
		c := *e
		c.Code = app.CodeInvalid
		return &c
	default:
		return err
	}
}

// quotaReason says that an error is about the account and not the request; it
// has a shape of its own.
func quotaReason(r app.Reason) bool {
	return r == app.ReasonTierLimit || r == app.ReasonInsufficientCredits
}

func wordedAs(prefix string, err error, codes ...app.Code) error {
	var e *app.Error
	if !errors.As(err, &e) || quotaReason(e.Reason) {
		return err
	}
	for _, code := range codes {
		if e.Code == code {
			c := *e
			c.Message = prefix + e.Message
			return &c
		}
	}
	return err
}
