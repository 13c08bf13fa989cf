package identity

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/defarm-repo/defarm/app"
)

func invalidAccount(text string) error {
	return app.Invalid(app.ReasonInvalidAccount, "%s", text)
}

// checkUsername wants 1 to 64 characters without control characters; the name
// comes without outer blanks. Blanks inside are allowed: the original's users
// have them.
func checkUsername(name string) error {
	switch {
	case name == "":
		return invalidAccount("Username must not be empty")
	case utf8.RuneCountInString(name) > maxUsernameRunes:
		return invalidAccount("Username must be at most 64 characters long")
	case !printable(name):
		return invalidAccount("Username must not contain control characters")
	default:
		return nil
	}
}

// checkEmail wants one "@" between a local part of 1 to 64 bytes and a host
// name, without blanks; at most 254 bytes. Hosts without a dot are allowed:
// development accounts have them. Whether the address exists only a mail tells.
func checkEmail(address string) error {
	local, host, ok := strings.Cut(address, "@")
	switch {
	case address == "":
		return invalidAccount("Email must not be empty")
	case len(address) > maxEmailBytes:
		return invalidAccount("Email must be at most 254 characters long")
	case !ok || local == "" || len(local) > 64 || !hostName(host) || !mailText(local):
		return invalidAccount("Email address is not valid")
	default:
		return nil
	}
}

// mailText admits what an unquoted local part may hold, and letters of all
// scripts.
func mailText(local string) bool {
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return false
	}
	for _, r := range local {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r) {
			return false
		}
	}
	return utf8.ValidString(local)
}

func hostName(host string) bool {
	if !utf8.ValidString(host) {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, r := range label {
			if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '-' {
				return false
			}
		}
	}
	return true
}

// checkWorkspace bounds a chosen name. It may be empty, as in the original.
func checkWorkspace(name string) error {
	switch {
	case utf8.RuneCountInString(name) > maxWorkspaceRunes:
		return invalidAccount("Workspace name must be at most 128 characters long")
	case !printable(name):
		return invalidAccount("Workspace name must not contain control characters")
	default:
		return nil
	}
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// storableText admits line breaks, but not U+0000 or bytes that are not UTF-8.
func storableText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// isContext reports whether the caller left or his time ran out.
func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
